//! The parts of a profile that find something in a page: selectors, attributes, patterns.

use regex::Regex;
use scraper::Selector;
use serde::Deserialize;

/// Where a value stands, and how it is cleaned.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The element or JSON value, inside the card where there is one. Absent: the card itself.
    pub select: Option<Select>,
    /// The attribute. Absent: for links `href` or `src`, else the text. Of a `srcset`, the largest address is taken.
    pub attr: Option<String>,
    /// The value is what this pattern's first group (or all of it) matches; where it does not match there is none.
    pub pattern: Option<Pattern>,
    /// A text in which `{}` stands for the value, for addresses that are made from a number.
    pub template: Option<String>,
}

impl Rule {
    /// The value after pattern and template.
    pub fn clean(&self, value: &str) -> Option<String> {
        let value = value.trim();
        let value = match &self.pattern {
            Some(pattern) => pattern.find(value)?,
            None => value,
        };
        let value = match &self.template {
            Some(template) => template.replace("{}", value),
            None => value.to_owned(),
        };
        (!value.is_empty()).then_some(value)
    }
}

/// A CSS selector, or a JSON pointer (which is empty, for the whole value, or starts with `/`, as no selector can).
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub enum Select {
    /// Elements of a page, with the selector's text.
    Css(Selector, String),
    /// A value of a JSON document.
    Pointer(String),
}

impl Select {
    /// As the profile writes it.
    pub fn text(&self) -> &str {
        match self {
            Self::Css(_, text) | Self::Pointer(text) => text,
        }
    }
}

impl TryFrom<String> for Select {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.is_empty() || text.starts_with('/') {
            return Ok(Self::Pointer(text));
        }
        match Selector::parse(&text) {
            Ok(selector) => Ok(Self::Css(selector, text)),
            Err(error) => Err(format!("`{text}` is no CSS selector: {error}")),
        }
    }
}

/// A regular expression; its first group, or all of it, is what it finds.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct Pattern(Regex);

impl Pattern {
    /// The first match.
    pub fn find<'t>(&self, text: &'t str) -> Option<&'t str> {
        let captures = self.0.captures(text)?;
        captures.get(1).or_else(|| captures.get(0)).map(|found| found.as_str())
    }

    /// Where the first match ends.
    pub(crate) fn end_of(&self, text: &str) -> Option<usize> {
        self.0.find(text).map(|found| found.end())
    }

    /// Whether there is a match anywhere.
    pub fn matches(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

impl TryFrom<String> for Pattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Regex::new(&text).map(Self).map_err(|error| format!("`{text}` is no pattern: {error}"))
    }
}

/// A charset by its name in the web's Encoding Standard.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct Charset(pub &'static encoding_rs::Encoding);

impl TryFrom<String> for Charset {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let found = encoding_rs::Encoding::for_label(text.as_bytes());
        found.map(Self).ok_or_else(|| format!("`{text}` is no known charset"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pattern_and_template_make_an_address_from_a_call() {
        let rule = Rule {
            pattern: Some(Pattern::try_from("pid=(\\d+)".to_owned()).unwrap()),
            template: Some("displayimage.php?pid={}&fullsize=1".into()),
            ..Rule::default()
        };
        assert_eq!(rule.clean(" open('?pid=12') ").unwrap(), "displayimage.php?pid=12&fullsize=1");
        assert_eq!(rule.clean("open()"), None);
    }
}
