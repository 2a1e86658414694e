//! Texts about the photos of a folder: sidecars beside them, and `metadata.csv`, `.jsonl` or `.parquet` anywhere among
//! them. What names no photo, and what cannot be read, is kept to be told: a caption that is lost in silence is missed
//! after the training.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path, PathBuf};

use unicode_normalization::UnicodeNormalization;

use crate::list::{List, Place};
use crate::text;

/// The captions of a folder: of its metadata files, and those that stand beside the photos.
#[derive(Debug, Default)]
pub(crate) struct Captions {
    /// By the photo's [`key`]: a text, and where it stood.
    by_photo: BTreeMap<String, (String, &'static str)>,
    /// By the [`key`] of the photo, without its ending or with it.
    sidecars: BTreeMap<String, Sidecar>,
    /// What could not be read, and why.
    pub unreadable: Vec<String>,
}

#[derive(Debug)]
struct Sidecar {
    path: PathBuf,
    has_photo: bool,
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

    /// Adds a text below the root that may stand beside a photo: `1.txt` or `1.caption` (the ending that kohya's scripts
    /// look for), or `1.jpg.txt`. Of several the `.txt` counts, and of these the first by its path: folders list their
    /// files in no order.
    pub fn add_sidecar(&mut self, path: PathBuf) {
        let rank = |path: &Path| {
            (!path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("txt")), path.to_owned())
        };
        let key = key(&path.with_extension(""));
        if self.sidecars.get(&key).is_none_or(|known| rank(&path) < rank(&known.path)) {
            self.sidecars.insert(key, Sidecar { path, has_photo: false });
        }
    }

    /// The caption of a photo, by its path below the root: of the metadata, else of its sidecar.
    pub fn take(&mut self, root: &Path, photo: &Path) -> Option<(String, &'static str)> {
        let names = [key(&photo.with_extension("")), key(photo)];
        let beside = names.into_iter().find(|name| self.sidecars.contains_key(name));
        let sidecar = beside.and_then(|name| self.sidecars.get_mut(&name));
        let path = sidecar.map(|sidecar| {
            sidecar.has_photo = true;
            root.join(&sidecar.path)
        });
        if let Some(caption) = self.by_photo.remove(&key(photo)) {
            return Some(caption);
        }
        let path = path?;
        let read = fs::read(&path).map_err(|error| error.to_string());
        match read.and_then(|bytes| text::decoded(&bytes).ok_or_else(|| text::UNKNOWN.to_owned())) {
            Ok(text) => {
                Some(text.trim().to_owned()).filter(|text| !text.is_empty()).map(|text| (text, "sidecar"))
            }
            Err(problem) => {
                self.unreadable.push(format!("{}: {problem}", path.display()));
                None
            }
        }
    }

    /// How many sidecars stand beside no photo.
    pub fn lonely(&self) -> u64 {
        self.sidecars.values().filter(|sidecar| !sidecar.has_photo).count() as u64
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
    fn which_of_several_sidecars_counts_does_not_depend_on_their_order() {
        let paths = ["ada/1.TXT", "ada/1.caption", "ada/1.txt"].map(PathBuf::from);
        for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
            let mut captions = Captions::default();
            order.into_iter().for_each(|i| captions.add_sidecar(paths[i].clone()));
            assert_eq!(captions.sidecars["ada/1"].path, paths[0], "{order:?}");
        }
    }
}
