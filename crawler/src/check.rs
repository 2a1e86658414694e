//! Walks one identity of a site, from the index to a file, and says what each rule of its profile finds on the way.
//! Nothing is stored.

use std::collections::{HashSet, VecDeque};

use catalog::page::PageKind;
use photo::FailureClass;
use serde::Serialize;
use url::Url;

use crate::advice;
use crate::document::Document;
use crate::error::{CrawlError, Failure, Stop};
use crate::extract::{Extractor, Page};
use crate::fetch::{Fetched, Fetcher};
use crate::headers::Validators;
use crate::node::{Node, Use};
use crate::profile::Profile;
use crate::reading::Level;
use crate::rule::{Rule, Select};
use crate::settings::CrawlSettings;
use crate::sniff::Refusal;

/// Index pages that are read in search of a person, at most; a site of letters has some thirty.
const MOST_INDEX_PAGES: usize = 50;

/// Photos of a gallery that are looked at while they are smaller than wanted: a single one may be small by itself.
const MOST_PHOTOS: usize = 3;

/// What one rule found on one page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The page's address.
    pub page: String,
    /// The rule's place in the profile, such as `gallery.link`.
    pub rule: String,
    /// Its selector, or `(the card itself)`.
    pub select: String,
    /// How many elements the selector finds.
    pub elements: usize,
    /// How many of them give a value that can be used: the pattern matches, the link leads to the site.
    pub values: usize,
    /// The first of these.
    pub first: Option<String>,
    /// Whether a crawl finds nothing without it.
    pub required: bool,
}

/// What a walk found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CheckReport {
    /// In the order of the walk.
    pub findings: Vec<Finding>,
    /// Where the walk ended before a photo: what was asked for, and why it brought nothing.
    pub stopped: Option<String>,
    /// The photo at the walk's end: its address and size.
    pub photo: Option<String>,
    /// The sizes of the photos that were looked at, where all are smaller than wanted, such as `800×600`.
    pub too_small: Vec<String>,
    /// What to do where the photos are too small, a page is made by a script, or people of a list are left out.
    pub advice: Option<String>,
}

impl CheckReport {
    /// Whether a photo was reached that is large enough, so that a crawl would find some, and there is nothing to do.
    pub fn is_well(&self) -> bool {
        let has_photo = self.photo.is_some() && self.too_small.is_empty();
        self.stopped.is_none() && has_photo && self.advice.is_none()
    }
}

/// Walks to a photo of the first person, or of the one that the settings name.
pub async fn check(settings: &CrawlSettings) -> Result<CheckReport, CrawlError> {
    let Some(profile) = settings.source.profile() else { return Ok(CheckReport::default()) };
    let addresses = settings.addresses()?;
    let fetcher = settings.fetcher(addresses.clone(), None)?;
    let extractor = Extractor { profile, addresses: &addresses };
    let mut walk = Walk { profile, extractor, fetcher, report: CheckReport::default(), refused: None };
    let ended = walk.reach_photo(settings).await;
    let mut report = walk.report;
    if let Some((_, refused)) = walk.refused {
        report.advice = Some(report.advice.map_or(refused.clone(), |advice| format!("{refused}\n{advice}")));
    }
    match ended {
        Ok(()) => {}
        Err(Stop::Failed(Failure { class, detail, .. })) => {
            report.stopped = Some(format!("{class}: {detail}"));
        }
        Err(Stop::HostLeft(reason)) => report.stopped = Some(reason),
        Err(Stop::Catalog(error)) => return Err(error.into()),
    }
    Ok(report)
}

struct Walk<'a> {
    profile: &'a Profile,
    extractor: Extractor<'a>,
    fetcher: Fetcher<'a>,
    report: CheckReport,
    /// Why people of an index page are left out.
    refused: Option<Refusal>,
}

impl Walk<'_> {
    async fn reach_photo(&mut self, settings: &CrawlSettings) -> Result<(), Stop> {
        let gallery = self.find_gallery(settings).await?;
        let sources = self.read_gallery(&gallery).await?;
        let mut too_small = Vec::new();
        for (i, source) in sources.iter().take(MOST_PHOTOS).enumerate() {
            let found = self.report.findings.len();
            let file = self.find_file(source).await;
            if i > 0 {
                self.report.findings.truncate(found); // the first photo's page has shown what the rules find
            }
            let (file, size) = match (file, i) {
                (Ok(found), _) => found,
                (Err(stop), 0) => return Err(stop),
                (Err(_), _) => break,
            };
            let shown = match size {
                Some((width, height)) => format!("{file}: {width}×{height} px"),
                None => format!("{file}: an image whose header does not tell its size"),
            };
            self.report.photo.get_or_insert(shown.clone());
            match size.filter(|(width, height)| *width.min(height) < u64::from(settings.min_side)) {
                Some(size) => too_small.push(size),
                None => {
                    self.report.photo = Some(shown);
                    return Ok(());
                }
            }
        }
        self.report.advice =
            Some(advice::on_previews(&too_small, settings.min_side, self.profile.photo.is_some()));
        self.report.too_small =
            too_small.into_iter().map(|(width, height)| format!("{width}×{height}")).collect();
        Ok(())
    }

    /// The file of a photo, and its size as far as its header tells.
    async fn find_file(&mut self, source: &Url) -> Result<(Url, Option<(u64, u64)>), Stop> {
        let file = match self.profile.photo {
            Some(_) => self.read_photo_page(source).await?,
            None => source.clone(),
        };
        let size = self.fetcher.peek(&file).await?;
        Ok((file, size))
    }

    /// Goes through index pages until one shows the person wanted.
    async fn find_gallery(&mut self, settings: &CrawlSettings) -> Result<Url, Stop> {
        let rules = &self.profile.index;
        let addresses = self.extractor.addresses;
        let starts =
            self.profile.start.iter().filter_map(|start| addresses.canonical(addresses.base()?, start));
        let mut queue: VecDeque<Url> = starts.collect();
        if self.profile.starts_with_galleries() {
            let no_start = || (FailureClass::NoLink, "`start` names no page of this site".to_owned());
            return queue.pop_front().ok_or_else(|| no_start().into());
        }
        let mut seen: HashSet<Url> = queue.iter().cloned().collect();
        let mut read = 0;
        while let Some(url) = queue.pop_front() {
            read += 1;
            if read > MOST_INDEX_PAGES {
                break;
            }
            let document = self.document(&url).await?;
            let page = self.open(&document, Level::Index)?;
            let root = page.tree.root();
            for (i, rule) in rules.pages.iter().enumerate() {
                self.note_links(&page, &format!("index.pages[{i}]"), rule, &[root], false);
            }
            let (found_by, cards) = self.note_cards(&page, "index.card", &rules.card);
            self.note_choice(&page, "index.link", rules.links(found_by), &cards);
            if let Some(name) = &rules.name {
                self.note(&page, "index.name", name, &cards, Use::Text, false);
            }
            let found =
                self.extractor.listing(&document, PageKind::Index, rules.single.as_ref().map(|_| 0))?;
            if self.refused.is_none() {
                self.refused = found.refused;
            }
            let of_people =
                found.identities.iter().filter(|person| settings.is_wanted(&person.slug, &person.name));
            let albums = found.pages.iter().filter(|page| page.kind == PageKind::Identity);
            let galleries = of_people
                .filter_map(|person| person.page_url.clone())
                .chain(albums.map(|page| page.url.clone()));
            if let Some(gallery) = galleries.into_iter().find_map(|url| Url::parse(&url).ok()) {
                self.report.advice = None;
                return Ok(gallery);
            }
            self.report.advice = advice::on_scripts(&page, Level::Index);
            let further = found.pages.iter().filter_map(|page| Url::parse(&page.url).ok());
            queue.extend(further.filter(|url| seen.insert(url.clone())));
        }
        if let Some(refused) = self.refused.take() {
            return Err(refused.into());
        }
        let who = if settings.identities.is_empty() { "a person" } else { "the person asked for" };
        Err((FailureClass::NoLink, format!("none of {read} index pages shows {who}")).into())
    }

    async fn read_gallery(&mut self, url: &Url) -> Result<Vec<Url>, Stop> {
        let rules = &self.profile.gallery;
        let document = self.document(url).await?;
        let page = self.open(&document, Level::Gallery)?;
        let root = page.tree.root();
        for (i, rule) in rules.pages.iter().enumerate() {
            self.note_links(&page, &format!("gallery.pages[{i}]"), rule, &[root], false);
        }
        let (found_by, cards) = self.note_cards(&page, "gallery.card", &rules.card);
        self.note_choice(&page, "gallery.link", rules.links(found_by), &cards);
        for (name, rules) in [("gallery.size", &rules.size), ("gallery.caption", &rules.caption)] {
            for (i, rule) in rules.iter().enumerate() {
                self.note(&page, &format!("{name}[{i}]"), rule, &cards, Use::Text, false);
            }
        }
        let found = self.extractor.listing(&document, PageKind::Identity, Some(0))?;
        let sources: Vec<Url> =
            found.photos.iter().filter_map(|photo| Url::parse(&photo.source_url).ok()).collect();
        if sources.is_empty() {
            self.report.advice = advice::on_scripts(&page, Level::Gallery);
            return Err((FailureClass::NoLink, format!("{url} shows no photo")).into());
        }
        Ok(sources)
    }

    async fn read_photo_page(&mut self, url: &Url) -> Result<Url, Stop> {
        let Some(rules) = &self.profile.photo else { return Ok(url.clone()) };
        let mut url = url.clone();
        for is_larger in [false, true] {
            let document = self.document(&url).await?;
            let page = self.open(&document, Level::Photo)?;
            let root = [page.tree.root()];
            if !is_larger {
                for (i, rule) in rules.larger.iter().enumerate() {
                    self.note_links(&page, &format!("photo.larger[{i}]"), rule, &root, false);
                }
            }
            let links = self.extractor.photo_links(&document);
            let larger = links.as_ref().ok().and_then(|links| links.larger.clone()).filter(|_| !is_larger);
            if let Some(larger) = larger {
                url = larger;
                continue;
            }
            for (i, rule) in rules.file.iter().enumerate() {
                self.note_links(&page, &format!("photo.file[{i}]"), rule, &root, rules.file.len() == 1);
            }
            let file = links.and_then(|links| {
                links.file.ok_or_else(|| (FailureClass::NoLink, format!("{url} links no file of this site")))
            });
            if file.is_err() {
                self.report.advice = advice::on_scripts(&page, Level::Photo);
            }
            return Ok(file?);
        }
        Err((FailureClass::NoLink, format!("{url} links no file")).into())
    }

    async fn document(&self, url: &Url) -> Result<Document, Stop> {
        match self.fetcher.document(url, &Validators::default()).await? {
            Fetched::New(document, _) => Ok(document),
            Fetched::NotModified => Err((FailureClass::Protocol, format!("304 for {url}")).into()),
        }
    }

    /// Opens a page, and notes what was found in its scripts where the profile looks there.
    fn open(&mut self, document: &Document, level: Level) -> Result<Page, Stop> {
        let page = self.extractor.open(document, level)?;
        if let (Some(script), Some(html)) = (self.profile.reading(level).script, &page.tree.html) {
            let elements = Node::Html(html.root_element()).select(&script.select).len();
            self.report.findings.push(Finding {
                page: page.url.to_string(),
                rule: format!("{}.script", level.section()),
                select: script.select.text().to_owned(),
                elements,
                values: usize::from(page.tree.json.is_some()),
                first: None,
                required: false,
            });
        }
        Ok(page)
    }

    fn note_cards<'p>(&mut self, page: &'p Page, rule: &str, choice: &[Select]) -> (usize, Vec<Node<'p>>) {
        for (i, select) in choice.iter().enumerate() {
            let count = page.tree.root().select(select).len();
            self.report.findings.push(Finding {
                page: page.url.to_string(),
                rule: numbered(rule, i, choice.len()),
                select: select.text().to_owned(),
                elements: count,
                values: count,
                first: None,
                required: choice.len() == 1,
            });
        }
        page.tree.root().cards(choice)
    }

    fn note_choice(&mut self, page: &Page, rule: &str, choice: &[Rule], cards: &[Node<'_>]) {
        for (i, alternative) in choice.iter().enumerate() {
            self.note_links(page, &numbered(rule, i, choice.len()), alternative, cards, choice.len() == 1);
        }
    }

    fn note_links(&mut self, page: &Page, name: &str, rule: &Rule, inside: &[Node<'_>], required: bool) {
        self.note(page, name, rule, inside, Use::Link, required);
    }

    fn note(
        &mut self,
        page: &Page,
        name: &str,
        rule: &Rule,
        inside: &[Node<'_>],
        used_as: Use,
        required: bool,
    ) {
        let elements = match &rule.select {
            Some(select) => inside.iter().map(|node| node.select(select).len()).sum(),
            None => inside.len(),
        };
        let values = inside.iter().flat_map(|node| node.values(rule, used_as));
        let usable = |value: String| match used_as {
            Use::Link => self.extractor.follow(page, &value).map(String::from),
            Use::Text => Some(value).filter(|value| !value.is_empty()),
        };
        let values: Vec<_> = values.filter_map(usable).collect();
        self.report.findings.push(Finding {
            page: page.url.to_string(),
            rule: name.to_owned(),
            select: rule.select.as_ref().map_or("(the card itself)", Select::text).to_owned(),
            elements,
            values: values.len(),
            first: values.into_iter().next(),
            required,
        });
    }
}

/// A rule's place in the profile: with its number only where there are several to choose from.
fn numbered(rule: &str, i: usize, count: usize) -> String {
    if count == 1 { rule.to_owned() } else { format!("{rule}[{i}]") }
}
