//! Downloads known files again, and takes nothing but the bytes that are expected. No page is read.

use std::path::Path;

use catalog::Catalog;
use catalog::fetch::FetchRecord;
use futures_util::StreamExt as _;
use photo::{Digest, FailureClass};

use crate::download::Wanted;
use crate::error::{CrawlError, Stop};
use crate::fetch::{Fetched, Fetcher};
use crate::follow::note_failure;
use crate::headers::Validators;
use crate::import;
use crate::report::{CrawlReport, Event};
use crate::settings::CrawlSettings;
use crate::visit::parse;

/// A file whose bytes are known by their digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Row number of the photo.
    pub photo_id: i64,
    /// Its address; `file:…` for one on this machine.
    pub url: String,
    /// The only bytes that are taken.
    pub sha256: Digest,
    /// What is stored as `Last-Modified`, whatever the server says today.
    pub last_modified: Option<String>,
}

/// Downloads the files, by the manners of the settings' source; `root` is what local files are relative to.
pub async fn refetch(
    catalog: &Catalog,
    settings: &CrawlSettings,
    root: &Path,
    files: &[Expected],
    progress: &(dyn Fn(&Event) + Sync),
) -> Result<CrawlReport, CrawlError> {
    let fetcher = settings.fetcher(settings.addresses()?, Some(catalog))?;
    let mut report = CrawlReport { site: settings.site().to_owned(), ..CrawlReport::default() };
    progress(&Event::PhotosDue(files.len() as u64));
    let downloads = files.iter().map(|file| one(catalog, settings, &fetcher, root, file));
    let mut downloads = futures_util::stream::iter(downloads).buffer_unordered(settings.at_once());
    while let Some(done) = downloads.next().await {
        let event = done?;
        report.count(&event);
        progress(&event);
    }
    Ok(report)
}

async fn one(
    catalog: &Catalog,
    settings: &CrawlSettings,
    fetcher: &Fetcher<'_>,
    root: &Path,
    file: &Expected,
) -> Result<Event, CrawlError> {
    let mut record = FetchRecord {
        file_url: Some(file.url.clone()),
        last_modified: file.last_modified.clone(),
        ..FetchRecord::new(Err((FailureClass::NoLink, String::new())))
    };
    if let Some(path) = file.url.strip_prefix("file:") {
        record.attempts = 1;
        record.result = import::expect(catalog, &root.join(path), file.sha256)?;
    } else {
        match download(catalog, settings, fetcher, file, &mut record).await {
            Ok(()) => {}
            Err(Stop::Failed(failure)) => note_failure(&mut record, failure),
            Err(Stop::HostLeft(reason)) => return Ok(Event::Left { reason, was_page: false }),
            Err(Stop::Catalog(error)) => return Err(error.into()),
        }
    }
    let event = Event::of(&record.result);
    catalog.record_fetches(&[(file.photo_id, record)]).await?;
    Ok(event)
}

async fn download(
    catalog: &Catalog,
    settings: &CrawlSettings,
    fetcher: &Fetcher<'_>,
    file: &Expected,
    record: &mut FetchRecord,
) -> Result<(), Stop> {
    let wanted = Wanted { limits: settings.size_limits(), sha256: Some(file.sha256) };
    let url = parse(&file.url)?;
    match fetcher.photo(&url, &Validators::default(), wanted, catalog.blobs()).await? {
        Fetched::New(photo, _) => {
            record.result = Ok(photo.stored);
            record.http_status = Some(photo.http_status);
            record.attempts = photo.attempts;
            record.permission = Some(photo.permission);
            Ok(())
        }
        Fetched::NotModified => {
            Err((FailureClass::Protocol, format!("304 for {url}, which nothing was said of")).into())
        }
    }
}
