//! A folder of photos as a list. A subfolder is a person; photos at the top belong to one person, called like the
//! import. Captions come from a `.txt` or `.caption` beside the photo (kohya), or from `metadata.csv` / `metadata.jsonl` in the folder
//! (Hugging Face imagefolder).
//!
//! What is passed over is counted by kind: hidden files and the litter of systems and programs, unfinished files, files
//! that are no photos, devices and pipes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, FileType};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::captions::Captions;
use crate::error::CrawlError;
use crate::list::{self, Entry, List, Place};
use crate::{litter, sniff};

/// Files with these endings are photos; of others the first bytes decide.
const PHOTO_ENDINGS: [&str; 10] = ["jpg", "jpeg", "jpe", "jxl", "png", "webp", "gif", "bmp", "tif", "tiff"];

/// Texts that may stand beside photos.
const SIDECAR_ENDINGS: [&str; 2] = ["txt", "caption"];

/// Enough to tell every format.
const MAGIC_BYTES: usize = 32;

/// The photos below a folder in the order of their paths; the first part of a path is the person. A folder that cannot
/// be read is an entry that fails. `read_list` reads the metadata files with captions.
///
/// # Errors
/// Where `root` itself cannot be read.
pub fn read(root: &Path, read_list: &dyn Fn(&Path) -> Result<List, String>) -> Result<List, CrawlError> {
    let mut walk = Walk { root: root.to_owned(), ..Walk::default() };
    let canonical = root.canonicalize().map_err(|error| wrong(root, &error))?;
    walk.seen.insert(canonical);
    walk.folders.push(PathBuf::new());
    while let Some(folder) = walk.next_folder() {
        let full = root.join(&folder);
        let entries = match fs::read_dir(&full).and_then(Iterator::collect::<io::Result<Vec<_>>>) {
            Ok(entries) => entries,
            Err(error) if folder.as_os_str().is_empty() => return Err(wrong(&full, &error)),
            Err(_) => {
                walk.files.push(folder); // it fails when it is opened, and is stored and counted so
                continue;
            }
        };
        for entry in entries {
            walk.look(folder.join(entry.file_name()), entry.file_type(), read_list);
        }
    }
    Ok(walk.into_list())
}

fn wrong(path: &Path, error: &io::Error) -> CrawlError {
    CrawlError::Import { path: path.to_owned(), detail: error.to_string() }
}

/// What was found so far.
#[derive(Default)]
struct Walk {
    root: PathBuf,
    /// Folders to be read.
    folders: Vec<PathBuf>,
    /// Links to folders, followed when there is nothing else left: what is here in itself is not taken for linked.
    links: BTreeSet<PathBuf>,
    files: Vec<PathBuf>,
    captions: Captions,
    passed_over: BTreeMap<String, u64>,
    /// The true places of folders that were found, so that none is read twice and no circle is followed.
    seen: BTreeSet<PathBuf>,
}

impl Walk {
    /// The next folder to be read.
    fn next_folder(&mut self) -> Option<PathBuf> {
        while self.folders.is_empty() {
            let link = self.links.pop_first()?;
            self.found_folder(link);
        }
        self.folders.pop()
    }

    /// Puts a folder on the list, if it is not there in its true place already.
    fn found_folder(&mut self, path: PathBuf) {
        let full = self.root.join(&path);
        if self.seen.insert(full.canonicalize().unwrap_or(full)) {
            self.folders.push(path);
        } else {
            self.pass_over("linked again");
        }
    }

    /// Looks at an entry, relative to the root.
    fn look(
        &mut self,
        path: PathBuf,
        kind: io::Result<FileType>,
        read_list: &dyn Fn(&Path) -> Result<List, String>,
    ) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if let Some(kind) = litter::kind_of(&name) {
            self.pass_over(kind);
            return;
        }
        let full = self.root.join(&path);
        let is_link = kind.as_ref().is_ok_and(FileType::is_symlink);
        let kind = if is_link { fs::metadata(&full).map(|facts| facts.file_type()) } else { kind };
        match kind {
            Ok(kind) if kind.is_dir() && is_link => {
                self.links.insert(path);
            }
            Ok(kind) if kind.is_dir() => self.found_folder(path),
            Ok(kind) if !kind.is_file() => self.pass_over("no file"),
            Ok(_) if Captions::is_metadata(&name) => {
                let folder = path.parent().unwrap_or(Path::new(""));
                self.captions.add(&path, folder, read_list(&full));
            }
            Ok(_) => match kind_of(&path, &full) {
                Kind::Photo => self.files.push(path),
                Kind::Sidecar => self.captions.add_sidecar(path),
                Kind::Other(kind) => self.pass_over(&kind),
            },
            // A link that leads nowhere, or an entry that went away: if it is called like a photo, it is one that fails.
            Err(_) if has_ending(&path, &PHOTO_ENDINGS) => self.files.push(path),
            Err(_) => self.pass_over("no file"),
        }
    }

    fn pass_over(&mut self, kind: &str) {
        *self.passed_over.entry(kind.to_owned()).or_default() += 1;
    }

    fn into_list(mut self) -> List {
        self.files.sort();
        let (root, mut captions) = (self.root, self.captions);
        let files = self.files.into_iter();
        let entries = files.map(|file| list_file(file, &root, &mut captions)).collect();
        if captions.lonely() > 0 {
            self.passed_over.insert("lonely text".to_owned(), captions.lonely());
        }
        List {
            entries,
            passed_over: self.passed_over,
            unmatched_captions: captions.unmatched(),
            unreadable_captions: captions.unreadable,
            root,
            ..List::default()
        }
    }
}

fn list_file(file: PathBuf, root: &Path, captions: &mut Captions) -> Entry {
    let mut parts = file.components();
    let first = parts.next().map(|part| list::person(&part.as_os_str().to_string_lossy()));
    let identity = parts.next().and(first);
    let caption = captions.take(root, &file);
    Entry { place: Place::File(file), file: None, identity, caption, hint: None }
}

/// What a file is to an import.
enum Kind {
    Photo,
    Sidecar,
    Other(String),
}

/// By the ending where it is a photo's or a sidecar's, else by the first bytes: cameras and browsers write `.jfif`,
/// `.jpg_large` and no ending at all.
fn kind_of(path: &Path, full: &Path) -> Kind {
    if has_ending(path, &PHOTO_ENDINGS) {
        return Kind::Photo;
    }
    if has_ending(path, &SIDECAR_ENDINGS) {
        return Kind::Sidecar;
    }
    let mut head = Vec::new();
    let read = File::open(full).and_then(|file| file.take(MAGIC_BYTES as u64).read_to_end(&mut head));
    match read {
        Ok(_) => match sniff::kind_of(&head) {
            Ok(()) => Kind::Photo,
            Err(Some(format)) => Kind::Other(format),
            Err(None) => Kind::Other(ending(path).unwrap_or_else(|| "no ending".to_owned())),
        },
        Err(_) => Kind::Other("unreadable".to_owned()),
    }
}

fn ending(path: &Path) -> Option<String> {
    path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase())
}

fn has_ending(path: &Path, endings: &[&str]) -> bool {
    ending(path).is_some_and(|ending| endings.contains(&ending.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const JPEG: &[u8] = b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0\xff\xdb\0C\0";
    const HEIC: &[u8] = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic";
    const AVIF: &[u8] = b"\0\0\0\x1cftypavif\0\0\0\0mif1avifmiaf";
    const JPEG_XL: &[u8] = b"\xFF\x0A\xFF\x07\x08\x83\x04\x0C\0\x4B\0\x20";

    fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        folder
    }

    /// These folders have no metadata.
    fn no_lists(path: &Path) -> Result<List, String> {
        panic!("{} is asked for", path.display())
    }

    fn urls(list: &List) -> Vec<String> {
        list.entries.iter().map(Entry::url).collect()
    }

    #[test]
    fn photos_are_known_by_their_bytes_where_the_ending_says_nothing() {
        let folder = folder(&[
            ("ada/1.jfif", JPEG),
            ("ada/2.jpg_large", JPEG),
            ("ada/3", JPEG),
            ("ada/4.heic", HEIC),
            ("ada/4.avif", AVIF),
            ("ada/4", JPEG_XL),
            ("ada/5.mp4", b"no photo, whatever it is: 32 bytes"),
            ("ada/3.txt", b"a caption"),
        ]);
        let list = read(folder.path(), &no_lists).unwrap();
        assert_eq!(urls(&list), ["file:ada/1.jfif", "file:ada/2.jpg_large", "file:ada/3", "file:ada/4"]);
        let counted: Vec<(&str, u64)> =
            list.passed_over.iter().map(|(kind, count)| (kind.as_str(), *count)).collect();
        assert_eq!(counted, [("avif", 1), ("heic", 1), ("mp4", 1)]);
    }

    #[test]
    fn bins_thumbnails_and_resource_forks_are_nobody_and_are_counted() {
        let folder = folder(&[
            ("ada/1.jpg", JPEG),
            ("ada/._1.jpg", JPEG),
            (".Trash-1000/files/2.jpg", JPEG),
            ("RECYCLER/S-1-5/Dc1.jpg", JPEG),
            ("#snapshot/GMT-1/ada/1.jpg", JPEG),
            ("@eaDir/1.jpg/thumb.jpg", JPEG),
            ("$RECYCLE.BIN/3.jpg", JPEG),
            ("__MACOSX/ada/._1.jpg", JPEG),
            ("ada/Thumbs.db", JPEG),
        ]);
        let list = read(folder.path(), &no_lists).unwrap();
        assert_eq!(urls(&list), ["file:ada/1.jpg"]);
        assert_eq!((list.passed_over["hidden"], list.passed_over["system"]), (2, 6));
    }

    #[test]
    fn unfinished_files_and_what_a_check_of_the_disk_found_are_neither_photos_nor_people() {
        let folder = folder(&[
            ("ada/1.jpg", JPEG),
            ("ada/2.jpg.part", JPEG),
            ("ada/3.jpg.tmp", JPEG),
            ("ada/Unconfirmed 4711.crdownload", JPEG),
            ("ada/4.jpg.download/4.jpg", JPEG),
            ("FOUND.000/FILE0000.CHK", JPEG),
            ("FOUND.001/1.jpg", JPEG),
            ("LOST.DIR/12", JPEG),
            ("bea/FILE0001.CHK", JPEG),
        ]);
        let list = read(folder.path(), &no_lists).unwrap();
        assert_eq!(urls(&list), ["file:ada/1.jpg"]);
        assert_eq!(list.passed_over, [("system".to_owned(), 4), ("unfinished".to_owned(), 4)].into());
    }

    #[test]
    fn a_sidecar_is_found_however_it_is_called_and_one_beside_no_photo_is_counted() {
        let folder = folder(&[
            ("ada/1.JPG", JPEG),
            ("ada/1.TXT", b"capitals"),
            ("ada/2.jpg", JPEG),
            ("ada/2.caption", b"kohya's"),
            ("ada/3.jpg", JPEG),
            ("ada/3.jpg.txt", b"with the photo's ending"),
            ("ada/Jos\u{e9}.jpg", JPEG),
            ("ada/Jose\u{301}.txt", b"as macOS stores it"),
            ("ada/4.jpg", JPEG),
            ("ada/4.caption", b"the other"),
            ("ada/4.txt", b"the one"),
            ("ada/4.png", JPEG),
            ("ada/5.json", b"{\"caption\": \"not read\"}"),
            ("README.txt", b"of nobody"),
        ]);
        let list = read(folder.path(), &no_lists).unwrap();
        let captions: Vec<_> =
            list.entries.iter().map(|entry| entry.caption.as_ref().map(|(text, _)| text.as_str())).collect();
        let expected =
            ["capitals", "kohya's", "with the photo's ending", "the one", "the one", "as macOS stores it"];
        assert_eq!(captions, expected.map(Some));
        assert_eq!(list.passed_over, [("json".to_owned(), 1), ("lonely text".to_owned(), 1)].into());
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_called_like_a_sidecar_holds_up_nothing() {
        let folder = folder(&[("ada/1.jpg", JPEG)]);
        let pipe = folder.path().join("ada/1.txt");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let list = read(folder.path(), &no_lists).unwrap();
        assert_eq!((list.entries[0].caption.as_ref(), list.passed_over["no file"]), (None, 1));
    }

    #[test]
    fn a_folder_whose_name_is_written_in_two_ways_is_one_person() {
        let folder = folder(&[("Jos\u{e9}/1.jpg", JPEG), ("Jose\u{301}/2.jpg", JPEG)]);
        let list = read(folder.path(), &no_lists).unwrap();
        assert!(list.entries.iter().all(|entry| entry.identity.as_deref() == Some("Jos\u{e9}")), "{list:?}");
    }

    #[cfg(unix)]
    #[test]
    fn a_linked_person_is_taken_in_once_and_a_circle_ends() {
        use std::os::unix::fs::symlink;
        let (folder, elsewhere) = (folder(&[("ada/1.jpg", JPEG)]), folder(&[("bea/2.jpg", JPEG)]));
        symlink(elsewhere.path().join("bea"), folder.path().join("bea")).unwrap();
        symlink(folder.path(), folder.path().join("ada/back")).unwrap();
        symlink(folder.path().join("ada"), folder.path().join("aaa")).unwrap(); // ada is Ada's own, not aaa's
        symlink("nowhere.jpg", folder.path().join("ada/gone.jpg")).unwrap();
        let list = read(folder.path(), &no_lists).unwrap();
        assert_eq!(urls(&list), ["file:ada/1.jpg", "file:ada/gone.jpg", "file:bea/2.jpg"]);
        assert_eq!(list.passed_over["linked again"], 2);
    }

    #[test]
    fn captions_come_from_metadata_and_sidecars_and_what_is_lost_is_told() {
        let table =
            "file_name,url,text\n./ada/1.jpg,,one\nada\\2.jpg,https://a.example/2,two\nada/9.jpg,,nobody\n";
        let folder = folder(&[
            ("ada/1.jpg", JPEG),
            ("ada/2.jpg", JPEG),
            ("ada/3.jpg", JPEG),
            ("ada/3.txt", b"caf\xe9"),
            (" ada/4.jpg", JPEG),
            ("metadata.csv", table.as_bytes()),
        ]);
        let list = read(folder.path(), &|path| list::read(path).map_err(|error| error.to_string())).unwrap();
        let captions: Vec<_> =
            list.entries.iter().map(|entry| entry.caption.as_ref().map(|(text, _)| text.as_str())).collect();
        assert_eq!(captions, [None, Some("one"), Some("two"), None]);
        assert!(list.entries.iter().all(|entry| entry.identity.as_deref() == Some("ada")));
        assert_eq!(list.unmatched_captions, ["ada/9.jpg"]);
        assert!(list.unreadable_captions[0].contains("3.txt"), "{:?}", list.unreadable_captions);
    }
}
