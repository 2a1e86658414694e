//! Files and folders written durably: synced to the disk.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use photo::Digest;
use sha2::{Digest as _, Sha256};

use super::error::RunError;

/// What the names of unfinished files and folders begin with.
pub(crate) const TEMPORARY: &str = ".tmp-";

/// Reads of this size keep the disk busy and fit into the cache.
const BUFFER_BYTES: usize = 1 << 20;

/// Sees the entries of a folder to the disk: without it, a renamed file may be gone after a power cut.
pub(crate) fn sync_dir(dir: &Path) -> Result<(), RunError> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(RunError::io("sync", dir))
}

/// Writes a new file and sees it to the disk.
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> Result<(), RunError> {
    let write = |mut file: File| file.write_all(bytes).and_then(|()| file.sync_all());
    File::create_new(path).and_then(write).map_err(RunError::io("write", path))
}

/// Puts a file in the place of the one of that name, all of it or nothing.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), RunError> {
    let (dir, name) = (path.parent().unwrap_or(Path::new(".")), path.file_name().unwrap_or_default());
    let partial = dir.join(format!("{TEMPORARY}{}", name.to_string_lossy()));
    let written = remove_file_if_there(&partial).and_then(|()| write_new(&partial, bytes));
    if let Err(error) = written {
        // What is half written only takes up room; the first error is the one to report.
        let _ = fs::remove_file(&partial);
        return Err(error);
    }
    fs::rename(&partial, path).map_err(RunError::io("rename", &partial))?;
    sync_dir(dir)
}

fn remove_file_if_there(path: &Path) -> Result<(), RunError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(RunError::io("remove", path)(error)),
        _ => Ok(()),
    }
}

/// The length and digest of a file.
pub(crate) fn digest(path: &Path) -> io::Result<(u64, Digest)> {
    let mut file = File::open(path)?;
    let (mut buffer, mut hasher, mut bytes) = (vec![0; BUFFER_BYTES], Sha256::new(), 0);
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok((bytes, Digest::from_bytes(hasher.finalize().into()))),
            Ok(read) => {
                hasher.update(&buffer[..read]);
                bytes += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// A folder that goes again unless it is [kept](Self::keep_as): what an error leaves takes up no room.
#[derive(Debug)]
pub(crate) struct TemporaryFolder {
    path: PathBuf,
    is_kept: bool,
}

impl TemporaryFolder {
    /// Makes a folder in `parent` whose name ends with `name`. One that a killed process left there goes.
    pub fn create(parent: &Path, name: &str) -> Result<Self, RunError> {
        fs::create_dir_all(parent).map_err(RunError::io("create", parent))?;
        let path = parent.join(format!("{TEMPORARY}{name}"));
        if path.exists() {
            fs::remove_dir_all(&path).map_err(RunError::io("remove", &path))?;
        }
        fs::create_dir(&path).map_err(RunError::io("create", &path))?;
        Ok(Self { path, is_kept: false })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Sees the folder to the disk and gives it its name in the same parent.
    pub fn keep_as(mut self, path: &Path) -> Result<(), RunError> {
        sync_dir(&self.path)?;
        fs::rename(&self.path, path).map_err(RunError::io("rename", &self.path))?;
        self.is_kept = true;
        sync_dir(path.parent().unwrap_or(Path::new(".")))
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        if !self.is_kept
            && let Err(error) = fs::remove_dir_all(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "a temporary folder stays; the next save removes it");
        }
    }
}

/// Removes the temporary files and folders that a killed process left in `dir`.
pub(crate) fn remove_abandoned(dir: &Path) -> Result<(), RunError> {
    if !dir.exists() {
        return Ok(());
    }
    for entry in fs::read_dir(dir).map_err(RunError::io("read", dir))? {
        let entry = entry.map_err(RunError::io("read", dir))?;
        let path = entry.path();
        if entry.file_name().to_string_lossy().starts_with(TEMPORARY) {
            let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            removed.map_err(RunError::io("remove", &path))?;
        }
    }
    Ok(())
}
