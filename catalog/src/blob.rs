//! Bytes under their SHA-256: written to a temporary file, hashed on the way, renamed into place.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use photo::Digest;
use sha2::{Digest as _, Sha256};

use crate::{Error, Result};

/// The folder of blobs, `<root>/ab/abcd…`, and of unfinished ones, `<root>/partial/`.
#[derive(Debug)]
pub struct BlobStore {
    root: PathBuf,
    next_partial: AtomicU64,
}

/// A blob that is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its name.
    pub sha256: Digest,
    /// Its length.
    pub bytes: u64,
}

impl BlobStore {
    /// Opens the folder, and clears what a killed process left unfinished.
    pub(crate) fn open(root: &Path) -> Result<Self> {
        let partial = root.join("partial");
        if partial.exists() {
            fs::remove_dir_all(&partial).map_err(Error::io("clear", &partial))?;
        }
        fs::create_dir_all(&partial).map_err(Error::io("create", &partial))?;
        Ok(Self { root: root.to_owned(), next_partial: AtomicU64::new(0) })
    }

    /// Where the blob of that name stands, whether or not it does.
    pub fn path(&self, sha256: Digest) -> PathBuf {
        let name = sha256.to_string();
        self.root.join(&name[..2]).join(name)
    }

    /// Begins a blob whose bytes come in pieces.
    pub fn writer(&self) -> Result<BlobWriter<'_>> {
        let number = self.next_partial.fetch_add(1, Ordering::Relaxed);
        let path = self.root.join("partial").join(number.to_string());
        let file = File::create(&path).map_err(Error::io("create", &path))?;
        Ok(BlobWriter { store: self, partial: Partial(path), file, hasher: Sha256::new(), bytes: 0 })
    }

    /// Stores bytes that are all there.
    pub fn store(&self, bytes: &[u8]) -> Result<Stored> {
        let mut writer = self.writer()?;
        writer.write(bytes)?;
        writer.finish()
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

/// An unfinished file, removed when given up.
#[derive(Debug)]
struct Partial(PathBuf);

impl Drop for Partial {
    fn drop(&mut self) {
        // Fails after `finish` has renamed it, and otherwise leaves a file that the next `open` clears.
        let _ = fs::remove_file(&self.0);
    }
}

/// A blob in the making; dropped without [`finish`](Self::finish) it leaves nothing.
#[derive(Debug)]
pub struct BlobWriter<'a> {
    store: &'a BlobStore,
    partial: Partial,
    file: File,
    hasher: Sha256,
    bytes: u64,
}

impl BlobWriter<'_> {
    /// Appends a piece.
    pub fn write(&mut self, piece: &[u8]) -> Result<()> {
        self.file.write_all(piece).map_err(Error::io("write", &self.partial.0))?;
        self.hasher.update(piece);
        self.bytes += piece.len() as u64;
        Ok(())
    }

    /// How many bytes came so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Puts the blob in its place. Without fsync: after a power cut the digest tells a damaged blob.
    pub fn finish(self) -> Result<Stored> {
        let Self { store, partial, file, hasher, bytes } = self;
        drop(file);
        let sha256 = Digest::from_bytes(hasher.finalize().into());
        let path = store.path(sha256);
        if path.metadata().map(|found| found.len()).ok() != Some(bytes) {
            let folder = path.parent().expect("a blob has a folder");
            fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
            fs::rename(&partial.0, &path).map_err(Error::io("move a blob to", &path))?;
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
    fn a_changed_byte_is_noticed_on_reading() {
        let folder = tempfile::tempdir().unwrap();
        let store = BlobStore::open(folder.path()).unwrap();
        let stored = store.store(b"abc").unwrap();
        fs::write(store.path(stored.sha256), b"abd").unwrap();
        assert!(matches!(store.read(stored.sha256), Err(Error::DamagedBlob { .. })));
    }
}
