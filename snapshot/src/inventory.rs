//! What there is: each snapshot of a folder with its date, its size on the disk, and what it has in common
//! with older ones.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use photo::Digest;
use serde::Serialize;

use crate::error::Error;
use crate::files;
use crate::find::Listing;
use crate::manifest::{BUILD, Build, MANIFEST, Manifest};
use crate::shard;
use crate::snapshot::SnapshotRef;

/// A snapshot as a list shows it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Described {
    /// Its name and place, and how many of what.
    #[serde(flatten)]
    pub snapshot: SnapshotRef,
    /// The version of the format that it is written in.
    pub format_version: u32,
    /// The version of the program that wrote it.
    pub program_version: String,
    /// When this copy was built, in Unix milliseconds; `None` where `build.json` cannot be read.
    pub created_at_ms: Option<i64>,
    /// The length of all files in the folder.
    pub bytes: u64,
    /// The digest of what it was made from.
    pub inputs: Digest,
    /// Older snapshots that it has tensors in common with, most first.
    pub shares: Vec<Shared>,
}

/// What a snapshot has in common with an older one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Shared {
    /// The older one's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// People whose tensors are the same to the byte.
    pub people: usize,
    /// Whether it was made from the same rows by the same spec, so that another version wrote other bytes of them.
    pub is_same_inputs: bool,
}

/// Looks into the snapshots of a listing, in its order.
///
/// # Errors
/// Where a manifest that could be read before no longer can, or a folder cannot be walked.
pub fn describe(listing: &Listing) -> Result<Vec<Described>, Error> {
    let read = |found: &SnapshotRef| Ok(Manifest::read(&found.path.join(MANIFEST))?.0);
    let manifests = listing.snapshots.iter().map(read).collect::<Result<Vec<_>, Error>>()?;
    let created: Vec<Option<i64>> = (listing.snapshots.iter())
        .map(|found| Build::read(&found.path.join(BUILD)).ok().map(|build| build.created_at_ms))
        .collect();
    let shards: Vec<BTreeSet<Digest>> = manifests.iter().map(shards).collect();
    let mut described = Vec::new();
    for (index, (found, manifest)) in listing.snapshots.iter().zip(&manifests).enumerate() {
        // Which of two came first: by the clock of whoever built them, then by id.
        let age = |index: usize| (created[index], &listing.snapshots[index].id);
        let older = (0..manifests.len()).filter(|&other| age(other) < age(index));
        let mut shares: Vec<Shared> = older
            .map(|other| Shared {
                id: listing.snapshots[other].id.clone(),
                name: listing.snapshots[other].name.clone(),
                people: shards[index].intersection(&shards[other]).count(),
                is_same_inputs: manifests[other].inputs == manifest.inputs,
            })
            .filter(|shared| shared.people > 0 || shared.is_same_inputs)
            .collect();
        shares.sort_by(|a, b| (b.people, &a.id).cmp(&(a.people, &b.id)));
        described.push(Described {
            snapshot: found.clone(),
            format_version: manifest.format_version,
            program_version: manifest.spec.program_version.clone(),
            created_at_ms: created[index],
            bytes: bytes_of(&found.path)?,
            inputs: manifest.inputs,
            shares,
        });
    }
    Ok(described)
}

fn shards(manifest: &Manifest) -> BTreeSet<Digest> {
    let folder = format!("{}/", shard::FOLDER);
    manifest.files.iter().filter(|file| file.path.starts_with(&folder)).map(|file| file.sha256).collect()
}

fn bytes_of(path: &Path) -> Result<u64, Error> {
    files::walk(path)?
        .iter()
        .map(|file| path.join(file))
        .map(|file| Ok(fs::symlink_metadata(&file).map_err(Error::io("read", &file))?.len()))
        .sum()
}
