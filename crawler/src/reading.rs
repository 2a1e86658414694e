//! How the pages of a level (index, gallery, photo) are written: as HTML, as JSON, or as HTML with JSON in a script.

use scraper::Html;
use serde::Deserialize;
use serde_json::Value;

use crate::rule::{Pattern, Rule, Select};
use crate::sniff::Refusal;
use crate::{json, literal};

/// How a site's listings are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Pages for people; rules are CSS selectors.
    #[default]
    Html,
    /// An API or a file; rules are JSON pointers.
    Json,
}

/// JSON inside a script of a page: rules that are JSON pointers look into it, selectors into the page.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// The script's element.
    #[serde(default = "any_script")]
    pub select: Select,
    /// What stands before the data, such as `var photos =`. Absent: the script is the data.
    pub after: Option<Pattern>,
}

fn any_script() -> Select {
    Select::try_from("script".to_owned()).unwrap_or(Select::Pointer(String::new()))
}

/// The levels of a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Pages that list people.
    Index,
    /// Pages that list the photos of one person.
    Gallery,
    /// Photo pages.
    Photo,
}

impl Level {
    /// The level's section in a profile.
    pub fn section(self) -> &'static str {
        match self {
            Self::Index => "index",
            Self::Gallery => "gallery",
            Self::Photo => "photo",
        }
    }
}

/// How one level is read.
#[derive(Clone, Copy, Debug)]
pub struct Reading<'p> {
    /// How its pages are written.
    pub format: Format,
    /// Where in a page of HTML there is JSON.
    pub script: Option<&'p Script>,
}

impl Reading<'_> {
    /// Whether a selector can find anything in such pages.
    ///
    /// # Errors
    /// What is wrong, as a sentence about `name`.
    pub(crate) fn fits(self, section: &str, name: &str, select: &Select) -> Result<(), String> {
        let text = select.text();
        match (select, self.format, self.script) {
            (Select::Css(..), Format::Json, _) => Err(format!(
                "`{section}.{name} = \"{text}\"` is a CSS selector, but `format = \"json\"` holds for [{section}]: a JSON \
                 pointer begins with `/`"
            )),
            (Select::Pointer(_), Format::Html, None) => Err(format!(
                "`{section}.{name} = \"{text}\"` is a JSON pointer, but [{section}] reads pages of HTML: say there \
                 `format = \"json\"`, or by `script` in which script of the page the JSON stands"
            )),
            _ => Ok(()),
        }
    }

    pub(crate) fn all_fit<'r>(
        self,
        section: &str,
        name: &str,
        rules: impl IntoIterator<Item = &'r Rule>,
    ) -> Result<(), String> {
        rules
            .into_iter()
            .filter_map(|rule| rule.select.as_ref())
            .try_for_each(|select| self.fits(section, name, select))
    }
}

impl Script {
    /// The data of the first script of a page that holds any, as JSON or a literal. `None` where none does.
    ///
    /// # Errors
    /// What is wrong with the first that fits, where none can be read: `no_link` where it is neither JSON nor a literal,
    /// `too_large` where it exceeds the limits.
    pub(crate) fn data(&self, page: &Html) -> Result<Option<Value>, Refusal> {
        let Select::Css(selector, _) = &self.select else { return Ok(None) };
        let mut unreadable = None;
        for element in page.select(selector) {
            let text: String = element.text().collect();
            let data = match &self.after {
                Some(after) => match after.end_of(&text) {
                    Some(end) => &text[end..],
                    None => continue,
                },
                None => text.as_str(),
            };
            match literal::to_json(data).and_then(|text| json::parse(&text)) {
                Ok(value) => return Ok(Some(value)),
                Err(refusal) => unreadable = unreadable.or(Some(refusal)),
            }
        }
        unreadable.map_or(Ok(None), Err)
    }
}
