//! Takes in photos that a list or folder names: local files at once, files on the web as any crawl does.

use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::Path;
use std::time::UNIX_EPOCH;

use catalog::Catalog;
use catalog::blob::Stored;
use catalog::fetch::FetchRecord;
use catalog::identity::NewIdentity;
use catalog::photo::{NewPhoto, PhotoRow};
use photo::{Digest, FailureClass};
use url::Url;

use crate::address::is_loopback;
use crate::crawl::crawl;
use crate::error::CrawlError;
use crate::gone::mark_gone;
use crate::list::{Entry, List, Place};
use crate::report::{CrawlReport, Event};
use crate::settings::CrawlSettings;
use crate::simulate::simulate;
use crate::slug::slug_of;
use crate::sniff::{Refusal, SizeLimits, Sniffer};

/// A larger file is no photo; it would only fill the disk.
const MAX_FILE_BYTES: u64 = 1 << 30;

/// No local file is refused for its size: that is for the rules to judge, since the bytes cost no download.
const ANY_SIZE: SizeLimits = SizeLimits { min_side: 0, max_pixels: u64::MAX };

/// Takes in what a list names, under the name of the settings' source. What cannot be had is stored as a failure, and
/// the import goes on. The same list again changes nothing; where a list is complete, photos that it no longer names
/// are marked as gone. A simulated import stores nothing.
pub async fn import(
    catalog: &Catalog,
    list: &List,
    settings: &CrawlSettings,
    progress: &(dyn Fn(&Event) + Sync),
) -> Result<CrawlReport, CrawlError> {
    check_contact(list, settings)?;
    let site = settings.site();
    progress(&Event::PhotosDue(list.entries.len() as u64));
    let mut people: BTreeMap<&str, Vec<&Entry>> = BTreeMap::new();
    for entry in &list.entries {
        people.entry(entry.identity.as_deref().unwrap_or(site)).or_default().push(entry);
    }
    let mut report = CrawlReport {
        site: site.to_owned(),
        bad_rows: list.bad_rows.len() as u64,
        passed_over: list.passed_over.clone(),
        captions_unmatched: list.unmatched_captions.len() as u64,
        captions_unreadable: list.unreadable_captions.len() as u64,
        ..CrawlReport::default()
    };
    if settings.simulate {
        simulate(catalog, list, settings, &mut report, progress).await?;
        return Ok(report);
    }
    let mut is_on_the_web = false;
    for (person, entries) in people {
        let identity = NewIdentity {
            slug: slug_of(person),
            name: person.to_owned(),
            page_url: None,
            is_slug_certain: true,
        };
        let Some(identity_id) = catalog.add_identity(site, &identity).await? else {
            for _ in entries {
                report.count(&Event::PhotoFailed(FailureClass::Erased));
                progress(&Event::PhotoFailed(FailureClass::Erased));
            }
            continue;
        };
        let photos: Vec<NewPhoto> = entries.iter().map(|entry| entry.photo()).collect();
        catalog.add_photos(identity_id, &photos).await?;
        is_on_the_web |= entries.iter().any(|entry| matches!(entry.place, Place::Url(_)));
        if !entries.iter().any(|entry| matches!(entry.place, Place::File(_))) {
            continue;
        }
        let known: BTreeMap<String, PhotoRow> =
            catalog.photos(identity_id).await?.into_iter().map(|row| (row.source_url.clone(), row)).collect();
        for entry in entries {
            if let (Place::File(file), Some(row)) = (&entry.place, known.get(&entry.url())) {
                let event = take_in(catalog, &list.root.join(file), row).await?;
                report.count(&event);
                progress(&event);
            }
        }
    }
    if list.is_complete {
        mark_gone(catalog, site, list, &mut report).await?;
    }
    if is_on_the_web {
        report.add(crawl(catalog, settings, progress).await?);
    }
    Ok(report)
}

/// Whether an import can begin: owners of other machines must be able to ask about it. Asks for nothing.
///
/// # Errors
/// The first machine whose owner could not.
pub fn check_contact(list: &List, settings: &CrawlSettings) -> Result<(), CrawlError> {
    if settings.contact().is_some() {
        return Ok(());
    }
    let urls = list.entries.iter().filter_map(|entry| match &entry.place {
        Place::Url(url) => Url::parse(url).ok(),
        Place::File(_) => None,
    });
    match urls.into_iter().find(|url| url.has_host() && !is_loopback(url)) {
        Some(url) => Err(CrawlError::NoContact { host: url.host_str().unwrap_or_default().to_owned() }),
        None => Ok(()),
    }
}

async fn take_in(catalog: &Catalog, path: &Path, known: &PhotoRow) -> Result<Event, CrawlError> {
    let opened = open(path);
    let stamp = opened.as_ref().ok().map(|(_, facts)| stamp(facts));
    if stamp.is_some() && stamp == known.etag && is_stored(catalog, known) {
        return Ok(Event::PhotoUnchanged);
    }
    let result = match opened {
        Ok((file, _)) => match store(catalog, path, file)? {
            Ok(stored) => catalog.refuse_erased(stored)?,
            refused => refused,
        },
        Err(refusal) => Err(refusal),
    };
    let event = Event::of(&result);
    let record = FetchRecord { etag: stamp, attempts: 1, is_local: true, ..FetchRecord::new(result) };
    catalog.record_fetches(&[(known.id, record)]).await?;
    Ok(event)
}

/// What tells that a file was not written to: its length and when it last was.
fn stamp(facts: &Metadata) -> String {
    let modified = facts.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    format!("{} bytes, {} ns", facts.len(), modified.unwrap_or_default().as_nanos())
}

fn is_stored(catalog: &Catalog, photo: &PhotoRow) -> bool {
    photo.sha256.is_some_and(|sha256| catalog.blobs().path(sha256).exists())
}

fn unreadable(path: &Path, error: &io::Error) -> Refusal {
    (FailureClass::Unreadable, format!("read {}: {error}", path.display()))
}

fn open(path: &Path) -> Result<(File, Metadata), Refusal> {
    let facts = path.metadata().map_err(|error| unreadable(path, &error))?;
    if facts.is_dir() {
        // Only a folder that could not be read is among the photos.
        let error =
            std::fs::read_dir(path).err().map_or_else(|| "it is a folder".to_owned(), |e| e.to_string());
        return Err((FailureClass::Unreadable, format!("read {}: {error}", path.display())));
    }
    if !facts.is_file() {
        // Opening a pipe would wait for whoever writes into it.
        let detail = format!("{} is a device, a pipe or a socket", path.display());
        return Err((FailureClass::Unreadable, detail));
    }
    let file = File::open(path).map_err(|error| unreadable(path, &error))?;
    let facts = file.metadata().map_err(|error| unreadable(path, &error))?;
    if facts.len() > MAX_FILE_BYTES {
        let detail = format!("{} has {} bytes, more than {MAX_FILE_BYTES}", path.display(), facts.len());
        return Err((FailureClass::TooLarge, detail));
    }
    Ok((file, facts))
}

/// Stores a file's bytes if they are those that are expected.
pub(crate) fn expect(
    catalog: &Catalog,
    path: &Path,
    sha256: Digest,
) -> Result<Result<Stored, Refusal>, CrawlError> {
    Ok(match open(path) {
        Ok((file, _)) => store(catalog, path, file)?.and_then(|stored| {
            let changed = || format!("{} holds {}, which is not {sha256}", path.display(), stored.sha256);
            if stored.sha256 == sha256 { Ok(stored) } else { Err((FailureClass::Changed, changed())) }
        }),
        Err(refusal) => Err(refusal),
    })
}

/// Stores a file's bytes; the inner error is a fact about the file, the outer one about the catalog.
fn store(catalog: &Catalog, path: &Path, mut file: File) -> Result<Result<Stored, Refusal>, CrawlError> {
    let mut writer = catalog.blobs().writer()?;
    let mut sniffer = Sniffer::default();
    let mut piece = vec![0; 1 << 16];
    loop {
        let length = match file.read(&mut piece) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Ok(Err(unreadable(path, &error))),
        };
        if let Err(refusal) = sniffer.push(&piece[..length], ANY_SIZE) {
            return Ok(Err(refusal));
        }
        writer.write(&piece[..length])?;
    }
    match sniffer.finish(ANY_SIZE) {
        Ok(()) => Ok(Ok(writer.finish()?)),
        Err(refusal) => Ok(Err(refusal)),
    }
}
