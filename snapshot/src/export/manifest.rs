//! `export.json`, which says what an export is.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use photo::Digest;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::sample;
use super::spec::ExportSpec;
use crate::error::Error;
use crate::files;
use crate::manifest::FileEntry;
use crate::snapshot::Snapshot;

/// The version of the layouts that this crate writes.
const FORMAT_VERSION: u32 = 1;

/// The file that lists an export's files. Where it is, the export is whole.
pub const EXPORT: &str = "export.json";

/// What decides an export's bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The version of the layouts.
    pub format_version: u32,
    /// The version of the program that wrote it.
    pub program_version: String,
    /// Of which snapshot.
    pub snapshot: SnapshotName,
    /// In which format.
    pub spec: ExportSpec,
}

/// A snapshot by name and digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotName {
    /// The dataset's name.
    pub name: String,
    /// The snapshot's id.
    pub id: String,
}

/// What an export holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportManifest {
    /// What decides its bytes.
    #[serde(flatten)]
    pub head: Head,
    /// People.
    pub identities: usize,
    /// Photos.
    pub photos: usize,
    /// Photos of each split.
    pub splits: BTreeMap<String, usize>,
    /// The parts in their order.
    pub parts: Vec<Part>,
    /// The files that speak of all photos of a split.
    pub index: Vec<FileEntry>,
}

/// A part: photos that were written together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// How many photos.
    pub photos: usize,
    /// Its files.
    pub files: Vec<FileEntry>,
}

impl Head {
    pub(super) fn new(snapshot: &Snapshot, spec: &ExportSpec) -> Self {
        Self {
            format_version: FORMAT_VERSION,
            program_version: env!("CARGO_PKG_VERSION").to_owned(),
            snapshot: SnapshotName { name: snapshot.manifest().spec.name.clone(), id: snapshot.id() },
            spec: spec.clone(),
        }
    }

    /// In what another export differs from this one.
    pub(super) fn difference(&self, other: &Self) -> Option<String> {
        let Self { format_version, program_version, snapshot, spec } = other;
        if self.snapshot != *snapshot {
            return Some(format!("of snapshot {}-{}", snapshot.name, snapshot.id));
        }
        if self.spec != *spec {
            let (format, pixels) = (spec.format.name(), spec.pixels.name());
            return Some(format!("{format} of pixels `{pixels}`, with files of {} bytes", spec.part_bytes));
        }
        let is_same = self.format_version == *format_version && self.program_version == *program_version;
        (!is_same).then(|| format!("written by bolid {program_version}, layout {format_version}"))
    }
}

impl ExportManifest {
    pub(super) fn new(head: &Head, snapshot: &Snapshot, parts: Vec<Part>, index: Vec<FileEntry>) -> Self {
        let photos = snapshot.photos();
        let identities: BTreeSet<_> = photos.iter().map(|photo| &photo.identity).collect();
        let mut splits = BTreeMap::new();
        for photo in photos {
            *splits.entry(sample::side(photo).to_owned()).or_default() += 1;
        }
        Self { head: head.clone(), identities: identities.len(), photos: photos.len(), splits, parts, index }
    }

    /// Reads `export.json` of the folder `out`; the second value is the digest of its bytes.
    pub fn read(out: &Path) -> Result<(Self, Digest), Error> {
        let path = out.join(EXPORT);
        let bytes = fs::read(&path).map_err(Error::io("read", &path))?;
        Ok((serde_json::from_slice(&bytes).map_err(Error::json(&path))?, Digest::of(bytes)))
    }

    /// Every file but `export.json`.
    pub fn files(&self) -> impl Iterator<Item = &FileEntry> {
        self.parts.iter().flat_map(|part| &part.files).chain(&self.index)
    }
}

impl Part {
    /// Whether every file of it is as it was written.
    pub(super) fn is_whole(&self, out: &Path) -> bool {
        self.photos > 0
            && self
                .files
                .par_iter()
                .all(|file| files::entry(out, &file.path).is_ok_and(|found| found == *file))
    }
}
