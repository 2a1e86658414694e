//! Bytes under their SHA-256: written to a temporary file, hashed on the way, renamed into place.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use photo::Digest;
use sha2::{Digest as _, Sha256};

use crate::{Error, Result};

/// The folder of blobs, `<root>/ab/abcd…`, and of unfinished ones, `<root>/partial/`: numbered, or under a key with a
/// note beside it where another run may go on with them.
#[derive(Debug)]
pub struct BlobStore {
    root: PathBuf,
    next_partial: AtomicU64,
    /// Keys whose unfinished blob somebody writes.
    busy: Mutex<HashSet<Digest>>,
}

/// The folder of blobs in the work folder.
pub(crate) const FOLDER: &str = "blobs";

/// The ending of the note beside an unfinished blob that may be gone on with.
const NOTE: &str = "note";

/// A blob that is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its name.
    pub sha256: Digest,
    /// Its length.
    pub bytes: u64,
}

impl BlobStore {
    /// Opens the folder, and clears what a killed process left that nobody can go on with.
    pub(crate) fn open(root: &Path) -> Result<Self> {
        let store = Self { root: root.to_owned(), next_partial: AtomicU64::new(0), busy: Mutex::default() };
        let partial = store.partial_folder();
        fs::create_dir_all(&partial).map_err(Error::io("create", &partial))?;
        store.clear(|path| !path.with_extension(NOTE).exists())?;
        Ok(store)
    }

    /// The blobs of a work folder as they are, to read from: nothing is made and nothing cleared.
    pub fn of_workdir(workdir: &Path) -> Self {
        Self::to_read(&workdir.join(FOLDER))
    }

    /// The folder as it is, to read from.
    pub(crate) fn to_read(root: &Path) -> Self {
        Self { root: root.to_owned(), next_partial: AtomicU64::new(0), busy: Mutex::default() }
    }

    /// Clears all unfinished blobs: nobody will go on with them.
    pub fn clear_unfinished(&self) -> Result<()> {
        self.clear(|_| true)
    }

    fn partial_folder(&self) -> PathBuf {
        self.root.join("partial")
    }

    fn clear(&self, is_unwanted: impl Fn(&Path) -> bool) -> Result<()> {
        let folder = self.partial_folder();
        for entry in fs::read_dir(&folder).map_err(Error::io("list", &folder))? {
            let path = entry.map_err(Error::io("list", &folder))?.path();
            if is_unwanted(&path) {
                fs::remove_file(&path).map_err(Error::io("clear", &path))?;
            }
        }
        Ok(())
    }

    /// Where the blob of that name stands, whether or not it does.
    pub fn path(&self, sha256: Digest) -> PathBuf {
        let name = sha256.to_string();
        self.root.join(&name[..2]).join(name)
    }

    /// Begins a blob whose bytes come in pieces.
    pub fn writer(&self) -> Result<BlobWriter<'_>> {
        let number = self.next_partial.fetch_add(1, Ordering::Relaxed);
        self.begin(Partial { path: self.partial_folder().join(number.to_string()), key: None, store: self })
    }

    /// Begins a blob that another run may go on with under `key`; `note` is what that run has to know. Where the key
    /// is in use already, the blob is begun as any other.
    pub fn resumable_writer(&self, key: Digest, note: &str) -> Result<BlobWriter<'_>> {
        let Some(partial) = self.claim(key) else { return self.writer() };
        let path = partial.path.with_extension(NOTE);
        // The note of an older beginning must not stand beside a new one.
        let begun = self.begin(partial)?;
        fs::write(&path, note).map_err(Error::io("write", &path))?;
        Ok(begun)
    }

    /// The note of what an earlier run began under `key`.
    pub fn unfinished_note(&self, key: Digest) -> Option<String> {
        fs::read_to_string(self.partial_folder().join(key.to_string()).with_extension(NOTE)).ok()
    }

    /// Goes on with what an earlier run began under `key`: its note, and the bytes there are, handed to `seen`.
    pub fn resume(
        &self,
        key: Digest,
        mut seen: impl FnMut(&[u8]),
    ) -> Result<Option<(BlobWriter<'_>, String)>> {
        let Some(partial) = self.claim(key) else { return Ok(None) };
        let Ok(note) = fs::read_to_string(partial.path.with_extension(NOTE)) else { return Ok(None) };
        let path = partial.path.clone();
        let io = |operation| Error::io(operation, &path);
        let Ok(mut file) = File::options().read(true).append(true).open(&path) else { return Ok(None) };
        let (mut hasher, mut bytes, mut piece) = (Sha256::new(), 0, vec![0; 1 << 16]);
        loop {
            let length = file.read(&mut piece).map_err(io("read"))?;
            if length == 0 {
                break;
            }
            hasher.update(&piece[..length]);
            seen(&piece[..length]);
            bytes += length as u64;
        }
        Ok(Some((BlobWriter { partial, file, hasher, bytes }, note)))
    }

    fn begin<'s>(&'s self, partial: Partial<'s>) -> Result<BlobWriter<'s>> {
        let file = File::create(&partial.path).map_err(Error::io("create", &partial.path))?;
        Ok(BlobWriter { partial, file, hasher: Sha256::new(), bytes: 0 })
    }

    fn claim(&self, key: Digest) -> Option<Partial<'_>> {
        let is_free = self.busy.lock().unwrap_or_else(PoisonError::into_inner).insert(key);
        let path = self.partial_folder().join(key.to_string());
        is_free.then(|| Partial { path, key: Some(key), store: self })
    }

    /// Stores bytes that are all there.
    pub fn store(&self, bytes: &[u8]) -> Result<Stored> {
        let mut writer = self.writer()?;
        writer.write(bytes)?;
        writer.finish()
    }

    /// Every blob with its file.
    pub fn files(&self) -> Result<Vec<(Digest, PathBuf)>> {
        let mut files = Vec::new();
        for folder in list(&self.root)? {
            if !folder.is_dir() {
                continue;
            }
            let named = |path: PathBuf| Some((path.file_name()?.to_str()?.parse().ok()?, path));
            files.extend(list(&folder)?.into_iter().filter_map(named));
        }
        Ok(files)
    }

    /// Reads a blob, and makes sure that the bytes are those that were stored.
    pub fn read(&self, sha256: Digest) -> Result<Vec<u8>> {
        let path = self.path(sha256);
        let bytes = fs::read(&path).map_err(Error::io("read blob", &path))?;
        let found = Digest::of(&bytes);
        if found != sha256 {
            return Err(Error::DamagedBlob { path, detail: format!("its bytes have the digest {found}") });
        }
        Ok(bytes)
    }
}

fn list(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).map_err(Error::io("list", folder))?;
    entries.map(|entry| Ok(entry.map_err(Error::io("list", folder))?.path())).collect()
}

/// An unfinished file. One with a key stays when given up.
#[derive(Debug)]
struct Partial<'a> {
    path: PathBuf,
    key: Option<Digest>,
    store: &'a BlobStore,
}

impl Drop for Partial<'_> {
    fn drop(&mut self) {
        match self.key {
            Some(key) => {
                self.store.busy.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
            }
            // Fails after `finish` has renamed it, and otherwise leaves a file that the next `open` clears.
            None => drop(fs::remove_file(&self.path)),
        }
    }
}

/// A blob in the making; dropped without [`finish`](Self::finish) it leaves nothing, unless it was begun under a key.
#[derive(Debug)]
pub struct BlobWriter<'a> {
    partial: Partial<'a>,
    file: File,
    hasher: Sha256,
    bytes: u64,
}

impl BlobWriter<'_> {
    /// Appends a piece.
    pub fn write(&mut self, piece: &[u8]) -> Result<()> {
        self.file.write_all(piece).map_err(Error::io("write", &self.partial.path))?;
        self.hasher.update(piece);
        self.bytes += piece.len() as u64;
        Ok(())
    }

    /// How many bytes came so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The digest of what came so far.
    pub fn digest(&self) -> Digest {
        Digest::from_bytes(self.hasher.clone().finalize().into())
    }

    /// Gives the blob up for good, so that nobody goes on with it.
    pub fn discard(self) {
        let Self { partial, file, .. } = self;
        drop(file);
        if partial.key.is_some() {
            // What cannot be removed is cleared when the crawl ends.
            drop(fs::remove_file(partial.path.with_extension(NOTE)));
            drop(fs::remove_file(&partial.path));
        }
    }

    /// Puts the blob in its place. Without fsync: after a power cut the digest tells a damaged blob.
    pub fn finish(self) -> Result<Stored> {
        let Self { partial, file, hasher, bytes } = self;
        drop(file);
        let sha256 = Digest::from_bytes(hasher.finalize().into());
        let path = partial.store.path(sha256);
        if path.metadata().map(|found| found.len()).ok() != Some(bytes) {
            let moved = match fs::rename(&partial.path, &path) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    let folder = path.parent().expect("a blob has a folder");
                    fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
                    fs::rename(&partial.path, &path)
                }
                moved => moved,
            };
            moved.map_err(Error::io("move a blob to", &path))?;
        }
        if partial.key.is_some() {
            // Both are cleared by the next `open` where this fails: what has no note is not gone on with.
            let _ = fs::remove_file(partial.path.with_extension(NOTE));
            let _ = fs::remove_file(&partial.path);
        }
        Ok(Stored { sha256, bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_in_pieces_are_stored_once_and_nothing_partial_stays() {
        let folder = tempfile::tempdir().unwrap();
        let store = BlobStore::open(folder.path()).unwrap();
        for _ in 0..2 {
            let mut writer = store.writer().unwrap();
            writer.write(b"ab").unwrap();
            writer.write(b"c").unwrap();
            assert_eq!(writer.finish().unwrap(), Stored { sha256: Digest::of("abc"), bytes: 3 });
        }
        drop(store.writer().unwrap());
        assert_eq!(store.read(Digest::of("abc")).unwrap(), b"abc");
        assert_eq!(fs::read_dir(folder.path().join("partial")).unwrap().count(), 0);
    }

    #[test]
    fn a_blob_begun_under_a_key_is_gone_on_with_by_the_next_process_and_others_are_cleared() {
        let folder = tempfile::tempdir().unwrap();
        let key = Digest::of("http://x/1.jpg");
        let store = BlobStore::open(folder.path()).unwrap();
        let mut writer = store.resumable_writer(key, "\"v1\"").unwrap();
        writer.write(b"ab").unwrap();
        let mut other = store.resumable_writer(key, "\"v1\"").unwrap();
        other.write(b"x").unwrap();
        std::mem::forget((writer, other)); // as a killed process does

        let store = BlobStore::open(folder.path()).unwrap();
        assert_eq!(fs::read_dir(folder.path().join("partial")).unwrap().count(), 2, "blob and note");
        let mut seen = Vec::new();
        let (mut writer, note) = store.resume(key, |piece| seen.extend_from_slice(piece)).unwrap().unwrap();
        assert_eq!((seen.as_slice(), note.as_str(), writer.bytes()), (&b"ab"[..], "\"v1\"", 2));
        assert!(store.resume(key, |_| ()).unwrap().is_none(), "it is in use");
        writer.write(b"c").unwrap();
        assert_eq!(writer.finish().unwrap(), Stored { sha256: Digest::of("abc"), bytes: 3 });
        assert_eq!(fs::read_dir(folder.path().join("partial")).unwrap().count(), 0);
        assert!(store.resume(key, |_| ()).unwrap().is_none());
    }

    #[test]
    fn a_changed_byte_is_noticed_on_reading() {
        let folder = tempfile::tempdir().unwrap();
        let store = BlobStore::open(folder.path()).unwrap();
        let stored = store.store(b"abc").unwrap();
        fs::write(store.path(stored.sha256), b"abd").unwrap();
        assert!(matches!(store.read(stored.sha256), Err(Error::DamagedBlob { .. })));
    }
}
