//! Digests of files and what lies in a folder.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use photo::Digest;
use sha2::{Digest as _, Sha256};

use crate::error::Error;
use crate::manifest::FileEntry;

/// Reads of this size keep the disk busy and fit into the cache.
const BUFFER_BYTES: usize = 1 << 20;

/// The length and digest of an open file's content.
pub(crate) fn digest_of(file: &File) -> io::Result<(u64, Digest)> {
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut hasher = Sha256::new();
    let mut at = 0;
    loop {
        match file.read_at(&mut buffer, at) {
            Ok(0) => return Ok((at, Digest::from_bytes(hasher.finalize().into()))),
            Ok(read) => {
                hasher.update(&buffer[..read]);
                at += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// The entry of the file `path` under `dir`.
pub(crate) fn entry(dir: &Path, path: &str) -> Result<FileEntry, Error> {
    let full = dir.join(path);
    let file = File::open(&full).map_err(Error::io("open", &full))?;
    let (bytes, sha256) = digest_of(&file).map_err(Error::io("read", &full))?;
    Ok(FileEntry { path: path.to_owned(), bytes, sha256 })
}

/// Writes a new file and sees it to the disk.
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let file = File::create_new(path).map_err(Error::io("create", path))?;
    file.write_all_at(bytes, 0).and_then(|()| file.sync_all()).map_err(Error::io("write", path))
}

/// Sees the entries of a folder to the disk.
pub(crate) fn sync_dir(dir: &Path) -> Result<(), Error> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(Error::io("write", dir))
}

/// The paths of everything in `dir` that is no folder, relative to it, sorted. A folder without anything in it counts
/// as well, with a `/` at the end.
pub(crate) fn walk(dir: &Path) -> Result<Vec<String>, Error> {
    fn visit(dir: &Path, prefix: &str, found: &mut Vec<String>) -> Result<(), Error> {
        let before = found.len();
        for entry in fs::read_dir(dir).map_err(Error::io("read", dir))? {
            let entry = entry.map_err(Error::io("read", dir))?;
            let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
            if entry.file_type().map_err(Error::io("read", &entry.path()))?.is_dir() {
                visit(&entry.path(), &format!("{path}/"), found)?;
            } else {
                found.push(path);
            }
        }
        if found.len() == before && !prefix.is_empty() {
            found.push(prefix.to_owned());
        }
        Ok(())
    }
    let mut found = Vec::new();
    visit(dir, "", &mut found)?;
    found.sort();
    Ok(found)
}
