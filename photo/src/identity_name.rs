//! The name of a person on a site, as commands, snapshots and decisions have it: `site/slug`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// `site/slug`, ordered as that text is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct IdentityName(String);

/// A text that names no person.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` names no person: SITE/SLUG is expected")]
pub struct ParseIdentityNameError(String);

impl IdentityName {
    /// The name of the person that a site calls `slug`.
    pub fn new(site: &str, slug: &str) -> Self {
        Self(format!("{site}/{slug}"))
    }

    /// The name as a text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The site's name, or the import's.
    pub fn site(&self) -> &str {
        site_of(&self.0)
    }

    /// What the site calls the person.
    pub fn slug(&self) -> &str {
        self.0.split_once('/').map_or("", |(_, slug)| slug)
    }
}

/// The site in a name that a snapshot has; of a name without a site, all of it.
pub fn site_of(name: &str) -> &str {
    name.split_once('/').map_or(name, |(site, _)| site)
}

impl fmt::Display for IdentityName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for IdentityName {
    type Err = ParseIdentityNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.to_owned().try_into()
    }
}

impl TryFrom<String> for IdentityName {
    type Error = ParseIdentityNameError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.split_once('/') {
            Some((site, slug)) if !site.is_empty() && !slug.is_empty() => Ok(Self(text)),
            _ => Err(ParseIdentityNameError(text)),
        }
    }
}

impl From<IdentityName> for String {
    fn from(name: IdentityName) -> Self {
        name.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_back_from_its_text_and_from_json() {
        let name = IdentityName::new("demo", "ada-1");
        assert_eq!((name.site(), name.slug(), name.as_str()), ("demo", "ada-1", "demo/ada-1"));
        assert_eq!("demo/ada-1".parse(), Ok(name.clone()));
        let json = serde_json::to_string(&name).unwrap();
        assert_eq!(json, "\"demo/ada-1\"");
        assert_eq!(serde_json::from_str::<IdentityName>(&json).unwrap(), name);
    }

    #[test]
    fn a_text_without_site_or_slug_names_nobody() {
        for text in ["", "ada", "/ada", "demo/"] {
            assert_eq!(text.parse::<IdentityName>(), Err(ParseIdentityNameError(text.to_owned())));
        }
    }

    #[test]
    fn the_site_is_what_stands_before_the_first_slash() {
        assert_eq!(["demo/ada", "demo/a/b", "drawn"].map(site_of), ["demo", "demo", "drawn"]);
    }
}
