//! Exits of a snapshot to other tools: its kept photos in the layouts that trainers and loaders read.
//!
//! ```text
//! webdataset    train-000000.tar …                     KEY.jpg, KEY.txt, KEY.json one after the other
//! imagefolder   train/PERSON/00000.jpg, train/metadata.jsonl
//! parquet       data/train-00000.parquet …             image: {bytes, path}, and a column per fact
//! kohya         train/1_PERSON/00000.jpg, 00000.txt
//! ip-adapter    images/PERSON/00000.jpg, train.json
//! ```
//!
//! All have `export.json`, which comes last and lists every other file with its digest; its own digest names
//! the export.
//!
//! - **What decides the bytes** is the snapshot, the [`ExportSpec`] and the program's version: not the number
//!   of threads, nor whether the export was stopped in between.
//! - **An export goes on where it was stopped.** It grows part by part, each written under a temporary name,
//!   renamed, and noted in `export.partial.jsonl`. What is noted and still has its digest is kept.
//! - **A photo leaves without its metadata** (`strip`): no EXIF, no GPS, no names. Addresses leave without
//!   passwords.
//! - **Memory** holds a few photos per thread and one row group; for imagefolder and ip-adapter also what the
//!   index says of
//!   each photo, about 2 kB.
//!
//! | module | what |
//! |---|---|
//! | [`spec`] | what an export is to be |
//! | [`manifest`], [`journal`] | `export.json`, and what it grows in |
//! | `sample` | what is said of a photo |
//! | `picture` | a photo's bytes as they leave |
//! | `strip` | JPEG, PNG and WebP without metadata, pixels untouched |
//! | `pipeline` | pictures in their order, made on all threads |
//! | `part`, `part_writer` | where a part ends; what writes one |
//! | `partial` | files under a temporary name, before they get their own |
//! | `webdataset`, `imagefolder`, `parquet`, `kohya`, `ip_adapter` | the layouts |
//! | `card` | `README.md`, where the Hugging Face Hub reads splits |
//! | `loose` | parts of pictures that are files of their own |
//! | [`error`] | what can go wrong |

mod card;
pub mod error;
mod imagefolder;
mod ip_adapter;
pub mod journal;
mod kohya;
mod loose;
pub mod manifest;
mod parquet;
mod part;
mod part_writer;
mod partial;
mod picture;
mod pipeline;
mod sample;
pub mod spec;
mod strip;
mod webdataset;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use photo::Digest;

pub use error::ExportError;
pub use manifest::{EXPORT, ExportManifest};
pub use spec::{ExportSpec, Format, PixelSource};

use crate::files;
use crate::manifest::FileEntry;
use crate::snapshot::Snapshot;
use journal::Journal;
use manifest::{Head, Part};
use part::Parts;
use partial::replace;
use pipeline::Source;

/// An export that is whole.
#[derive(Clone, Debug)]
pub struct Exported {
    /// The digest of `export.json`: what the export is called.
    pub digest: Digest,
    /// What is in it.
    pub manifest: ExportManifest,
    /// How many of its photos were there before, from an earlier run.
    pub kept: usize,
}

/// Writes the kept photos of a snapshot into the folder `out`, or goes on with it.
///
/// `original` says where the bytes of a digest are; it is asked only for [`PixelSource::Photo`]. `begun` is
/// called once, before the first photo is written, and `progress` with the number of photos that were done
/// since the last call.
pub fn export<E: From<ExportError>>(
    snapshot: &Snapshot,
    original: &(dyn Fn(Digest) -> PathBuf + Sync),
    spec: &ExportSpec,
    out: &Path,
    begun: impl FnOnce() -> Result<(), E>,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Exported, E> {
    let source = Source { snapshot, original, pixels: spec.pixels };
    source.check()?;
    if spec.pixels != PixelSource::Photo {
        source.check_shards().map_err(ExportError::from)?;
    }
    check_place(snapshot, out)?;
    let head = Head::new(snapshot, spec);
    let (journal, noted) = Journal::open(out, &head)?;
    begun()?;
    let order = order(snapshot, spec.format);
    Ok(Job { source, out, head, order, progress }.run(journal, noted)?)
}

/// An export inside its own snapshot would make the snapshot one that is damaged.
fn check_place(snapshot: &Snapshot, out: &Path) -> Result<(), ExportError> {
    // The folder need not be there yet: the nearest one above it that is says where it will be.
    let is_inside = match (std::path::absolute(out), fs::canonicalize(snapshot.path())) {
        (Ok(out), Ok(snapshot)) => {
            let there = out.ancestors().find_map(|folder| fs::canonicalize(folder).ok());
            there.is_some_and(|folder| folder.starts_with(snapshot))
        }
        _ => false,
    };
    if is_inside { Err(ExportError::InsideSnapshot { path: out.to_owned() }) } else { Ok(()) }
}

/// The photos as they stand in the export: by split, and within one as in the snapshot, where all photos of a
/// person are neighbours, so that the statistics of a Parquet row group say which people are in it. Tar files
/// are read from their beginning to their end by readers that shuffle a few hundred samples at most, so there
/// they are in the order of their digests, which is as good as shuffled and the same every time.
fn order(snapshot: &Snapshot, format: Format) -> Vec<usize> {
    let photos = snapshot.photos();
    let mut order: Vec<usize> = (0..photos.len()).collect();
    if format == Format::Webdataset {
        order.sort_by_key(|&i| (photos[i].facts.sha256, i));
    }
    order.sort_by_key(|&i| sample::side(&photos[i])); // stable
    order
}

/// An export that is being written.
struct Job<'a> {
    source: Source<'a>,
    out: &'a Path,
    head: Head,
    order: Vec<usize>,
    progress: &'a (dyn Fn(u64) + Sync),
}

impl Job<'_> {
    fn run(&self, mut journal: Journal, noted: Vec<Part>) -> Result<Exported, ExportError> {
        let mut parts = Parts::new(self.out, &self.head.spec);
        let mut kept = 0;
        for part in noted {
            kept += self.keep(&mut parts, part)?;
        }
        let rest = &self.order[parts.photos()..];
        self.source.pictures(rest, |sample, picture| {
            (self.progress)(1);
            if let Some(part) = parts.cut_before(&sample, &picture)? {
                journal.note(part)?;
            }
            parts.add(sample, picture)
        })?;
        if let Some(part) = parts.end()? {
            journal.note(part)?;
        }
        let parts = parts.done();
        let index = self.index(&parts)?;
        let manifest = ExportManifest::new(&self.head, self.source.snapshot, parts, index);
        let digest = journal.finish(&manifest)?;
        tracing::info!(folder = %self.out.display(), %digest, "export written");
        Ok(Exported { digest, manifest, kept })
    }

    /// Takes a noted part over, or writes it again where it is damaged; gives how many photos were there.
    fn keep<'a>(&'a self, parts: &mut Parts<'a>, part: Part) -> Result<usize, ExportError> {
        let from = parts.photos();
        let photos = self.order.get(from..from + part.photos).unwrap_or_default();
        let Some(&first) = photos.first() else {
            let what = "it notes other photos than the snapshot has".to_owned();
            return Err(ExportError::Journal { path: self.out.to_owned(), what });
        };
        if part.is_whole(self.out) {
            (self.progress)(photos.len() as u64);
            parts.keep(self.source.split(first), part);
            return Ok(photos.len());
        }
        tracing::warn!(folder = %self.out.display(), "a part of the export is damaged; it is written again");
        self.source.pictures(photos, |sample, picture| {
            (self.progress)(1);
            parts.add(sample, picture)
        })?;
        parts.end()?;
        Ok(0)
    }

    /// Writes the files that speak of all photos.
    fn index(&self, parts: &[Part]) -> Result<Vec<FileEntry>, ExportError> {
        let Head { spec: ExportSpec { format, .. }, snapshot, .. } = &self.head;
        let written: BTreeSet<&str> =
            parts.iter().flat_map(|part| &part.files).map(|file| file.path.as_str()).collect();
        let is_written = |path: &str| written.contains(path);
        let mut splits = Vec::new();
        let mut files = Vec::new();
        for photos in self.order.chunk_by(|&a, &b| self.source.split(a) == self.source.split(b)) {
            splits.push(self.source.split(photos[0]));
            let samples = photos.iter().map(|&i| self.source.sample(i));
            match format {
                Format::Imagefolder => files.push(imagefolder::index(samples, &is_written)),
                Format::IpAdapter => files.push(ip_adapter::index(samples, &is_written)),
                Format::Webdataset | Format::Parquet | Format::Kohya => {}
            }
        }
        files.extend(card::page(*format, snapshot, &splits));
        let mut entries = Vec::new();
        for (path, bytes) in files {
            replace(&self.out.join(&path), &bytes)?;
            entries.push(files::entry(self.out, &path)?);
        }
        Ok(entries)
    }
}
