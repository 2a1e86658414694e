//! One piece of work: a page to what it lists, a photo to its bytes, by way of its own page.

use catalog::Catalog;
use catalog::fetch::{DuePhoto, FetchRecord};
use catalog::page::{DuePage, PageOutcome};
use photo::redact::redacted;
use photo::{Digest, FailureClass};
use url::Url;

use crate::address::Addresses;
use crate::download::Wanted;
use crate::error::{CrawlError, Failure, Stop};
use crate::extract::Extractor;
use crate::fetch::{Fetched, Fetcher};
use crate::headers::Validators;
use crate::queue::Due;
use crate::report::Event;
use crate::settings::CrawlSettings;
use crate::sniff::check_size;

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
    pub(crate) addresses: &'a Addresses,
    pub(crate) fetcher: Fetcher<'a>,
}

impl Visitor<'_> {
    pub(crate) async fn work(&self, due: Due) -> Result<Done, CrawlError> {
        match due {
            Due::Page(page) => self.page(&page).await,
            Due::Photo(photo) => self.photo(&photo).await,
        }
    }

    async fn page(&self, page: &DuePage) -> Result<Done, CrawlError> {
        let outcome = match self.read_page(page).await {
            Ok(outcome) => outcome,
            Err(Stop::Failed(Failure { class, detail, .. })) => PageOutcome::Failed { class, detail },
            Err(Stop::HostLeft(reason)) => return Ok(Done::Left(Event::Left { reason, was_page: true })),
            Err(Stop::Catalog(error)) => return Err(error.into()),
        };
        self.catalog.record_page(self.settings.site(), page, &outcome).await?;
        let event = match &outcome {
            PageOutcome::Failed { class, detail } => {
                if class.is_by_choice() {
                    tracing::info!(url = %redacted(&page.url), %class, detail, "a listing is left out");
                } else {
                    tracing::warn!(url = %redacted(&page.url), %class, detail, "a listing could not be read");
                }
                Event::PageFailed { url: page.url.clone(), class: *class }
            }
            _ => Event::PageRead,
        };
        Ok(Done::Page { event, unchanged: outcome == PageOutcome::Unchanged })
    }

    async fn read_page(&self, page: &DuePage) -> Result<PageOutcome, Stop> {
        let url = parse(&page.url)?;
        let validators = Validators { etag: page.etag.clone(), last_modified: page.last_modified.clone() };
        let (document, validators) = match self.fetcher.document(&url, &validators).await? {
            Fetched::NotModified => return Ok(PageOutcome::Unchanged),
            Fetched::New(document, validators) => (document, validators),
        };
        let Some(extractor) = self.extractor() else { return Ok(PageOutcome::Unchanged) }; // lists have no pages
        let found = extractor.listing(&document, page.kind, page.identity_id)?;
        if found.pages.is_empty() && found.identities.is_empty() && found.photos.is_empty() {
            tracing::warn!(
                url = %redacted(&page.url),
                "a listing shows nothing; has the site changed? see `bolid crawl --check`"
            );
        }
        let Validators { etag, last_modified } = validators;
        Ok(PageOutcome::Read { found, etag, last_modified })
    }

    async fn photo(&self, photo: &DuePhoto) -> Result<Done, CrawlError> {
        let mut record = FetchRecord {
            page_etag: photo.page_etag.clone(),
            page_last_modified: photo.page_last_modified.clone(),
            ..FetchRecord::new(Err((FailureClass::NoLink, String::new())))
        };
        match self.read_photo(photo, &mut record).await {
            Ok(true) => {
                self.fetcher.let_in(&photo.source_url);
                return Ok(Done::Photo { event: Event::PhotoUnchanged, id: photo.id, note: Note::Unchanged });
            }
            Ok(false) => self.fetcher.let_in(&photo.source_url),
            Err(Stop::Failed(failure)) => {
                let class = failure.class;
                note_failure(&mut record, failure);
                if photo.sha256.is_some() && !class.is_transient() && !record.forgets_bytes() {
                    self.fetcher.turned_away(&photo.source_url, class);
                }
            }
            Err(Stop::HostLeft(reason)) => return Ok(Done::Left(Event::Left { reason, was_page: false })),
            Err(Stop::Catalog(error)) => return Err(error.into()),
        }
        let event = Event::of(&record.result);
        Ok(Done::Photo { event, id: photo.id, note: Note::Fetched(Box::new(record)) })
    }

    /// Follows a photo from its page to its bytes, and notes the way in `record`; whether nothing has changed.
    async fn read_photo(&self, photo: &DuePhoto, record: &mut FetchRecord) -> Result<bool, Stop> {
        let limits = self.settings.size_limits();
        if let (Some(width), Some(height)) = (photo.hint_width, photo.hint_height) {
            let hint = check_size(width.into(), height.into(), limits);
            hint.map_err(|(class, detail)| (class, format!("the gallery says {detail}")))?;
        }
        let (file_url, page_changed) = self.find_file(photo, record).await?;
        record.file_url = Some(file_url.to_string());
        if self.catalog.tombstones().has_url(file_url.as_str()) {
            record.file_url = None;
            return Err((FailureClass::Erased, "the file was erased on request".to_owned()).into());
        }
        let stored = self.stored(photo).filter(|_| photo.file_url.as_deref() == Some(file_url.as_str()));
        let validators = match stored {
            Some(_) => Validators { etag: photo.etag.clone(), last_modified: photo.last_modified.clone() },
            None => Validators::default(),
        };
        let wanted = Wanted { limits, sha256: None };
        match (self.fetcher.photo(&file_url, &validators, wanted, self.catalog.blobs()).await?, stored) {
            (Fetched::New(file, validators), _) => {
                record.result = self.catalog.refuse_erased(file.stored)?;
                record.http_status = Some(file.http_status);
                record.attempts = file.attempts;
                record.permission = Some(file.permission);
                (record.etag, record.last_modified) = (validators.etag, validators.last_modified);
                Ok(false)
            }
            (Fetched::NotModified, Some(_)) if !page_changed => Ok(true),
            (Fetched::NotModified, Some(bytes)) => {
                record.result = Ok(bytes);
                record.http_status = Some(304);
                record.attempts = 1;
                (record.etag, record.last_modified) = (photo.etag.clone(), photo.last_modified.clone());
                Ok(false)
            }
            (Fetched::NotModified, None) => Err(never_asked(&file_url)),
        }
    }

    /// The file's address, and whether the photo page was read anew.
    async fn find_file(&self, photo: &DuePhoto, record: &mut FetchRecord) -> Result<(Url, bool), Stop> {
        let url = parse(&photo.source_url)?;
        let Some(extractor) = self.extractor().filter(|extractor| extractor.profile.photo.is_some()) else {
            return Ok((url, false));
        };
        let known = photo.file_url.as_deref().filter(|_| self.stored(photo).is_some());
        let validators = match known {
            Some(_) => {
                Validators { etag: photo.page_etag.clone(), last_modified: photo.page_last_modified.clone() }
            }
            None => Validators::default(),
        };
        let document = match (self.fetcher.document(&url, &validators).await?, known) {
            (Fetched::NotModified, Some(known)) => return Ok((parse(known)?, false)),
            (Fetched::NotModified, None) => return Err(never_asked(&url)),
            (Fetched::New(document, validators), _) => {
                (record.page_etag, record.page_last_modified) = (validators.etag, validators.last_modified);
                document
            }
        };
        let mut links = extractor.photo_links(&document)?;
        if let Some(larger) = links.larger {
            match self.fetcher.document(&larger, &Validators::default()).await? {
                Fetched::NotModified => return Err(never_asked(&larger)),
                Fetched::New(document, _) => links = extractor.photo_links(&document)?,
            }
        }
        let no_file =
            || (FailureClass::NoLink, format!("{} leads to no file of this site", redacted(url.as_str())));
        Ok((links.file.ok_or_else(no_file)?, true))
    }

    /// The bytes of an earlier crawl, if they are still there.
    fn stored(&self, photo: &DuePhoto) -> Option<catalog::blob::Stored> {
        let sha256: Digest = photo.sha256.as_deref()?.parse().ok()?;
        let bytes = self.catalog.blobs().path(sha256).metadata().ok()?.len();
        Some(catalog::blob::Stored { sha256, bytes })
    }

    /// Reads pages by the profile's rules, where there are pages.
    fn extractor(&self) -> Option<Extractor<'_>> {
        let profile = self.settings.source.profile()?;
        Some(Extractor { profile, addresses: self.addresses })
    }
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

/// Notes how a download failed, and the text that forbade it, where one did.
pub(crate) fn note_failure(record: &mut FetchRecord, failure: Failure) {
    if matches!(failure.class, FailureClass::Robots | FailureClass::OptOut) {
        record.permission = Some(failure.detail.clone());
    }
    record.http_status = failure.http_status;
    record.attempts = failure.attempts;
    record.result = Err((failure.class, failure.detail));
}

fn never_asked(url: &Url) -> Stop {
    (FailureClass::Protocol, format!("304 for {}, which was never read", redacted(url.as_str()))).into()
}
