//! Listing snapshots and finding one of them.

use std::fs;
use std::path::{Path, PathBuf};

use photo::Digest;

use crate::error::Error;
use crate::manifest::{MANIFEST, Manifest};
use crate::snapshot::SnapshotRef;
use crate::withdrawal_note::{Withdrawn, withdrawn};

/// The snapshots of a folder.
#[derive(Debug, Default)]
pub struct Listing {
    /// Those that can be read, by name and id.
    pub snapshots: Vec<SnapshotRef>,
    /// Those that were withdrawn, with their folders.
    pub withdrawn: Vec<(Withdrawn, PathBuf)>,
    /// What is wrong with the others.
    pub unreadable: Vec<Error>,
}

/// Lists the snapshots under `snapshots_dir`; none if the folder is not there.
pub fn list(snapshots_dir: &Path) -> Result<Listing, Error> {
    let mut listing = Listing::default();
    if !snapshots_dir.exists() {
        return Ok(listing);
    }
    for entry in fs::read_dir(snapshots_dir).map_err(Error::io("read", snapshots_dir))? {
        let entry = entry.map_err(Error::io("read", snapshots_dir))?;
        let path = entry.path();
        if entry.file_name().to_string_lossy().starts_with('.') || !path.is_dir() {
            continue;
        }
        match withdrawn(&path) {
            Ok(None) => {}
            Ok(Some(note)) => {
                listing.withdrawn.push((note, path));
                continue;
            }
            Err(error) => {
                listing.unreadable.push(error);
                continue;
            }
        }
        match Manifest::read(&path.join(MANIFEST)) {
            Ok((Manifest { spec, counts, .. }, digest)) => {
                listing.snapshots.push(SnapshotRef { id: digest.short(), name: spec.name, path, counts });
            }
            Err(error) => listing.unreadable.push(error),
        }
    }
    listing.snapshots.sort_by(|a, b| (&a.name, &a.id, &a.path).cmp(&(&b.name, &b.id, &b.path)));
    listing.withdrawn.sort_by(|a, b| a.1.cmp(&b.1));
    listing.unreadable.sort_by_cached_key(ToString::to_string);
    Ok(listing)
}

/// Finds a snapshot by its folder, the folder's name, the id or the beginning of the id, or the dataset's name.
pub fn find(snapshots_dir: &Path, wanted: &str) -> Result<PathBuf, Error> {
    if Path::new(wanted).join(MANIFEST).is_file() {
        return Ok(PathBuf::from(wanted));
    }
    if !wanted.is_empty() && !wanted.starts_with('.') && snapshots_dir.join(wanted).is_dir() {
        return Ok(snapshots_dir.join(wanted));
    }
    let Listing { snapshots, withdrawn, .. } = list(snapshots_dir)?;
    let by_name = snapshots.iter().filter(|snapshot| snapshot.name == wanted);
    let by_id = snapshots.iter().filter(|snapshot| wanted.len() >= 4 && snapshot.id.starts_with(wanted));
    let mut found: Vec<&SnapshotRef> = by_name.chain(by_id).collect();
    found.dedup();
    let names = |of: &mut dyn Iterator<Item = &SnapshotRef>| {
        of.map(|found| format!("{}-{}", found.name, found.id)).collect::<Vec<_>>().join(", ")
    };
    // Who asks for one that was withdrawn learns that it was.
    let mut gone = withdrawn;
    gone.retain(|(note, _)| wanted.len() >= 4 && note.id.starts_with(wanted));
    match found[..] {
        [one] => Ok(one.path.clone()),
        [] if gone.len() == 1 => Ok(gone.remove(0).1),
        [] => Err(Error::NotFound {
            wanted: wanted.to_owned(),
            dir: snapshots_dir.to_owned(),
            known: if snapshots.is_empty() { "none".to_owned() } else { names(&mut snapshots.iter()) },
        }),
        _ => Err(Error::Ambiguous { wanted: wanted.to_owned(), candidates: names(&mut found.into_iter()) }),
    }
}

/// The snapshot that was made from these inputs ([`inputs_digest`](crate::inputs_digest)), if there is one.
pub fn find_inputs(snapshots_dir: &Path, inputs: Digest) -> Result<Option<SnapshotRef>, Error> {
    for found in list(snapshots_dir)?.snapshots {
        if Manifest::read(&found.path.join(MANIFEST))?.0.inputs == inputs {
            return Ok(Some(found));
        }
    }
    Ok(None)
}
