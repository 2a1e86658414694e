//! One way to look into a page, be it HTML or JSON: select, take a value. Pure.

use scraper::{ElementRef, Html, Selector};
use serde_json::Value;

use crate::profile::Format;
use crate::rule::{Rule, Select};
use crate::sniff::Refusal;
use crate::stopwatch::Stopwatch;
use crate::{html, json};

/// A parsed page.
pub enum Tree {
    /// A page for people.
    Html(Html),
    /// An API's answer.
    Json(Value),
}

/// A place in a page.
#[derive(Clone, Copy)]
pub enum Node<'a> {
    /// An element.
    Html(ElementRef<'a>),
    /// A value.
    Json(&'a Value),
}

/// What a rule's value is used as, which decides where it stands unless the rule says so.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// `href` or `src`.
    Link,
    /// The text inside.
    Text,
}

impl Tree {
    /// Parses a page, within limits. HTML always parses; JSON may not.
    pub(crate) fn parse(text: &str, format: Format, watch: &mut Stopwatch) -> Result<Self, Refusal> {
        match format {
            Format::Html => html::parse(text, watch).map(Self::Html),
            Format::Json => json::parse(text).map(Self::Json),
        }
    }

    /// The whole page.
    pub fn root(&self) -> Node<'_> {
        match self {
            Self::Html(html) => Node::Html(html.root_element()),
            Self::Json(value) => Node::Json(value),
        }
    }

    /// Names and contents of the meta elements.
    pub fn metas(&self) -> Vec<(String, String)> {
        let Self::Html(html) = self else { return Vec::new() };
        let Ok(selector) = Selector::parse("meta[name][content]") else { return Vec::new() };
        let pair = |element: ElementRef<'_>| {
            Some((element.attr("name")?.to_owned(), element.attr("content")?.to_owned()))
        };
        html.select(&selector).filter_map(pair).collect()
    }

    /// What links are relative to, where the page says so itself.
    pub fn base(&self) -> Option<String> {
        let Self::Html(html) = self else { return None };
        let selector = Selector::parse("base[href]").ok()?;
        html.select(&selector).next()?.attr("href").map(str::to_owned)
    }
}

impl<'a> Node<'a> {
    /// The elements or values inside that a selector finds, in the order of the page.
    pub fn select(self, select: &Select) -> Vec<Node<'a>> {
        match (self, select) {
            (Self::Html(element), Select::Css(selector, _)) => {
                element.select(selector).map(Node::Html).collect()
            }
            (Self::Json(value), Select::Pointer(pointer)) => match value.pointer(pointer) {
                Some(Value::Array(items)) => items.iter().map(Node::Json).collect(),
                Some(found) => vec![Node::Json(found)],
                None => Vec::new(),
            },
            _ => Vec::new(),
        }
    }

    /// All values of a rule inside this place.
    pub fn values(self, rule: &Rule, used_as: Use) -> Vec<String> {
        let places = match &rule.select {
            Some(select) => self.select(select),
            None => vec![self],
        };
        places
            .into_iter()
            .filter_map(|place| rule.clean(&place.raw(rule.attr.as_deref(), used_as)?))
            .collect()
    }

    /// The first value of a rule inside this place.
    pub fn value(self, rule: &Rule, used_as: Use) -> Option<String> {
        self.values(rule, used_as).into_iter().next()
    }

    fn raw(self, attr: Option<&str>, used_as: Use) -> Option<String> {
        match self {
            Self::Html(element) => match (attr, used_as) {
                (Some(name), _) => element.attr(name).map(str::to_owned),
                (None, Use::Link) => element.attr("href").or_else(|| element.attr("src")).map(str::to_owned),
                (None, Use::Text) => {
                    let words: Vec<_> = element.text().flat_map(str::split_whitespace).collect();
                    Some(words.join(" "))
                }
            },
            Self::Json(Value::String(text)) => Some(text.clone()),
            Self::Json(Value::Number(number)) => Some(number.to_string()),
            Self::Json(_) => None,
        }
    }
}
