//! The loop: due pages, then due photos; everything is recorded in the catalog as it ends, so that a killed crawl goes
//! on where it stood.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};

use catalog::Catalog;
use catalog::fetch::FetchRecord;
use catalog::identity::NewIdentity;
use catalog::page::{NewPage, PageKind};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{Notify, mpsc};

use crate::address::Addresses;
use crate::error::CrawlError;
use crate::files::Files;
use crate::profile::Profile;
use crate::queue::{Due, Queue};
use crate::reader::Reader;
use crate::report::{CrawlReport, Event};
use crate::settings::{CrawlSettings, Source};
use crate::slug::slug_of;
use crate::visit::{Done, Note, Visitor};

/// Photos whose end is stored in one transaction, at most: a commit costs as much as some ten rows. Where photos come
/// slowly each has its own.
const COMMIT: usize = 64;

/// Crawls a site or list: goes on with an unfinished crawl, or asks for what is no longer fresh.
pub async fn crawl(
    catalog: &Catalog,
    settings: &CrawlSettings,
    progress: &(dyn Fn(&Event) + Sync),
) -> Result<CrawlReport, CrawlError> {
    let site = settings.site();
    let addresses = settings.addresses()?;
    let fetcher = settings.fetcher(addresses.clone(), Some(catalog))?;
    if let Source::Site(profile) = &settings.source {
        queue_start(catalog, &addresses, profile).await?;
    }
    let crawl = catalog.begin_crawl(site).await?;
    let queue = Queue::new(catalog, settings, crawl);
    let visitor = Visitor {
        catalog,
        settings,
        fetcher,
        reader: settings.source.profile().map(|profile| Reader::new(profile.clone(), addresses)),
        files: Files::default(),
        page_rules: settings.page_rules(),
        file_limits: settings.file_limits(),
        cutoff: queue.cutoff(),
    };
    let (sender, receiver) = mpsc::channel(COMMIT);
    let uncommitted = Uncommitted::default();
    let (report, recorded) = tokio::join!(
        work(&visitor, queue, sender, &uncommitted, progress),
        record(catalog, receiver, &uncommitted)
    );
    recorded?; // the cause, where `work` only noticed that nobody listens
    let report = report?;
    if report.left.is_empty() && !settings.simulate {
        catalog.finish_crawl(crawl).await?;
        catalog.blobs().clear_unfinished()?;
    }
    Ok(report)
}

/// Queues the start pages, as pages of the one person whom the site shows, if it does.
async fn queue_start(catalog: &Catalog, addresses: &Addresses, profile: &Profile) -> Result<(), CrawlError> {
    let site = &profile.site;
    let Some(base) = addresses.base() else { return Ok(()) };
    let identity_id = match &profile.index.single {
        Some(single) => {
            let slug = single.slug.as_deref().or_else(|| base.host_str()).unwrap_or(site);
            let name = single.name.as_deref().unwrap_or(slug).to_owned();
            let person = NewIdentity {
                slug: slug_of(slug),
                name,
                page_url: Some(base.to_string()),
                is_slug_certain: true,
            };
            catalog.add_identity(site, &person).await?
        }
        None => None,
    };
    for start in &profile.start {
        let bad = || CrawlError::BadStart { site: site.clone(), start: start.clone() };
        let url = addresses.canonical(base, start).ok_or_else(bad)?;
        let kind = if profile.starts_with_galleries() { PageKind::Identity } else { PageKind::Index };
        let page = NewPage { url: url.into(), kind, identity_id };
        catalog.add_page(site, &page).await?;
    }
    Ok(())
}

type Notes = mpsc::Sender<(i64, Note)>;

async fn work(
    visitor: &Visitor<'_>,
    mut queue: Queue<'_>,
    notes: Notes,
    uncommitted: &Uncommitted,
    progress: &(dyn Fn(&Event) + Sync),
) -> Result<CrawlReport, CrawlError> {
    let settings = visitor.settings;
    let mut report = CrawlReport { site: settings.site().to_owned(), ..CrawlReport::default() };
    let mut in_flight = InFlight::default();
    let mut pages_in_flight = 0;
    loop {
        // What is being read only takes the processor, and what is about to be stored only the disk.
        while in_flight.count() + uncommitted.count() < settings.at_once() + visitor.being_read() {
            let was_in_photos = queue.is_in_photos();
            match in_flight.beside(queue.next(pages_in_flight)).await? {
                Some(Due::Photo(photo))
                    if settings.simulate && settings.refused_by_hint(&photo).is_none() =>
                {
                    let event = Event::WouldFetch { url: photo.source_url };
                    report.count(&event);
                    progress(&event);
                }
                Some(due) => {
                    pages_in_flight += usize::from(matches!(due, Due::Page(_)));
                    in_flight.push(visitor.work(due));
                }
                None if queue.is_in_photos() && !was_in_photos => {
                    progress(&Event::PhotosDue(in_flight.beside(queue.photos_due()).await?));
                }
                None => break,
            }
        }
        if in_flight.count() == 0 && uncommitted.count() == 0 {
            break;
        }
        let done = tokio::select! {
            done = in_flight.next(), if in_flight.count() > 0 => done?,
            () = uncommitted.changed.notified(), if uncommitted.count() > 0 => continue,
            () = visitor.reading_began() => continue,
            () = notes.closed() => break, // `record` failed, and says why
        };
        let event = match done {
            Done::Page { event, unchanged } => {
                pages_in_flight -= 1;
                report.pages_read += u64::from(event == Event::PageRead && !unchanged);
                report.pages_unchanged += u64::from(unchanged);
                event
            }
            Done::Photo { event, id, note } => {
                uncommitted.count.fetch_add(1, Ordering::Relaxed);
                if in_flight.beside(notes.send((id, note))).await.is_err() {
                    break; // as above
                }
                event
            }
            Done::Left(event) => {
                pages_in_flight -= usize::from(matches!(event, Event::Left { was_page: true, .. }));
                event
            }
        };
        report.count(&event);
        progress(&event);
    }
    Ok(report)
}

/// Work under way, and work that ended while something else was waited for.
struct InFlight<F: Future> {
    running: FuturesUnordered<F>,
    ended: VecDeque<F::Output>,
}

impl<F: Future> Default for InFlight<F> {
    fn default() -> Self {
        Self { running: FuturesUnordered::new(), ended: VecDeque::new() }
    }
}

impl<F: Future> InFlight<F> {
    fn push(&mut self, work: F) {
        self.running.push(work);
    }

    fn count(&self) -> usize {
        self.running.len() + self.ended.len()
    }

    /// The next that ends. There must be some.
    async fn next(&mut self) -> F::Output {
        match self.ended.pop_front() {
            Some(ended) => ended,
            None => match self.running.next().await {
                Some(ended) => ended,
                None => std::future::pending().await,
            },
        }
    }

    /// Waits for something while the work goes on. Work that stands still may hold connections of the database, and
    /// whoever waits for one of these then waits for ever.
    async fn beside<T>(&mut self, awaited: impl Future<Output = T>) -> T {
        let mut awaited = pin!(awaited);
        loop {
            tokio::select! {
                biased; // what has come is sooner taken than looked for
                value = &mut awaited => return value,
                Some(ended) = self.running.next(), if !self.running.is_empty() => self.ended.push_back(ended),
            }
        }
    }
}

/// Stores how photos ended, as many in one transaction as have come.
async fn record(
    catalog: &Catalog,
    mut notes: mpsc::Receiver<(i64, Note)>,
    uncommitted: &Uncommitted,
) -> Result<(), CrawlError> {
    let mut batch = Vec::with_capacity(COMMIT);
    while notes.recv_many(&mut batch, COMMIT).await > 0 {
        let count = batch.len();
        let mut unchanged = Vec::new();
        let mut fetched: Vec<(i64, FetchRecord)> = Vec::new();
        for (id, note) in batch.drain(..) {
            match note {
                Note::Unchanged => unchanged.push(id),
                Note::Fetched(record) => fetched.push((id, *record)),
            }
        }
        catalog.record_unchanged(&unchanged).await?;
        catalog.record_fetches(&fetched).await?;
        uncommitted.committed(count);
    }
    Ok(())
}

/// Photos that have ended and are not in the catalog yet. They count as worked on, so that a crawl that is killed has
/// no more to fetch again than may be worked on at once, however long the disk takes for a commit.
#[derive(Debug, Default)]
struct Uncommitted {
    count: AtomicUsize,
    changed: Notify,
}

impl Uncommitted {
    fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    fn committed(&self, count: usize) {
        self.count.fetch_sub(count, Ordering::Relaxed);
        self.changed.notify_one();
    }
}
