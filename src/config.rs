//! Where values come from: flags (`--set`) > environment (`BOLID_*`) > the recipe > defaults.
//!
//! `BOLID_RULES__MIN_SIDE=800` sets `rules.min_side`: two underscores stand for a dot. An unknown key is an error
//! that names where it stands and the nearest key that exists.

use std::fs;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use toml::{Table, Value};

use crate::recipe::Recipe;

/// Variables that are not recipe keys.
const OTHER_VARIABLES: [&str; 11] = [
    "BOLID_ALLOW_PRIVATE",
    "BOLID_WORKDIR",
    "BOLID_THREADS",
    "BOLID_DEVICE",
    "BOLID_RECIPE",
    "BOLID_MODELS",
    "BOLID_GOLDEN",
    "BOLID_LOG",
    "BOLID_PYTHON",
    "BOLID_PROGRESS_S",
    "BOLID_COMMIT",
];

/// A configuration that cannot be used: exit code 2.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("read recipe {path}: {cause}", path = .path.display())]
    Read { path: PathBuf, cause: std::io::Error },
    /// A key or value in the file is wrong.
    #[error("recipe {path}, line {line}: {message}", path = .path.display())]
    File {
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What is wrong, with the nearest known key.
        message: String,
    },
    /// A key or value of the environment or a flag is wrong.
    #[error("{origin}: {message}")]
    Override {
        /// The variable or flag.
        origin: String,
        /// What is wrong, with the nearest known key.
        message: String,
    },
}

/// Variables that belong to a training's configuration: `BOLID_TRAIN__FIT__STEPS` sets `fit.steps`.
const TRAINING: &str = "BOLID_TRAIN__";

/// Reads a recipe and puts the environment and the flags over it.
pub fn load(
    path: &Path,
    flags: &[String],
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Recipe, ConfigError> {
    let recipe: Recipe = read(path, flags, "BOLID_", recipe_variables(environment))?;
    Ok(recipe.relative_to(path.parent().unwrap_or(Path::new(""))))
}

/// What holds without a recipe, with the environment and the flags over it: nothing is bounded, no size refused.
pub fn without_recipe(
    flags: &[String],
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Recipe, ConfigError> {
    let text = "name = \"site\"\nmodels = \"data/models/models.toml\"\n[rules]\nmin_side = 0\n";
    overlay(text, Path::new("none"), flags, "BOLID_", recipe_variables(environment))
}

/// The recipe of a command that has none: models, and the defaults, with the environment and the flags over them.
pub fn of_defaults(
    name: &str,
    models: &Path,
    flags: &[String],
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Recipe, ConfigError> {
    let mut table = Table::new();
    table.insert("name".to_owned(), Value::from(name));
    table.insert("models".to_owned(), Value::from(models.to_string_lossy().into_owned()));
    // The paper asks for 100 photos of each person; a first look at one's own photos is not to be empty.
    table.insert(
        "rules".to_owned(),
        Value::Table(Table::from_iter([("min_photos".to_owned(), Value::from(1))])),
    );
    overlay(&table.to_string(), Path::new("(none)"), flags, "BOLID_", recipe_variables(environment))
}

fn recipe_variables(
    environment: impl IntoIterator<Item = (String, String)>,
) -> impl Iterator<Item = (String, String)> {
    let belongs = |name: &str| {
        name.starts_with("BOLID_") && !name.starts_with(TRAINING) && !OTHER_VARIABLES.contains(&name)
    };
    environment.into_iter().filter(move |(name, _)| belongs(name))
}

/// Reads a training's configuration and puts the environment and the flags over it.
pub fn load_training<T: DeserializeOwned>(
    path: &Path,
    flags: &[String],
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<T, ConfigError> {
    let variables = environment.into_iter().filter(|(name, _)| name.starts_with(TRAINING));
    read(path, flags, TRAINING, variables)
}

fn read<T: DeserializeOwned>(
    path: &Path,
    flags: &[String],
    prefix: &str,
    variables: impl Iterator<Item = (String, String)>,
) -> Result<T, ConfigError> {
    let text =
        fs::read_to_string(path).map_err(|cause| ConfigError::Read { path: path.to_owned(), cause })?;
    overlay(&text, path, flags, prefix, variables)
}

fn overlay<T: DeserializeOwned>(
    text: &str,
    path: &Path,
    flags: &[String],
    prefix: &str,
    variables: impl Iterator<Item = (String, String)>,
) -> Result<T, ConfigError> {
    let in_file = |error: &toml::de::Error| {
        let before = &text[..error.span().map_or(0, |span| span.start.min(text.len()))];
        let line = before.matches('\n').count() + 1;
        ConfigError::File { path: path.to_owned(), line, message: with_nearest(error.message()) }
    };
    let mut config: T = toml::from_str(text).map_err(|error| in_file(&error))?;
    let mut table: Table = toml::from_str(text).map_err(|error| in_file(&error))?;

    let mut variables: Vec<_> = variables
        .map(|(name, value)| (format!("environment variable {name}"), key_of(&name, prefix), value))
        .collect();
    variables.sort();
    let flags = flags.iter().map(|flag| {
        let (key, value) = flag.split_once('=').unwrap_or((flag, ""));
        (format!("--set {flag}"), key.to_owned(), value.to_owned())
    });
    for (origin, key, value) in variables.into_iter().chain(flags) {
        let wrong = |message: String| ConfigError::Override { origin: origin.clone(), message };
        if value.is_empty() {
            return Err(wrong("KEY=VALUE is expected".to_owned()));
        }
        set(&mut table, &key, parse_value(&value)).map_err(wrong)?;
        config = table
            .clone()
            .try_into()
            .map_err(|error: toml::de::Error| wrong(with_nearest(error.message())))?;
    }
    Ok(config)
}

impl Recipe {
    /// Paths in a recipe are relative to its folder.
    fn relative_to(mut self, folder: &Path) -> Self {
        self.models = folder.join(&self.models);
        // An empty one is none: `--set 'lock=""'` goes without.
        self.lock = self.lock.filter(|lock| !lock.as_os_str().is_empty()).map(|lock| folder.join(lock));
        for site in &mut self.sites {
            site.profile = folder.join(&site.profile);
        }
        for import in &mut self.imports {
            import.path = folder.join(&import.path);
            import.profile = import.profile.as_ref().map(|profile| folder.join(profile));
        }
        if let Some(captions) = &mut self.captions {
            let model = captions.model.as_mut().map(|model| &mut model.path);
            for path in model.into_iter().chain(&mut captions.rules.tokenizer) {
                // What is no folder is a repository's id.
                let in_folder = folder.join(&*path);
                if in_folder.exists() {
                    *path = in_folder;
                }
            }
        }
        self
    }
}

fn key_of(variable: &str, prefix: &str) -> String {
    variable.trim_start_matches(prefix).to_ascii_lowercase().replace("__", ".")
}

/// A TOML value, or else a text that needs no quotes.
fn parse_value(text: &str) -> Value {
    let parsed = toml::from_str::<Table>(&format!("value = {text}")).ok();
    parsed.and_then(|mut table| table.remove("value")).unwrap_or_else(|| Value::String(text.to_owned()))
}

fn set(table: &mut Table, key: &str, value: Value) -> Result<(), String> {
    match key.split_once('.') {
        None => {
            table.insert(key.to_owned(), value);
            Ok(())
        }
        Some((head, rest)) => {
            let entry = table.entry(head).or_insert_with(|| Value::Table(Table::new()));
            let inner = entry
                .as_table_mut()
                .ok_or_else(|| format!("`{head}` is no section, so it has no `{rest}`"))?;
            set(inner, rest, value)
        }
    }
}

/// Adds the nearest known key to serde's "unknown field `x`, expected one of `a`, `b`".
fn with_nearest(message: &str) -> String {
    let message = message.trim_end();
    let mut quoted = message.split('`').skip(1).step_by(2);
    match quoted.next() {
        Some(unknown) if message.starts_with("unknown field") => {
            let nearest = quoted.min_by_key(|known| strsim::damerau_levenshtein(known, unknown));
            nearest.map_or(message.to_owned(), |known| {
                format!("unknown key `{unknown}`; did you mean `{known}`?")
            })
        }
        _ => in_words(message),
    }
}

/// serde's names of types as words: "invalid type: string \"x\", expected u32".
fn in_words(message: &str) -> String {
    let Some((said, expected)) = message.rsplit_once(", expected ") else { return message.to_owned() };
    let words = match expected {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, 0 or more",
        "i32" | "i64" => "a whole number",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        _ if expected.starts_with("struct ") => "a section, with keys of its own",
        _ => return message.to_owned(),
    };
    format!("{said}, expected {words}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECIPE: &str = "name = \"demo\"\nmodels = \"../models/models.toml\"\n\n[rules]\nmin_side = 900\n";

    fn load_text(text: &str, flags: &[&str], environment: &[(&str, &str)]) -> Result<Recipe, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("recipe.toml");
        fs::write(&path, text).unwrap();
        let flags: Vec<_> = flags.iter().map(|&flag| flag.to_owned()).collect();
        load(&path, &flags, environment.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())))
    }

    #[test]
    fn flags_win_over_the_environment_and_the_environment_over_the_file() {
        let environment =
            [("BOLID_RULES__MIN_SIDE", "800"), ("BOLID_RULES__MIN_PHOTOS", "7"), ("BOLID_LOG", "x")];
        let recipe = load_text(RECIPE, &["rules.min_photos=5"], &environment).unwrap();
        assert_eq!((recipe.rules.min_side, recipe.rules.min_photos), (800, 5));
        assert_eq!(load_text(RECIPE, &[], &[]).unwrap().rules.min_side, 900);
        assert_eq!(load_text(RECIPE, &["name=other"], &[]).unwrap().name, "other");
    }

    #[test]
    fn an_unknown_key_is_named_with_file_line_and_nearest_key() {
        let text = format!("{RECIPE}min_photo = 3\n");
        let error = load_text(&text, &[], &[]).unwrap_err().to_string();
        assert!(error.contains("recipe.toml, line 6"), "{error}");
        assert!(error.contains("`min_photo`; did you mean `min_photos`?"), "{error}");
        let error = load_text(RECIPE, &["rules.min_sid=3"], &[]).unwrap_err().to_string();
        assert!(error.starts_with("--set rules.min_sid=3") && error.contains("`min_side`"), "{error}");
        let error = load_text(RECIPE, &[], &[("BOLID_RULE__MIN_SIDE", "3")]).unwrap_err().to_string();
        assert!(error.contains("BOLID_RULE__MIN_SIDE") && error.contains("`rules`"), "{error}");
    }

    #[test]
    fn a_value_of_the_wrong_type_is_refused_with_its_line() {
        let error = load_text(&RECIPE.replace("900", "\"big\""), &[], &[]).unwrap_err().to_string();
        assert!(error.contains("line 5") && error.contains("invalid type"), "{error}");
        assert!(load_text(RECIPE, &["rules.min_side"], &[]).is_err());
    }
}
