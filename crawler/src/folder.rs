//! A folder of photos as a list. A subfolder is a person; photos at the top belong to one person, called like the
//! import. Captions come from a `.txt` beside the photo (kohya), or from `metadata.csv` / `metadata.jsonl` in the folder
//! (Hugging Face imagefolder).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::CrawlError;
use crate::list::{self, Entry, List, Place};

/// Files with these endings are photos; others in a folder are passed over, as sidecars and notes are.
const PHOTO_ENDINGS: [&str; 9] = ["jpg", "jpeg", "jpe", "png", "webp", "gif", "bmp", "tif", "tiff"];

/// The photos below a folder in the order of their paths; the first part of a path is the person.
pub fn read(root: &Path) -> Result<List, CrawlError> {
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
                for entry in list::read(&found.path())?.entries {
                    if let Place::File(file) = entry.place {
                        captions.insert(folder.join(file), entry.caption);
                    }
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
        Entry { place: Place::File(file), identity, caption, hint: None }
    };
    Ok(List { root: root.to_owned(), entries: files.into_iter().map(entry).collect() })
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
