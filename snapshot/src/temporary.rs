//! The folder in which a snapshot grows.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::error::Error;

/// What the names of unfinished folders begin with.
const TEMPORARY: &str = ".tmp-";

/// A folder that is removed unless it is kept. It is locked while its writer lives, so that others can tell it from
/// what a crash left.
#[derive(Debug)]
pub(crate) struct Temporary {
    path: PathBuf,
    is_kept: bool,
    _lock: File,
}

impl Temporary {
    /// Makes a folder beside the snapshots, and removes those that crashed runs left.
    pub fn create(snapshots_dir: &Path, name: &str) -> Result<Self, Error> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        fs::create_dir_all(snapshots_dir).map_err(Error::io("create", snapshots_dir))?;
        // held until our folder is locked: nobody may take it for abandoned in between
        let all = File::open(snapshots_dir).map_err(Error::io("open", snapshots_dir))?;
        all.lock().map_err(Error::io("lock", snapshots_dir))?;
        remove_abandoned(snapshots_dir)?;
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = snapshots_dir.join(format!("{TEMPORARY}{name}-{}-{number}", std::process::id()));
        fs::create_dir(&path).map_err(Error::io("create", &path))?;
        let lock = File::open(&path).map_err(Error::io("open", &path))?;
        lock.lock().map_err(Error::io("lock", &path))?;
        Ok(Self { path, is_kept: false, _lock: lock })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder has got another name and stays.
    pub fn keep(&mut self) {
        self.is_kept = true;
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.is_kept
            && let Err(error) = fs::remove_dir_all(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "a temporary folder stays; the next run removes it");
        }
    }
}

/// Removes the temporary folders that no living writer has locked.
pub(crate) fn remove_abandoned(snapshots_dir: &Path) -> Result<(), Error> {
    for entry in fs::read_dir(snapshots_dir).map_err(Error::io("read", snapshots_dir))? {
        let entry = entry.map_err(Error::io("read", snapshots_dir))?;
        let path = entry.path();
        if !entry.file_name().to_string_lossy().starts_with(TEMPORARY) || !path.is_dir() {
            continue;
        }
        let lock = File::open(&path).map_err(Error::io("open", &path))?;
        if lock.try_lock().is_ok() {
            tracing::info!(path = %path.display(), "removing what an interrupted run left");
            fs::remove_dir_all(&path).map_err(Error::io("remove", &path))?;
        }
    }
    Ok(())
}
