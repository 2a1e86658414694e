//! Photos that are on this machine already: a folder, or a list that names files.
//!
//! A subfolder is a person; photos at the top belong to one person, called like the import. Captions come from a
//! `.txt` beside the photo (kohya), or from `metadata.csv` / `metadata.jsonl` in the folder (Hugging Face imagefolder).

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use catalog::Catalog;
use catalog::blob::Stored;
use catalog::fetch::FetchRecord;
use catalog::identity::NewIdentity;
use catalog::photo::{Caption, NewPhoto};
use photo::FailureClass;

use crate::error::CrawlError;
use crate::list::{self, Entry};
use crate::slug::slug_of;
use crate::sniff::{Refusal, SizeLimits, Sniffer};
use crate::{CrawlReport, Event};

/// A larger file is no photo; it would only fill the disk.
const MAX_FILE_BYTES: u64 = 1 << 30;

/// Nothing is refused for its size here: that is for the rules to judge, since the bytes cost no download.
const ANY_SIZE: SizeLimits = SizeLimits { min_side: 0, max_pixels: u64::MAX };

/// Files with these endings are photos; others in a folder are passed over, as sidecars and notes are.
const PHOTO_ENDINGS: [&str; 9] = ["jpg", "jpeg", "jpe", "png", "webp", "gif", "bmp", "tif", "tiff"];

/// Takes in a folder, or the files that a CSV or JSONL list names, under the site name `name`. What cannot be read is
/// stored as a failure, and the import goes on. The same files again change nothing.
pub async fn import(
    catalog: &Catalog,
    path: &Path,
    name: &str,
    progress: &(dyn Fn(&Event) + Sync),
) -> Result<CrawlReport, CrawlError> {
    let (root, entries) = if path.is_dir() {
        (path.to_owned(), folder_entries(path)?)
    } else {
        (path.parent().unwrap_or(Path::new("")).to_owned(), list::read(path)?)
    };
    progress(&Event::PhotosDue(entries.len() as u64));
    let mut people: BTreeMap<String, Vec<Entry>> = BTreeMap::new();
    for entry in entries {
        people.entry(entry.identity.clone().unwrap_or_else(|| name.to_owned())).or_default().push(entry);
    }
    let mut report = CrawlReport { site: name.to_owned(), ..CrawlReport::default() };
    for (person, entries) in people {
        let identity = NewIdentity { slug: slug_of(&person), name: person, page_url: None };
        let identity_id = catalog.add_identity(name, &identity).await?;
        let photos: Vec<NewPhoto> = entries.iter().map(new_photo).collect();
        catalog.add_photos(identity_id, &photos).await?;
        let known: BTreeMap<String, i64> =
            catalog.photos(identity_id).await?.into_iter().map(|row| (row.source_url, row.id)).collect();
        for entry in entries {
            let Some(&photo_id) = known.get(&entry.url()) else { continue };
            let event = take_in(catalog, &root, &entry, photo_id).await?;
            report.count(&event);
            progress(&event);
        }
    }
    Ok(report)
}

fn new_photo(entry: &Entry) -> NewPhoto {
    let caption = entry.caption.clone().map(|(text, source)| Caption { text, source: source.to_owned() });
    NewPhoto { source_url: entry.url(), file_url: Some(entry.url()), hint: None, caption }
}

async fn take_in(catalog: &Catalog, root: &Path, entry: &Entry, photo_id: i64) -> Result<Event, CrawlError> {
    let result = store(catalog, &root.join(&entry.file))?;
    let event = match &result {
        Ok(stored) => Event::PhotoStored { bytes: stored.bytes },
        Err((class, _)) => Event::PhotoFailed(*class),
    };
    let record = FetchRecord {
        result,
        file_url: None,
        http_status: None,
        etag: None,
        last_modified: None,
        page_etag: None,
        page_last_modified: None,
        permission: None,
        attempts: 1,
    };
    catalog.record_fetch(photo_id, &record).await?;
    Ok(event)
}

/// Stores a file's bytes; the inner error is a fact about the file, the outer one about the catalog.
fn store(catalog: &Catalog, path: &Path) -> Result<Result<Stored, Refusal>, CrawlError> {
    let unreadable =
        |error: io::Error| (FailureClass::Unreadable, format!("read {}: {error}", path.display()));
    let mut file = match File::open(path).and_then(|file| Ok((file.metadata()?, file))) {
        Ok((facts, _)) if facts.len() > MAX_FILE_BYTES => {
            let detail = format!("{} has {} bytes, more than {MAX_FILE_BYTES}", path.display(), facts.len());
            return Ok(Err((FailureClass::TooLarge, detail)));
        }
        Ok((_, file)) => file,
        Err(error) => return Ok(Err(unreadable(error))),
    };
    let mut writer = catalog.blobs().writer()?;
    let mut sniffer = Sniffer::default();
    let mut piece = vec![0; 1 << 16];
    loop {
        let length = match file.read(&mut piece) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Ok(Err(unreadable(error))),
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

/// The photos below a folder in the order of their paths; the first part of a path is the person.
fn folder_entries(root: &Path) -> Result<Vec<Entry>, CrawlError> {
    let wrong = |path: &Path, detail: String| CrawlError::Import { path: path.to_owned(), detail };
    let mut captions = BTreeMap::new();
    let mut files = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        let full = root.join(&folder);
        for found in fs::read_dir(&full).map_err(|error| wrong(&full, error.to_string()))? {
            let found = found.map_err(|error| wrong(&full, error.to_string()))?;
            let kind = found.file_type().map_err(|error| wrong(&found.path(), error.to_string()))?;
            let path = folder.join(found.file_name());
            let name = found.file_name().to_string_lossy().into_owned();
            if kind.is_dir() {
                folders.push(path); // links to folders are not followed, so there are no circles
            } else if name == "metadata.csv" || name == "metadata.jsonl" {
                for entry in list::read(&found.path())? {
                    captions.insert(folder.join(entry.file), entry.caption);
                }
            } else if is_photo(&path) {
                files.push(path);
            }
        }
    }
    files.sort();
    let entry = |file: PathBuf| {
        let mut parts = file.components();
        let first = parts.next().map(|part| part.as_os_str().to_string_lossy().into_owned());
        let identity = parts.next().and(first);
        let caption = captions.remove(&file).flatten().or_else(|| sidecar(&root.join(&file)));
        Entry { file, identity, caption }
    };
    Ok(files.into_iter().map(entry).collect())
}

fn is_photo(path: &Path) -> bool {
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase());
    ending.is_some_and(|ending| PHOTO_ENDINGS.contains(&ending.as_str()))
}

/// The text beside a photo, `photo.txt` for `photo.jpg`.
fn sidecar(photo: &Path) -> Option<(String, &'static str)> {
    let text = fs::read_to_string(photo.with_extension("txt")).ok()?;
    let text = text.trim();
    (!text.is_empty()).then(|| (text.to_owned(), "sidecar"))
}
