//! Texts about the photos of a folder: sidecars beside them, and `metadata.csv`, `.jsonl` or `.parquet` anywhere among
//! them. What names no photo, and what cannot be read, is kept to be told: a caption that is lost in silence is missed
//! after the training.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Component, Path};

use encoding_rs::Encoding;
use unicode_normalization::UnicodeNormalization;

use crate::list::{List, Place};

/// The captions of a folder's metadata files.
#[derive(Debug, Default)]
pub(crate) struct Captions {
    /// By the photo's [`key`]: a text, and where it stood.
    by_photo: BTreeMap<String, (String, &'static str)>,
    /// What could not be read, and why.
    pub unreadable: Vec<String>,
}

impl Captions {
    /// Whether a file of this name holds captions.
    pub fn is_metadata(name: &str) -> bool {
        matches!(name.to_ascii_lowercase().as_str(), "metadata.csv" | "metadata.jsonl" | "metadata.parquet")
    }

    /// Adds what the metadata file `path` says; its paths are relative to its `folder`, as the photos' are to the root.
    pub fn add(&mut self, path: &Path, folder: &Path, list: Result<List, String>) {
        let list = match list {
            Ok(list) => list,
            Err(problem) => return self.unreadable.push(problem),
        };
        for row in list.entries {
            let file = match (row.file, row.place) {
                (Some(file), _) | (None, Place::File(file)) => file,
                (None, Place::Url(_)) => continue,
            };
            if let Some(caption) = row.caption {
                self.by_photo.insert(key(&folder.join(file)), caption);
            }
        }
        let bad = list.bad_rows.into_iter();
        self.unreadable
            .extend(bad.map(|row| format!("{}, line {}: {}", path.display(), row.line, row.problem)));
    }

    /// The caption of a photo, by its path below the root: of the metadata, else of its sidecar.
    pub fn take(&mut self, root: &Path, photo: &Path) -> Option<(String, &'static str)> {
        if let Some(caption) = self.by_photo.remove(&key(photo)) {
            return Some(caption);
        }
        let path = root.join(photo).with_extension("txt");
        match fs::read(&path) {
            Ok(bytes) => match decoded(&bytes) {
                Some(text) => {
                    Some(text.trim().to_owned()).filter(|text| !text.is_empty()).map(|text| (text, "sidecar"))
                }
                None => {
                    self.unreadable
                        .push(format!("{}: neither UTF-8 nor, by a byte order mark, UTF-16", path.display()));
                    None
                }
            },
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                None
            }
            Err(error) => {
                self.unreadable.push(format!("{}: {error}", path.display()));
                None
            }
        }
    }

    /// The photos that captions name and that nobody took.
    pub fn unmatched(&self) -> Vec<String> {
        self.by_photo.keys().cloned().collect()
    }
}

/// What two ways to write one path have in common: no `.` and no `\\`, and one form of letters with accents, of which
/// macOS stores another than a table has.
fn key(path: &Path) -> String {
    let path = path.to_string_lossy().replace('\\', "/");
    let parts = Path::new(&path).components().filter(|part| *part != Component::CurDir);
    parts
        .map(|part| part.as_os_str().to_string_lossy().nfc().collect::<String>())
        .collect::<Vec<_>>()
        .join("/")
}

/// UTF-8, or what a byte order mark says; `None` for anything else, since a guess would put wrong letters into a
/// dataset.
fn decoded(bytes: &[u8]) -> Option<String> {
    let (encoding, mark) = Encoding::for_bom(bytes).unwrap_or((encoding_rs::UTF_8, 0));
    let text = encoding.decode_without_bom_handling_and_without_replacement(&bytes[mark..])?;
    (!text.contains('\0')).then(|| text.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_path_is_found_however_it_is_written() {
        let key = |path: &str| key(Path::new(path));
        assert_eq!(key("./ada/4.jpg"), key("ada/4.jpg"));
        assert_eq!(key("ada\\5.jpg"), key("ada/5.jpg"));
        assert_eq!(key("ada/Jose\u{301}.jpg"), key("ada/Jos\u{e9}.jpg"));
        assert_ne!(key("ada/1.jpg"), key("bea/1.jpg"));
    }

    #[test]
    fn sidecars_are_read_by_their_byte_order_mark_and_never_guessed() {
        assert_eq!(decoded("\u{feff}née".as_bytes()).unwrap(), "née");
        assert_eq!(decoded("née".as_bytes()).unwrap(), "née");
        let utf16: Vec<u8> = "\u{feff}née".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(decoded(&utf16).unwrap(), "née");
        assert_eq!(decoded(b"n\xe9e"), None, "Latin-1, or another of a hundred");
        assert_eq!(decoded(&utf16[2..]), None, "UTF-16 without a mark");
    }
}
