//! The key that lets somebody in at a server: it comes from the environment, and goes into one header.

use std::env;
use std::fmt;

use reqwest::header::HeaderValue;

/// What stands where a key stood.
const MASK: &str = "***";

/// A key. It has no text form of its own, so that no log and no error can show it.
#[derive(Clone)]
pub struct Key(String);

/// There is no key where one was to be.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The variable is not set, or empty.
    #[error(
        "the environment variable `{0}`, which `captions.server.api_key_env` names, is not set; set it to the \
         server's key, or leave the line out for a server that asks for none"
    )]
    NotSet(String),
    /// It holds what no header can.
    #[error("the environment variable `{0}` holds a line break or another character that no key has")]
    NoHeader(String),
}

impl Key {
    /// The key in an environment variable.
    ///
    /// # Errors
    /// Where there is none.
    pub fn from_env(variable: &str) -> Result<Self, KeyError> {
        let text = env::var(variable).unwrap_or_default();
        let key = Self(text.trim().to_owned());
        if key.0.is_empty() {
            return Err(KeyError::NotSet(variable.to_owned()));
        }
        if key.header().is_none() {
            return Err(KeyError::NoHeader(variable.to_owned()));
        }
        Ok(key)
    }

    /// The header's value. HTTP libraries leave it out of what they log.
    pub(crate) fn header(&self) -> Option<HeaderValue> {
        let mut value = HeaderValue::from_str(&format!("Bearer {}", self.0)).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// A server's words without the key: some repeat it where they refuse it.
    pub(crate) fn removed_from(&self, text: &str) -> String {
        text.replace(&self.0, MASK)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_shown_nowhere() {
        let key = Key("sk-123".to_owned());
        assert_eq!(format!("{key:?}"), "Key(***)");
        assert_eq!(format!("{:?}", key.header()), "Some(Sensitive)");
        assert_eq!(key.removed_from("Incorrect API key: sk-123."), "Incorrect API key: ***.");
    }

    #[test]
    fn a_variable_that_is_not_set_is_named() {
        let error = Key::from_env("BOLID_TEST_NO_SUCH_KEY").unwrap_err().to_string();
        assert!(error.contains("BOLID_TEST_NO_SUCH_KEY") && error.contains("api_key_env"), "{error}");
    }
}
