//! One way to look into a page, be it HTML or JSON: select, take a value. Pure.

use scraper::{ElementRef, Html, Selector};
use serde_json::Value;

use crate::reading::{Format, Reading};
use crate::rule::{Rule, Select};
use crate::sniff::Refusal;
use crate::stopwatch::Stopwatch;
use crate::{html, json, srcset};

/// A parsed page.
pub struct Tree {
    /// A page for people.
    pub html: Option<Html>,
    /// An API's answer, or the data in a script of the page.
    pub json: Option<Value>,
    /// Why no script's data could be read, where there is some. Nothing is lost where the page lists its photos itself.
    pub unreadable: Option<Refusal>,
}

/// A place in a page.
#[derive(Clone, Copy)]
pub enum Node<'a> {
    /// All of it: selectors look into its HTML, pointers into its JSON.
    Whole(&'a Tree),
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
    pub(crate) fn parse(text: &str, reading: Reading<'_>, watch: &mut Stopwatch) -> Result<Self, Refusal> {
        match reading.format {
            Format::Html => {
                let html = html::parse(text, watch)?;
                let (json, unreadable) = match reading.script.map(|script| script.data(&html)) {
                    Some(Ok(json)) => (json, None),
                    Some(Err(refusal)) => (None, Some(refusal)),
                    None => (None, None),
                };
                watch.check()?;
                Ok(Self { html: Some(html), json, unreadable })
            }
            Format::Json => {
                json::parse(text).map(|value| Self { html: None, json: Some(value), unreadable: None })
            }
        }
    }

    /// Refuses a page on which nothing was found while a script's data could not be read.
    ///
    /// # Errors
    /// What is wrong with the script.
    pub(crate) fn found(&self, anything: bool) -> Result<(), Refusal> {
        self.unreadable.clone().filter(|_| !anything).map_or(Ok(()), Err)
    }

    /// The whole page.
    pub fn root(&self) -> Node<'_> {
        Node::Whole(self)
    }

    /// Names and contents of the meta elements.
    pub fn metas(&self) -> Vec<(String, String)> {
        let Some(html) = &self.html else { return Vec::new() };
        let Ok(selector) = Selector::parse("meta[name][content]") else { return Vec::new() };
        let pair = |element: ElementRef<'_>| {
            Some((element.attr("name")?.to_owned(), element.attr("content")?.to_owned()))
        };
        html.select(&selector).filter_map(pair).collect()
    }

    /// What links are relative to, where the page says so itself.
    pub fn base(&self) -> Option<String> {
        let html = self.html.as_ref()?;
        let selector = Selector::parse("base[href]").ok()?;
        html.select(&selector).next()?.attr("href").map(str::to_owned)
    }
}

impl<'a> Node<'a> {
    /// The elements or values inside that a selector finds, in the order of the page.
    pub fn select(self, select: &Select) -> Vec<Node<'a>> {
        match (self, select) {
            (Self::Whole(Tree { html: Some(html), .. }), Select::Css(..)) => {
                Node::Html(html.root_element()).select(select)
            }
            (Self::Whole(Tree { json: Some(value), .. }), Select::Pointer(_)) => {
                Node::Json(value).select(select)
            }
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

    /// The cards that the first of several selectors finds which finds any, and the number of that selector.
    pub fn cards(self, choice: &[Select]) -> (usize, Vec<Node<'a>>) {
        let mut found = choice.iter().map(|select| self.select(select)).enumerate();
        found.find(|(_, cards)| !cards.is_empty()).unwrap_or_default()
    }

    fn raw(self, attr: Option<&str>, used_as: Use) -> Option<String> {
        match self {
            Self::Whole(_) => None,
            Self::Html(element) => match (attr, used_as) {
                (Some(name), Use::Link) if name.ends_with("srcset") => {
                    srcset::largest(element.attr(name)?).map(str::to_owned)
                }
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
