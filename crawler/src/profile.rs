//! A gallery site as a TOML file: where to start, which links to follow, how fast. Never code.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

use crate::choice::Choice;
use crate::pace::PaceSettings;
use crate::reading::{Format, Level, Reading, Script};
use crate::rule::{Charset, Pattern, Rule, Select};

/// A profile that cannot be used.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the fields are named in the message")]
pub enum ProfileError {
    /// The file cannot be read.
    #[error("read the site profile {path}: {cause}", path = .path.display())]
    Read { path: PathBuf, cause: std::io::Error },
    /// The file is no valid profile.
    #[error("site profile {path}: {message}{hint}", path = .path.display())]
    Invalid {
        path: PathBuf,
        /// Line, column and what is wrong there.
        message: String,
        /// The nearest known key, where an unknown one stands.
        hint: String,
    },
}

/// A gallery site.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// The site's name in the catalog and in snapshots.
    pub site: String,
    /// Under what licence the site gives its photos, as snapshots state it.
    pub licence: Option<String>,
    /// The site's own address, which stored URLs start with. Absent in profiles of an engine that many sites run.
    pub base_url: Option<Url>,
    /// The index pages to start from, relative to the base URL.
    pub start: Vec<String>,
    /// How its pages are written, where a level does not say so itself.
    #[serde(default)]
    pub format: Format,
    /// A mail address or page of whoever runs the crawl; required for any host but loopback.
    pub user_agent_contact: Option<String>,
    /// Its names may lead into private networks or to this machine; otherwise only an address above that says so by
    /// itself may (`http://127.0.0.1:8080/`).
    #[serde(default)]
    pub allow_private: bool,
    /// Other hosts that the site's files may lie on or redirect to.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// Paths (with query) that are never entered, though pages link them.
    #[serde(default)]
    pub never: Vec<Pattern>,
    /// The charset of pages that name none, or name UTF-8 wrongly.
    pub charset: Option<Charset>,
    /// How fast.
    #[serde(default)]
    pub pace: PaceSettings,
    /// How much, how long, how often.
    #[serde(default)]
    pub limits: Limits,
    /// Pages that list people.
    pub index: IndexRules,
    /// Pages that list the photos of one person.
    pub gallery: GalleryRules,
    /// Photo pages; absent where galleries link the files themselves.
    pub photo: Option<PhotoRules>,
}

/// Pages that list people.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IndexRules {
    /// How they are written, where that is not the site's format.
    pub format: Option<Format>,
    /// JSON in a script of these pages.
    pub script: Option<Script>,
    /// Links to further index pages.
    #[serde(default)]
    pub pages: Vec<Rule>,
    /// The element of one person, as selectors tried in turn. Absent: the links are the cards.
    #[serde(default)]
    pub card: Choice<Select>,
    /// Inside the card: the link to the person's gallery, by rules tried in turn. Absent, for one person only: the start
    /// pages are the gallery.
    #[serde(default)]
    pub link: Choice<Rule>,
    /// Whether each link stands for the card that has its number.
    #[serde(skip)]
    links_are_cards: bool,
    /// Inside the card: the person's name. Absent: the link's text.
    pub name: Option<Rule>,
    /// What of the gallery's path names the person. Absent: the last part of the path.
    pub slug: Option<Pattern>,
    /// The whole site shows one person, whose albums the cards are.
    pub single: Option<SinglePerson>,
}

/// The person whom a whole site shows.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SinglePerson {
    /// Name in snapshots. Absent: the site's host.
    pub slug: Option<String>,
    /// Name for people. Absent: the slug.
    pub name: Option<String>,
}

/// Pages that list the photos of one person.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GalleryRules {
    /// How they are written, where that is not the site's format.
    pub format: Option<Format>,
    /// JSON in a script of these pages.
    pub script: Option<Script>,
    /// Links to further pages of the same gallery.
    #[serde(default)]
    pub pages: Vec<Rule>,
    /// The query parameter that numbers the pages, where nothing links them: asked for until a page has no card.
    pub page_parameter: Option<PageParameter>,
    /// The element of one photo, as selectors tried in turn. Absent: the links are the cards.
    #[serde(default)]
    pub card: Choice<Select>,
    /// Inside the card: the link to the photo page, or to the file where there are no photo pages, by rules tried in turn.
    pub link: Choice<Rule>,
    /// Whether each link stands for the card that has its number.
    #[serde(skip)]
    links_are_cards: bool,
    /// Inside the card: a text with the full size, such as `1000x1335`; or one rule each for width and height.
    #[serde(default)]
    pub size: Vec<Rule>,
    /// Inside the card: texts that describe the photo, best first.
    #[serde(default)]
    pub caption: Vec<Rule>,
}

/// Pages that are numbered by a query parameter.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PageParameter {
    /// Its name.
    pub name: String,
    /// The number of the first page.
    pub first: u32,
}

/// A photo's own page.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PhotoRules {
    /// How they are written, where that is not the site's format.
    pub format: Option<Format>,
    /// JSON in a script of these pages.
    pub script: Option<Script>,
    /// Links to a further page that shows the photo larger, tried in turn; where none is found the photo page does.
    #[serde(default)]
    pub larger: Vec<Rule>,
    /// Links to the full-size file, tried in turn.
    pub file: Vec<Rule>,
}

/// How much, how long, how often.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// The longest page in bytes. Gallery pages have some 100 KB.
    pub page_bytes: u64,
    /// The longest photo in bytes. A 50 megapixel JPEG of best quality has about 40 MB.
    pub photo_bytes: u64,
    /// The most pixels of a photo; more is a decompression bomb or a map.
    pub photo_pixels: u64,
    /// The most pages of one person's gallery, and of the index.
    pub pages: u32,
    /// How long a connection may take to stand, in milliseconds.
    pub connect_ms: u64,
    /// How long a body may stand still, in milliseconds.
    pub idle_ms: u64,
    /// How long one request may take in all, in milliseconds.
    pub total_ms: u64,
    /// How many redirects are followed (RFC 9309 asks for five at least).
    pub redirects: u32,
    /// How many requests are made before a passing failure is stored.
    pub attempts: u32,
    /// The first back-off in milliseconds; it doubles with each attempt, and the wait is drawn from 0 to it.
    pub backoff_ms: u64,
    /// The longest wait that a host's `Retry-After` may ask for, in seconds; beyond it the host is left for another run.
    pub wait_s: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            page_bytes: 4 << 20,
            photo_bytes: 64 << 20,
            photo_pixels: 200_000_000,
            pages: 2000,
            connect_ms: 10_000,
            idle_ms: 20_000,
            total_ms: 120_000,
            redirects: 5,
            attempts: 4,
            backoff_ms: 500,
            wait_s: 600,
        }
    }
}

impl Profile {
    /// Reads a profile from a file.
    pub fn load(path: &Path) -> Result<Self, ProfileError> {
        Self::parse(&read_text(path)?, path)
    }

    /// Reads a profile from its text; `path` stands in messages only.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ProfileError> {
        let mut profile: Self = parse_toml(text, path)?;
        let Self { index, gallery, .. } = &mut profile;
        index.links_are_cards = links_as_cards(&mut index.card, &mut index.link);
        gallery.links_are_cards = links_as_cards(&mut gallery.card, &mut gallery.link);
        profile.validate().map_err(|message| ProfileError::invalid(path, message))?;
        Ok(profile)
    }

    /// The profile of an engine at one of the sites that run it: a site of its own, named after its host. A profile
    /// that has an address keeps it, and its name.
    pub fn at(mut self, base_url: Url) -> Self {
        if self.base_url.is_none() {
            let port = base_url.port().map(|port| format!("-{port}")).unwrap_or_default();
            self.site = format!("{}-{}{port}", self.site, base_url.host_str().unwrap_or_default());
            self.base_url = Some(base_url);
        }
        self
    }

    /// How the pages of a level are read.
    pub fn reading(&self, level: Level) -> Reading<'_> {
        let (format, script) = match (level, &self.photo) {
            (Level::Index, _) => (self.index.format, self.index.script.as_ref()),
            (Level::Gallery, _) => (self.gallery.format, self.gallery.script.as_ref()),
            (Level::Photo, Some(photo)) => (photo.format, photo.script.as_ref()),
            (Level::Photo, None) => (None, None),
        };
        Reading { format: format.unwrap_or(self.format), script }
    }

    /// Whether the start pages show the photos themselves, of the one person whom the site shows.
    pub fn starts_with_galleries(&self) -> bool {
        self.index.link.is_empty()
    }

    /// Whether each rule can find something in the pages it is for.
    fn validate_rules(&self) -> Result<(), String> {
        let Self { index, gallery, photo, .. } = self;
        if index.link.is_empty() && index.single.is_none() {
            return Err("`index.link` is missing: which link leads to a person's gallery? Where the start pages show the \
                        photos of one person themselves, add [index.single]"
                .into());
        }
        if index.link.is_empty() {
            // The start pages are the gallery, and nobody would read these rules.
            let unused = [
                ("card", !index.card.is_empty()),
                ("name", index.name.is_some()),
                ("pages", !index.pages.is_empty()),
            ];
            if let Some((key, _)) = unused.into_iter().find(|(_, is_given)| *is_given) {
                return Err(format!(
                    "`index.{key}` is of no use without `index.link`: which link leads to a person's gallery or album? Where \
                     the start pages show the photos themselves, leave `index.{key}` out"
                ));
            }
        }
        let no_cards = |section: &str| {
            format!(
                "`{section}.card` is missing, and `{section}.link` selects nothing that could stand for the cards"
            )
        };
        if index.card.is_empty() && !index.link.is_empty() {
            return Err(no_cards("index"));
        }
        if gallery.card.is_empty() {
            return Err(no_cards("gallery"));
        }
        let reading = self.reading(Level::Index);
        index.card.iter().try_for_each(|card| reading.fits("index", "card", card))?;
        reading.all_fit("index", "pages", &index.pages)?;
        reading.all_fit("index", "link", index.link.iter().chain(&index.name))?;
        let reading = self.reading(Level::Gallery);
        gallery.card.iter().try_for_each(|card| reading.fits("gallery", "card", card))?;
        reading.all_fit("gallery", "pages", &gallery.pages)?;
        reading.all_fit("gallery", "link", gallery.link.iter())?;
        reading.all_fit("gallery", "size", &gallery.size)?;
        reading.all_fit("gallery", "caption", &gallery.caption)?;
        if let Some(photo) = photo {
            let reading = self.reading(Level::Photo);
            reading.all_fit("photo", "larger", &photo.larger)?;
            reading.all_fit("photo", "file", &photo.file)?;
        }
        for level in [Level::Index, Level::Gallery, Level::Photo] {
            let Reading { format, script } = self.reading(level);
            let (Some(script), section) = (script, level.section()) else { continue };
            if format == Format::Json {
                return Err(format!(
                    "[{section}] has a `script`, but `format = \"json\"`: only pages of HTML have scripts"
                ));
            }
            if matches!(script.select, Select::Pointer(_)) {
                return Err(format!(
                    "`{section}.script.select` must be a CSS selector, such as `script#photos`"
                ));
            }
        }
        Ok(())
    }

    fn validate(&self) -> Result<(), String> {
        let name_is_plain = !self.site.is_empty()
            && self.site.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
            && !self.site.starts_with('.');
        if !name_is_plain {
            return Err(format!(
                "`site = \"{}\"` must consist of letters, digits, `-`, `_` and `.`",
                self.site
            ));
        }
        if self.start.is_empty() {
            return Err("`start` names no page to start from".into());
        }
        if let Some(base) = &self.base_url
            && (!matches!(base.scheme(), "http" | "https") || base.host().is_none())
        {
            return Err(format!("`base_url = \"{base}\"` must be an http or https address"));
        }
        self.validate_rules()?;
        if self.photo.as_ref().is_some_and(|photo| photo.file.is_empty()) {
            return Err("`photo.file` has no entry".into());
        }
        if self.pace.in_flight == 0 || self.limits.attempts == 0 {
            return Err("`pace.in_flight` and `limits.attempts` must be at least 1".into());
        }
        if self.pace.in_flight > 4
            && self.base_url.as_ref().is_some_and(|url| !crate::address::is_loopback(url))
        {
            tracing::warn!(
                site = self.site,
                in_flight = self.pace.in_flight,
                "more requests at once than is polite"
            );
        }
        Ok(())
    }
}

/// Where no cards are named, the links that rules select are the cards. Whether they are.
fn links_as_cards(card: &mut Choice<Select>, link: &mut Choice<Rule>) -> bool {
    let are_cards = card.is_empty() && link.iter().all(|rule| rule.select.is_some());
    if are_cards {
        *card = link.iter().filter_map(|rule| rule.select.clone()).collect();
        *link = link.iter().map(|rule| Rule { select: None, ..rule.clone() }).collect();
    }
    are_cards
}

impl IndexRules {
    /// The link's rules for cards that the selector of a number found.
    pub(crate) fn links(&self, found_by: usize) -> &[Rule] {
        links(&self.link, self.links_are_cards, found_by)
    }
}

impl GalleryRules {
    /// The link's rules for cards that the selector of a number found.
    pub(crate) fn links(&self, found_by: usize) -> &[Rule] {
        links(&self.link, self.links_are_cards, found_by)
    }
}

/// Attribute, pattern and template of one link are not meant for what another selects.
fn links(link: &[Rule], are_cards: bool, found_by: usize) -> &[Rule] {
    if are_cards { link.get(found_by..=found_by).unwrap_or_default() } else { link }
}

impl ProfileError {
    fn invalid(path: &Path, message: String) -> Self {
        let hint = nearest_key(&message).map(|key| format!("\ndid you mean `{key}`?")).unwrap_or_default();
        Self::Invalid { path: path.to_owned(), message, hint }
    }
}

pub(crate) fn read_text(path: &Path) -> Result<String, ProfileError> {
    std::fs::read_to_string(path).map_err(|cause| ProfileError::Read { path: path.to_owned(), cause })
}

pub(crate) fn parse_toml<T: DeserializeOwned>(text: &str, path: &Path) -> Result<T, ProfileError> {
    toml::from_str(text).map_err(|error| ProfileError::invalid(path, error.to_string()))
}

/// The known key next to the unknown one that a TOML error speaks of.
fn nearest_key(message: &str) -> Option<&str> {
    let (_, list) = message.split_once("unknown field ")?;
    let mut keys = list.split('`').skip(1).step_by(2);
    let unknown = keys.next()?;
    let (distance, key) = keys.map(|key| (strsim::damerau_levenshtein(unknown, key), key)).min()?;
    (distance <= unknown.len().div_ceil(2)).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str =
        "site = 'x'\nstart = ['/']\n[index]\ncard = 'a'\nlink = {}\n[gallery]\ncard = 'a'\nlink = {}\n";

    fn error(text: &str) -> String {
        Profile::parse(text, Path::new("data/sites/x.toml")).unwrap_err().to_string()
    }

    #[test]
    fn the_smallest_profile_is_read_with_polite_defaults() {
        let profile = Profile::parse(SMALL, Path::new("x.toml")).unwrap();
        assert_eq!((profile.pace.in_flight, profile.pace.delay_ms), (4, 1000));
        assert!(profile.photo.is_none());
    }

    #[test]
    fn an_unknown_key_is_named_with_file_line_and_the_nearest_known_one() {
        let message = error(&SMALL.replace("start", "strat"));
        for part in ["data/sites/x.toml", "line 2", "`strat`", "did you mean `start`?"] {
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn a_wrong_selector_or_pattern_is_named_with_its_line() {
        let message = error(&SMALL.replacen("card = 'a'", "card = 'a['", 1));
        assert!(message.contains("line 4") && message.contains("a["), "{message}");
        let message = error(&format!("never = ['(']\n{SMALL}"));
        assert!(message.contains("line 1") && message.contains("pattern"), "{message}");
    }

    #[test]
    fn a_rule_that_can_find_nothing_in_such_pages_is_refused_with_what_to_say() {
        let gallery = |rules: &str| {
            error(&format!("{}{rules}", SMALL.replace("[gallery]\ncard = 'a'\nlink = {}\n", "[gallery]\n")))
        };
        let message = gallery("card = '/data'\nlink = { select = '/file' }");
        for part in ["`gallery.card = \"/data\"`", "JSON pointer", "format = \"json\"", "script"] {
            assert!(message.contains(part), "{message}");
        }
        let message = gallery("format = 'json'\ncard = 'figure'\nlink = {}");
        assert!(message.contains("CSS selector") && message.contains("begins with `/`"), "{message}");
        let message = gallery("format = 'json'\nscript = {}\ncard = '/data'\nlink = {}");
        assert!(message.contains("only pages of HTML have scripts"), "{message}");
        assert!(gallery("link = {}").contains("`gallery.card` is missing"));
        assert!(error(&SMALL.replacen("link = {}\n", "", 1)).contains("`index.link` is missing"));
    }

    #[test]
    fn rules_of_an_index_without_links_and_empty_lists_of_rules_are_refused() {
        let index = |rules: &str| {
            error(&SMALL.replacen("card = 'a'\nlink = {}\n", &format!("{rules}\n[index.single]\n"), 1))
        };
        for rule in ["card = 'a'", "name = { select = 'b' }", "pages = [{ select = 'a' }]"] {
            let key = rule.split_once(' ').unwrap().0;
            let message = index(rule);
            assert!(message.contains(&format!("`index.{key}` is of no use")), "{message}");
        }
        for (rule, line) in [("link = []", "line 5"), ("card = []", "line 4")] {
            let given = if line == "line 5" { "link = {}" } else { "card = 'a'" };
            let message = error(&SMALL.replacen(given, rule, 1));
            assert!(message.contains(line) && message.contains("at least one"), "{message}");
        }
    }

    #[test]
    fn an_unknown_key_in_a_list_of_rules_is_named_with_its_line() {
        let message = error(&SMALL.replacen("link = {}", "link = [{ select = 'a' }, { atr = 'href' }]", 1));
        for part in ["line 5", "`atr`", "did you mean `attr`?"] {
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn a_site_name_that_leaves_its_folder_is_refused() {
        assert!(error(&SMALL.replace("'x'", "'../x'")).contains("../x"));
    }

    #[test]
    fn every_profile_of_the_project_is_valid() {
        let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../data/sites"));
        let mut count = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            Profile::load(&entry.unwrap().path()).unwrap();
            count += 1;
        }
        assert!(count > 0);
    }
}
