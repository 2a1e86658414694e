//! Configuration files as Python writes them.

use crate::error::{Error, Result};
use serde_json::{Map, Value};
use std::path::Path;

/// A configuration file (`config.json`, `scheduler_config.json`) as a map, with errors that name file and key.
#[derive(Clone, Debug)]
pub struct Settings {
    file: String,
    values: Map<String, Value>,
}

impl Settings {
    /// Reads a configuration file.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(Error::read(path))?;
        let value = parse(&text).map_err(|e| Error::malformed(path, e))?;
        Self::new(path.display().to_string(), value)
    }

    /// Takes a configuration that has been parsed already; `file` names it in errors.
    pub fn new(file: impl Into<String>, value: Value) -> Result<Self> {
        let file = file.into();
        match value {
            Value::Object(values) => Ok(Self { file, values }),
            other => {
                Err(Error::malformed(Path::new(&file), format!("a JSON object is needed, found {other}")))
            }
        }
    }

    /// The same settings with one value replaced.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.values.insert(key.to_owned(), value.into());
        self
    }

    /// The same settings without these keys, so that the defaults apply.
    #[must_use]
    pub fn without(mut self, keys: &[String]) -> Self {
        self.values.retain(|key, _| !keys.contains(key));
        self
    }

    /// The value of a key; `null` counts as absent.
    pub fn value(&self, key: &str) -> Option<&Value> {
        self.values.get(key).filter(|v| !v.is_null())
    }

    /// The settings of a nested object, if there is one.
    pub fn nested(&self, key: &str) -> Option<Self> {
        let values = self.value(key)?.as_object()?.clone();
        Some(Self { file: format!("{} ({key})", self.file), values })
    }

    /// A value of any type, or `None` where the key is absent.
    pub fn optional<T: serde::de::DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        let parse = |v: &Value| serde_json::from_value(v.clone()).map_err(|e| self.unsupported(key, e));
        self.value(key).map(parse).transpose()
    }

    /// A value of any type, or its default where the key is absent.
    pub fn or<T: serde::de::DeserializeOwned>(&self, key: &str, default: T) -> Result<T> {
        Ok(self.optional(key)?.unwrap_or(default))
    }

    /// A value that must be there.
    pub fn required<T: serde::de::DeserializeOwned>(&self, key: &str) -> Result<T> {
        self.optional(key)?.ok_or_else(|| Error::Config {
            file: self.file.clone(),
            key: key.to_owned(),
            value: "(absent)".to_owned(),
            hint: "the model needs it; is this the right file?".to_owned(),
        })
    }

    /// One of several words; the first is the default.
    pub fn choice<T: Copy>(&self, key: &str, choices: &[(&str, T)]) -> Result<T> {
        let known = || choices.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ");
        match self.value(key) {
            None => choices
                .first()
                .map(|(_, value)| *value)
                .ok_or_else(|| self.unsupported(key, "there is nothing to choose from")),
            Some(found) => choices
                .iter()
                .find(|(word, _)| found.as_str() == Some(word))
                .map(|(_, value)| *value)
                .ok_or_else(|| self.unsupported(key, format!("supported: {}", known()))),
        }
    }

    /// Refuses a switch that would change the result in a way that is not implemented.
    pub fn refuse_if_set(&self, keys: &[&str]) -> Result<()> {
        match keys.iter().find(|key| self.value(key).is_some_and(|v| v != &Value::Bool(false))) {
            Some(key) => Err(self.unsupported(key, "supported: false")),
            None => Ok(()),
        }
    }

    /// An error about the value of a key.
    pub fn unsupported(&self, key: &str, hint: impl std::fmt::Display) -> Error {
        Error::Config {
            file: self.file.clone(),
            key: key.to_owned(),
            value: self.values.get(key).map_or_else(|| "(absent)".to_owned(), Value::to_string),
            hint: hint.to_string(),
        }
    }
}

/// Parses JSON in which Python may have written `Infinity`, `-Infinity` and `NaN`; they become `null`, that
/// is, "absent".
///
/// diffusers writes `"lambda_min_clipped": -Infinity` into `scheduler_config.json`.
pub fn parse(text: &str) -> serde_json::Result<Value> {
    let mut out = String::with_capacity(text.len());
    let (mut rest, mut in_string) = (text, false);
    while let Some(c) = rest.chars().next() {
        if !in_string
            && let Some(word) = ["-Infinity", "Infinity", "NaN"].iter().find(|w| rest.starts_with(**w))
        {
            out.push_str("null");
            rest = &rest[word.len()..];
            continue;
        }
        let mut taken = c.len_utf8();
        if in_string && c == '\\' {
            taken += rest[taken..].chars().next().map_or(0, char::len_utf8);
        } else if c == '"' {
            in_string = !in_string;
        }
        out.push_str(&rest[..taken]);
        rest = &rest[taken..];
    }
    serde_json::from_str(&out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn infinity_as_python_writes_it_counts_as_absent_but_not_inside_a_string() -> serde_json::Result<()> {
        let value = parse(r#"{"a": -Infinity, "b": [NaN, 1.5], "c": "Infinity \" NaN", "d": Infinity}"#)?;
        assert_eq!(
            value,
            serde_json::json!({"a": null, "b": [null, 1.5], "c": "Infinity \" NaN", "d": null})
        );
        Ok(())
    }

    #[test]
    fn a_value_that_is_not_supported_is_named_with_its_file_key_and_choices() -> Result<()> {
        let settings = Settings::new("s.json", serde_json::json!({"kind": "x", "on": true}))?;
        let error = settings.choice("kind", &[("a", 1), ("b", 2)]).map_err(|e| e.to_string());
        assert_eq!(error, Err("s.json: `kind` = \"x\" is not supported; supported: a, b".to_owned()));
        assert!(settings.refuse_if_set(&["off", "on"]).is_err());
        assert_eq!(settings.choice("absent", &[("a", 1), ("b", 2)])?, 1);
        Ok(())
    }
}
