//! The loop: due pages, then due photos; everything is recorded in the catalog as it ends, so that a killed crawl goes
//! on where it stood.

use std::collections::BTreeMap;
use std::time::Duration;

use catalog::Catalog;
use catalog::fetch::{DuePhoto, FetchRecord};
use catalog::identity::NewIdentity;
use catalog::page::{DuePage, NewPage, PageKind, PageOutcome};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use photo::{Digest, FailureClass};
use serde::Serialize;
use url::Url;

use crate::address::{Addresses, is_loopback};
use crate::error::{CrawlError, Failure, Stop};
use crate::extract::Extractor;
use crate::fetch::{FetchSettings, Fetched, Fetcher, Validators};
use crate::profile::Profile;
use crate::queue::{Due, Queue};
use crate::slug::slug_of;
use crate::sniff::{SizeLimits, check_size};

/// What to crawl, and what of it.
#[derive(Clone, Debug)]
pub struct CrawlSettings {
    /// The site.
    pub profile: Profile,
    /// Where requests go instead of the profile's address. Stored addresses stay the profile's.
    pub mirror: Option<Url>,
    /// Where the owner of a site reaches whoever crawls it; instead of the profile's.
    pub contact: Option<String>,
    /// The smallest width and height in pixels.
    pub min_side: u32,
    /// What was fetched less than this long ago is not asked for again.
    pub fresh_for: Duration,
    /// The time between two requests, instead of the profile's. robots.txt may ask for more.
    pub delay: Option<Duration>,
    /// The most photos per person.
    pub max_photos: Option<usize>,
    /// People of whom the site shows fewer photos are left out.
    pub min_photos: usize,
    /// Slugs or names of the people wanted; empty: all.
    pub identities: Vec<String>,
    /// Reads the listings only, and counts what would be downloaded.
    pub simulate: bool,
}

impl CrawlSettings {
    /// Everything that a profile's site shows, as of today.
    pub fn new(profile: Profile) -> Self {
        Self {
            profile,
            mirror: None,
            contact: None,
            min_side: 0,
            fresh_for: Duration::from_secs(24 * 3600), // as long as RFC 9309 lets robots.txt be kept
            delay: None,
            max_photos: None,
            min_photos: 0,
            identities: Vec::new(),
            simulate: false,
        }
    }

    /// The site's name in the catalog. A profile for an engine has one site per host.
    pub fn site(&self) -> String {
        match (&self.profile.base_url, &self.mirror) {
            (None, Some(mirror)) => {
                format!("{}-{}", self.profile.site, mirror.host_str().unwrap_or_default())
            }
            _ => self.profile.site.clone(),
        }
    }

    pub(crate) fn addresses(&self) -> Result<Addresses, CrawlError> {
        let no_base = || CrawlError::NoBaseUrl { site: self.profile.site.clone() };
        let (base, mirror) = match &self.profile.base_url {
            Some(base) => (base.clone(), self.mirror.clone()),
            None => (self.mirror.clone().ok_or_else(no_base)?, None),
        };
        Ok(Addresses::new(base, mirror, &self.profile.hosts))
    }

    pub(crate) fn fetcher<'a>(
        &self,
        addresses: Addresses,
        catalog: Option<&'a Catalog>,
    ) -> Result<Fetcher<'a>, CrawlError> {
        let contact = self.contact.clone().or_else(|| self.profile.user_agent_contact.clone());
        let others = self.profile.hosts.iter().filter_map(|host| Url::parse(&format!("http://{host}/")).ok());
        let stranger =
            std::iter::once(addresses.wire_base().clone()).chain(others).find(|url| !is_loopback(url));
        if let (None, Some(url)) = (&contact, stranger) {
            return Err(CrawlError::NoContact { host: url.host_str().unwrap_or_default().to_owned() });
        }
        let mut pace = self.profile.pace.clone();
        if let Some(delay) = self.delay {
            pace.delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        }
        let settings = FetchSettings {
            addresses,
            never: self.profile.never.clone(),
            pace,
            limits: self.profile.limits.clone(),
            contact,
            fresh_for: self.fresh_for,
        };
        Fetcher::new(settings, catalog)
    }

    fn size_limits(&self) -> SizeLimits {
        SizeLimits { min_side: self.min_side, max_pixels: self.profile.limits.photo_pixels }
    }
}

/// What just happened, for progress bars.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A listing was read, or is still the same.
    PageRead,
    /// A listing could not be read.
    PageFailed {
        /// Its address.
        url: String,
        /// Why not.
        class: FailureClass,
    },
    /// All listings are done with: so many photos are due.
    PhotosDue(u64),
    /// A photo's bytes were stored.
    PhotoStored {
        /// How many.
        bytes: u64,
    },
    /// A photo is still the same.
    PhotoUnchanged,
    /// A photo could not be had, or is not wanted.
    PhotoFailed(FailureClass),
    /// A host was given up; what it has stays due.
    Left {
        /// Which host, and why.
        reason: String,
    },
}

/// What a crawl did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CrawlReport {
    /// The site's name in the catalog.
    pub site: String,
    /// Listings read.
    pub pages_read: u64,
    /// Listings that are still the same.
    pub pages_unchanged: u64,
    /// Listings that could not be read, by class.
    pub pages_failed: BTreeMap<FailureClass, u64>,
    /// Photos whose bytes were stored.
    pub photos_stored: u64,
    /// Photos that are still the same.
    pub photos_unchanged: u64,
    /// Photos that could not be had or are not wanted, by class.
    pub photos_failed: BTreeMap<FailureClass, u64>,
    /// Bytes stored.
    pub bytes: u64,
    /// Photos that a simulated crawl would ask for.
    pub photos_due: u64,
    /// Pages and photos left for another run, by the reason.
    pub left: BTreeMap<String, u64>,
}

impl CrawlReport {
    /// Whether something went wrong, other than what was left out on purpose.
    pub fn has_failures(&self) -> bool {
        let mut classes = self.pages_failed.keys().chain(self.photos_failed.keys());
        !self.left.is_empty() || classes.any(|class| !class.is_by_choice())
    }

    pub(crate) fn count(&mut self, event: &Event) {
        match event {
            Event::PageRead => {} // counted where it is known whether the page had changed
            Event::PageFailed { class, .. } => *self.pages_failed.entry(*class).or_default() += 1,
            Event::PhotosDue(_) => {}
            Event::PhotoStored { bytes } => {
                self.photos_stored += 1;
                self.bytes += bytes;
            }
            Event::PhotoUnchanged => self.photos_unchanged += 1,
            Event::PhotoFailed(class) => *self.photos_failed.entry(*class).or_default() += 1,
            Event::Left { reason } => *self.left.entry(reason.clone()).or_default() += 1,
        }
    }
}

/// Crawls a site: goes on with an unfinished crawl, or asks for what is no longer fresh.
pub async fn crawl(
    catalog: &Catalog,
    settings: &CrawlSettings,
    progress: &(dyn Fn(&Event) + Sync),
) -> Result<CrawlReport, CrawlError> {
    let site = settings.site();
    let addresses = settings.addresses()?;
    let crawler = Crawler {
        catalog,
        settings,
        site: &site,
        addresses: &addresses,
        fetcher: settings.fetcher(addresses.clone(), Some(catalog))?,
    };
    crawler.queue_start().await?;
    let crawl = catalog.begin_crawl(&site).await?;
    let mut queue = Queue::new(catalog, settings, site.clone(), crawl);
    let mut report = CrawlReport { site: site.clone(), ..CrawlReport::default() };
    // Every host bounds its own requests; beyond that, more tasks would only wait.
    let at_once = settings.profile.pace.in_flight * (1 + settings.profile.hosts.len());
    let mut in_flight = FuturesUnordered::new();
    let mut pages_in_flight = 0;
    loop {
        while in_flight.len() < at_once {
            let was_in_photos = queue.is_in_photos();
            match queue.next(pages_in_flight).await? {
                Some(Due::Photo(_)) if settings.simulate => report.photos_due += 1,
                Some(due) => {
                    pages_in_flight += usize::from(matches!(due, Due::Page(_)));
                    in_flight.push(crawler.work(due));
                }
                None if queue.is_in_photos() && !was_in_photos => {
                    progress(&Event::PhotosDue(queue.photos_due().await?));
                }
                None => break,
            }
        }
        let Some(done) = in_flight.next().await else { break };
        let done = done?;
        if done.was_page {
            pages_in_flight -= 1;
            report.pages_read += u64::from(done.event == Event::PageRead && !done.unchanged);
            report.pages_unchanged += u64::from(done.unchanged);
        }
        report.count(&done.event);
        progress(&done.event);
    }
    drop(in_flight);
    if report.left.is_empty() && !settings.simulate {
        catalog.finish_crawl(crawl).await?;
    }
    Ok(report)
}

/// A piece of work that ended.
struct Done {
    event: Event,
    was_page: bool,
    unchanged: bool,
}

struct Crawler<'a> {
    catalog: &'a Catalog,
    settings: &'a CrawlSettings,
    site: &'a str,
    addresses: &'a Addresses,
    fetcher: Fetcher<'a>,
}

impl Crawler<'_> {
    /// Queues the start pages, as pages of the one person whom the site shows, if it does.
    async fn queue_start(&self) -> Result<(), CrawlError> {
        let base = self.addresses.base();
        let identity_id = match &self.settings.profile.index.single {
            Some(single) => {
                let slug = single.slug.as_deref().or_else(|| base.host_str()).unwrap_or(self.site);
                let name = single.name.as_deref().unwrap_or(slug).to_owned();
                let person = NewIdentity { slug: slug_of(slug), name, page_url: Some(base.to_string()) };
                Some(self.catalog.add_identity(self.site, &person).await?)
            }
            None => None,
        };
        for start in &self.settings.profile.start {
            let bad = || CrawlError::BadStart { site: self.site.to_owned(), start: start.clone() };
            let url = self.addresses.canonical(base, start).ok_or_else(bad)?;
            let page = NewPage { url: url.into(), kind: PageKind::Index, identity_id };
            self.catalog.add_page(self.site, &page).await?;
        }
        Ok(())
    }

    async fn work(&self, due: Due) -> Result<Done, CrawlError> {
        match due {
            Due::Page(page) => self.page(&page).await,
            Due::Photo(photo) => self.photo(&photo).await,
        }
    }

    async fn page(&self, page: &DuePage) -> Result<Done, CrawlError> {
        let outcome = match self.read_page(page).await {
            Ok(outcome) => outcome,
            Err(Stop::Failed(Failure { class, detail, .. })) => PageOutcome::Failed { class, detail },
            Err(Stop::HostLeft(reason)) => {
                return Ok(Done { event: Event::Left { reason }, was_page: true, unchanged: false });
            }
            Err(Stop::Catalog(error)) => return Err(error.into()),
        };
        self.catalog.record_page(self.site, page, &outcome).await?;
        let event = match &outcome {
            PageOutcome::Failed { class, detail } => {
                if class.is_by_choice() {
                    tracing::info!(url = page.url, %class, detail, "a listing is left out");
                } else {
                    tracing::warn!(url = page.url, %class, detail, "a listing could not be read");
                }
                Event::PageFailed { url: page.url.clone(), class: *class }
            }
            _ => Event::PageRead,
        };
        Ok(Done { event, was_page: true, unchanged: outcome == PageOutcome::Unchanged })
    }

    async fn read_page(&self, page: &DuePage) -> Result<PageOutcome, Stop> {
        let url = parse(&page.url)?;
        let validators = Validators { etag: page.etag.clone(), last_modified: page.last_modified.clone() };
        let (document, validators) = match self.fetcher.document(&url, &validators).await? {
            Fetched::NotModified => return Ok(PageOutcome::Unchanged),
            Fetched::New(document, validators) => (document, validators),
        };
        let found = self.extractor().listing(&document, page.kind, page.identity_id)?;
        if found.pages.is_empty() && found.identities.is_empty() && found.photos.is_empty() {
            tracing::warn!(
                url = page.url,
                "a listing shows nothing; has the site changed? see `bolid crawl --check`"
            );
        }
        let Validators { etag, last_modified } = validators;
        Ok(PageOutcome::Read { found, etag, last_modified })
    }

    async fn photo(&self, photo: &DuePhoto) -> Result<Done, CrawlError> {
        let done = |event| Ok(Done { event, was_page: false, unchanged: false });
        let mut record = FetchRecord {
            result: Err((FailureClass::NoLink, String::new())),
            file_url: None,
            http_status: None,
            etag: None,
            last_modified: None,
            page_etag: photo.page_etag.clone(),
            page_last_modified: photo.page_last_modified.clone(),
            permission: None,
            attempts: 0,
        };
        match self.read_photo(photo, &mut record).await {
            Ok(true) => {
                self.catalog.record_unchanged(photo.id).await?;
                return done(Event::PhotoUnchanged);
            }
            Ok(false) => {}
            Err(Stop::Failed(failure)) => {
                if matches!(failure.class, FailureClass::Robots | FailureClass::OptOut) {
                    record.permission = Some(failure.detail.clone());
                }
                record.http_status = failure.http_status;
                record.attempts = failure.attempts;
                record.result = Err((failure.class, failure.detail));
            }
            Err(Stop::HostLeft(reason)) => return done(Event::Left { reason }),
            Err(Stop::Catalog(error)) => return Err(error.into()),
        }
        self.catalog.record_fetch(photo.id, &record).await?;
        done(match record.result {
            Ok(stored) => Event::PhotoStored { bytes: stored.bytes },
            Err((class, _)) => Event::PhotoFailed(class),
        })
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
        let stored = self.stored(photo).filter(|_| photo.file_url.as_deref() == Some(file_url.as_str()));
        let validators = match stored {
            Some(_) => Validators { etag: photo.etag.clone(), last_modified: photo.last_modified.clone() },
            None => Validators::default(),
        };
        match (self.fetcher.photo(&file_url, &validators, limits, self.catalog.blobs()).await?, stored) {
            (Fetched::New(file, validators), _) => {
                record.result = Ok(file.stored);
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
        if self.settings.profile.photo.is_none() {
            return Ok((url, false));
        }
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
        let mut links = self.extractor().photo_links(&document)?;
        if let Some(larger) = links.larger {
            match self.fetcher.document(&larger, &Validators::default()).await? {
                Fetched::NotModified => return Err(never_asked(&larger)),
                Fetched::New(document, _) => links = self.extractor().photo_links(&document)?,
            }
        }
        let no_file = || (FailureClass::NoLink, format!("{url} leads to no file of this site"));
        Ok((links.file.ok_or_else(no_file)?, true))
    }

    /// The bytes of an earlier crawl, if they are still there.
    fn stored(&self, photo: &DuePhoto) -> Option<catalog::blob::Stored> {
        let sha256: Digest = photo.sha256.as_deref()?.parse().ok()?;
        let bytes = self.catalog.blobs().path(sha256).metadata().ok()?.len();
        Some(catalog::blob::Stored { sha256, bytes })
    }

    fn extractor(&self) -> Extractor<'_> {
        Extractor { profile: &self.settings.profile, addresses: self.addresses }
    }
}

fn parse(url: &str) -> Result<Url, Stop> {
    Url::parse(url).map_err(|error| (FailureClass::NoLink, format!("`{url}` is no address: {error}")).into())
}

fn never_asked(url: &Url) -> Stop {
    (FailureClass::Protocol, format!("304 for {url}, which was never read")).into()
}
