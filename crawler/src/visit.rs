//! One piece of work: a page to what it lists, or a photo (see [`follow`](crate::follow)).

use catalog::Catalog;
use catalog::fetch::FetchRecord;
use catalog::page::{DuePage, Found, PageAnswer, PageKind, PageOutcome};
use photo::FailureClass;
use photo::redact::redacted;
use url::Url;

use crate::error::{CrawlError, Failure, Stop};
use crate::fetch::{Fetched, Fetcher};
use crate::files::Files;
use crate::headers::Validators;
use crate::queue::Due;
use crate::reader::Reader;
use crate::report::Event;
use crate::settings::CrawlSettings;
use crate::sniff::Refusal;

/// A piece of work that ended.
#[derive(Debug)]
pub(crate) enum Done {
    /// What a page lists is stored.
    Page { event: Event, unchanged: bool },
    /// How a photo's download ended is still to be stored.
    Photo { event: Event, id: i64, note: Note },
    /// It was not tried, and stays due.
    Left(Event),
}

/// What the catalog is to know of a photo's visit.
#[derive(Debug)]
pub(crate) enum Note {
    /// The server says that it has not changed.
    Unchanged,
    /// It was downloaded, or could not be.
    Fetched(Box<FetchRecord>),
}

/// Visits pages and photos on behalf of one crawl.
pub(crate) struct Visitor<'a> {
    pub(crate) catalog: &'a Catalog,
    pub(crate) settings: &'a CrawlSettings,
    pub(crate) fetcher: Fetcher<'a>,
    pub(crate) files: Files,
    /// Reads pages by the profile's rules, where there are pages.
    pub(crate) reader: Option<Reader>,
    /// See [`CrawlSettings::page_rules`].
    pub(crate) page_rules: String,
    /// See [`CrawlSettings::file_limits`].
    pub(crate) file_limits: String,
    /// What was fetched since this moment (Unix milliseconds) is not asked for again.
    pub(crate) cutoff: i64,
}

impl Visitor<'_> {
    /// How many pieces of work only take the processor at the moment.
    pub(crate) fn being_read(&self) -> usize {
        self.reader.as_ref().map_or(0, Reader::busy)
    }

    /// Waits until another one does.
    pub(crate) async fn reading_began(&self) {
        match &self.reader {
            Some(reader) => reader.began().await,
            None => std::future::pending().await,
        }
    }

    pub(crate) async fn work(&self, due: Due) -> Result<Done, CrawlError> {
        match due {
            Due::Page(page) => self.page(&page).await,
            Due::Photo(photo) => self.photo(&photo).await,
        }
    }

    async fn page(&self, page: &DuePage) -> Result<Done, CrawlError> {
        let outcome = match self.read_page(page).await {
            Ok(outcome) => outcome,
            Err(Stop::Failed(Failure { class, detail, .. })) => {
                PageOutcome::Failed { class, detail, answer: None }
            }
            Err(Stop::HostLeft(reason)) => return Ok(Done::Left(Event::Left { reason, was_page: true })),
            Err(Stop::Catalog(error)) => return Err(error.into()),
        };
        self.catalog.record_page(self.settings.site(), page, &outcome).await?;
        let event = match &outcome {
            PageOutcome::Failed { class, detail, .. } => {
                if class.is_by_choice() {
                    tracing::info!(url = %redacted(&page.url), %class, detail, "a listing is left out");
                } else {
                    tracing::warn!(url = %redacted(&page.url), %class, detail, "a listing could not be read");
                }
                Event::PageFailed { url: page.url.clone(), class: *class }
            }
            PageOutcome::Read { found: Found { refused: Some((class, detail)), .. }, .. } => {
                tracing::warn!(url = %redacted(&page.url), %class, detail, "not all of a listing could be read");
                Event::PageFailed { url: page.url.clone(), class: *class }
            }
            PageOutcome::Unchanged => match refusal(page.refused_by.as_ref(), page.failure) {
                Some(class) => Event::PageFailed { url: page.url.clone(), class },
                None => Event::PageRead,
            },
            PageOutcome::Read { .. } => Event::PageRead,
        };
        let unchanged = outcome == PageOutcome::Unchanged && event == Event::PageRead;
        Ok(Done::Page { event, unchanged })
    }

    async fn read_page(&self, page: &DuePage) -> Result<PageOutcome, Stop> {
        let url = parse(&page.url)?;
        let rules = Some(&self.page_rules);
        let validators = match page.read_by.as_ref() == rules || page.refused_by.as_ref() == rules {
            true => Validators { etag: page.etag.clone(), last_modified: page.last_modified.clone() },
            false => Validators::default(),
        };
        let (document, validators) = match self.fetcher.document(&url, &validators).await {
            Ok(Fetched::NotModified) => return Ok(PageOutcome::Unchanged),
            Ok(Fetched::New(document, validators)) => (document, validators),
            Err(Stop::Failed(Failure { class, detail, validators: Some(validators), .. })) => {
                return Ok(PageOutcome::Failed { class, detail, answer: Some(self.answer(validators)) });
            }
            Err(stop) => return Err(stop),
        };
        if page.kind == PageKind::Identity
            && document.url != url
            && let Some(owner) = self
                .catalog
                .page_of_others(self.settings.site(), document.url.as_str(), page.identity_id)
                .await?
        {
            if self.is_numbered_on(&url) {
                // The validators are the other page's, and would hide a page that comes to be here.
                let answer = self.answer(Validators::default());
                return Ok(PageOutcome::Read { found: Found::default(), answer });
            }
            return Err(Stop::from(leads_to_others(&document.url, owner.as_deref())));
        }
        let Some(reader) = &self.reader else { return Ok(PageOutcome::Unchanged) }; // lists have no pages
        let (kind, identity_id) = (page.kind, page.identity_id);
        let found = match reader.read(move |site| site.listing(&document, kind, identity_id)).await {
            Ok(found) => found,
            Err((class, detail)) => {
                return Ok(PageOutcome::Failed { class, detail, answer: Some(self.answer(validators)) });
            }
        };
        let is_empty = found.pages.is_empty() && found.identities.is_empty() && found.photos.is_empty();
        if is_empty && found.refused.is_none() && !self.is_numbered_on(&url) {
            tracing::warn!(
                url = %redacted(&page.url),
                "a listing shows nothing; has the site changed? see `bolid crawl --check`"
            );
        }
        Ok(PageOutcome::Read { found, answer: self.answer(validators) })
    }

    /// Whether it is a further page of a gallery whose pages are asked for by number until one shows nothing, or
    /// leads to another list: its normal end.
    fn is_numbered_on(&self, url: &Url) -> bool {
        let profile = self.settings.source.profile();
        let Some(parameter) = profile.and_then(|profile| profile.gallery.page_parameter.as_ref()) else {
            return false;
        };
        let number = url.query_pairs().find(|(name, _)| *name == parameter.name).map(|(_, number)| number);
        number.is_some_and(|number| number.parse::<u32>().is_ok_and(|number| number > parameter.first))
    }

    fn answer(&self, Validators { etag, last_modified }: Validators) -> PageAnswer {
        PageAnswer { etag, last_modified, read_by: self.page_rules.clone() }
    }
}

/// A gallery that leads to somebody else's, or back to the list of people: whose photos are there, they are not this
/// person's.
fn leads_to_others(url: &Url, owner: Option<&str>) -> Refusal {
    let whose =
        owner.map_or_else(|| "a list of people".to_owned(), |slug| format!("the gallery of `{slug}`"));
    (FailureClass::RedirectRefused, format!("it leads to {}, {whose}", redacted(url.as_str())))
}

pub(crate) fn parse(url: &str) -> Result<Url, Stop> {
    let wrong =
        |why: String| Stop::from((FailureClass::NoLink, format!("`{}` is no address: {why}", redacted(url))));
    let parsed = Url::parse(url).map_err(|error| wrong(error.to_string()))?;
    match parsed.scheme() {
        "http" | "https" => Ok(parsed),
        scheme => Err(wrong(format!("`{scheme}` is neither http nor https"))),
    }
}

/// Why the last answer was refused, where it was.
pub(crate) fn refusal(refused_by: Option<&String>, failure: Option<FailureClass>) -> Option<FailureClass> {
    refused_by.and(failure)
}
