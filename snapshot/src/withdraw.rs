//! Withdrawing a snapshot: all of it goes, and a note stays in its place.
//!
//! A snapshot is not changed to leave some photos out, since its id stands for its content and others may
//! have copies: it is withdrawn, and a new one is made under a new id.

use std::fs;
use std::path::{Path, PathBuf};

use photo::Digest;

use crate::error::Error;
use crate::files;
use crate::manifest::{MANIFEST, Manifest, pretty};
use crate::snapshot::Snapshot;
use crate::temporary;
use crate::withdrawal_note::{WITHDRAWN, Withdrawn};

/// What a snapshot says of a photo that tells whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mention<'a> {
    /// `site/slug`.
    pub identity: &'a str,
    /// The file's address.
    pub url: &'a str,
    /// The photo page's address.
    pub page_url: Option<&'a str>,
    /// The photo's bytes.
    pub sha256: Option<Digest>,
}

/// What withdrawing did.
#[derive(Debug, Default)]
pub struct Withdrawal {
    /// The snapshots that were withdrawn now.
    pub withdrawn: Vec<Withdrawn>,
    /// Folders of which nobody can tell what they hold, with the reason.
    pub unreadable: Vec<(PathBuf, Error)>,
}

/// Withdraws every snapshot in the folder that speaks of a photo for which `is_erased` holds, ends
/// withdrawals that were interrupted, and removes what interrupted writers left.
pub fn withdraw(
    snapshots_dir: &Path,
    is_erased: impl Fn(&Mention<'_>) -> bool,
    reason: &str,
    withdrawn_at_ms: i64,
) -> Result<Withdrawal, Error> {
    let mut withdrawal = Withdrawal::default();
    if !snapshots_dir.exists() {
        return Ok(withdrawal);
    }
    temporary::remove_abandoned(snapshots_dir)?;
    let mut folders = Vec::new();
    for entry in fs::read_dir(snapshots_dir).map_err(Error::io("read", snapshots_dir))? {
        let entry = entry.map_err(Error::io("read", snapshots_dir))?;
        if entry.path().is_dir() && !entry.file_name().to_string_lossy().starts_with('.') {
            folders.push(entry.path());
        }
    }
    folders.sort();
    for path in folders {
        if path.join(WITHDRAWN).is_file() {
            remove_all_but_note(&path)?;
            continue;
        }
        match mentions(&path, &is_erased) {
            Ok(false) => {}
            Ok(true) => withdrawal.withdrawn.push(withdraw_one(&path, reason, withdrawn_at_ms)?),
            Err(error) => withdrawal.unreadable.push((path, error)),
        }
    }
    Ok(withdrawal)
}

fn mentions(path: &Path, is_erased: impl Fn(&Mention<'_>) -> bool) -> Result<bool, Error> {
    let snapshot = Snapshot::open(path)?;
    let kept = snapshot.photos().iter().any(|photo| {
        is_erased(&Mention {
            identity: &photo.identity,
            url: &photo.facts.url,
            page_url: photo.facts.page_url.as_deref(),
            sha256: Some(photo.facts.sha256),
        })
    });
    Ok(kept
        || snapshot.dropped()?.iter().any(|photo| {
            is_erased(&Mention {
                identity: &photo.identity,
                url: &photo.facts.url,
                page_url: photo.facts.page_url.as_deref(),
                sha256: photo.facts.sha256,
            })
        }))
}

/// First the note, then the files: with the note a folder is no snapshot any more, whatever else is still in it.
fn withdraw_one(path: &Path, reason: &str, withdrawn_at_ms: i64) -> Result<Withdrawn, Error> {
    let (Manifest { spec, .. }, digest) = Manifest::read(&path.join(MANIFEST))?;
    let note = Withdrawn { id: digest.short(), name: spec.name, withdrawn_at_ms, reason: reason.to_owned() };
    let partial = path.join(format!("{WITHDRAWN}.partial"));
    if partial.exists() {
        fs::remove_file(&partial).map_err(Error::io("remove", &partial))?;
    }
    files::write_new(&partial, &pretty(&note))?;
    fs::rename(&partial, path.join(WITHDRAWN)).map_err(Error::io("rename", &partial))?;
    files::sync_dir(path)?;
    remove_all_but_note(path)?;
    Ok(note)
}

fn remove_all_but_note(path: &Path) -> Result<(), Error> {
    for entry in fs::read_dir(path).map_err(Error::io("read", path))? {
        let entry = entry.map_err(Error::io("read", path))?;
        let (name, path) = (entry.file_name(), entry.path());
        if name == WITHDRAWN {
            continue;
        }
        let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        removed.map_err(Error::io("remove", &path))?;
    }
    Ok(())
}
