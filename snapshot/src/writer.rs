//! Writing a snapshot: into a temporary folder, which gets its name when everything is on the disk.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use photo::{Compression, Digest, Split, Splits, Tensors, held_out};
use rayon::prelude::*;
use sha2::Digest as _;

use crate::error::Error;
use crate::manifest::{
    BUILD, Build, Counts, DROPPED, FETCHES, FORMAT_VERSION, FileEntry, MANIFEST, MEASUREMENTS, Manifest,
    PHOTOS, SnapshotSpec,
};
use crate::measurement::MeasurementRow;
use crate::pages::composition::Composition;
use crate::pages::{citation, plots, readme, report};
use crate::row::{Dropped, FetchRow, IdentityRows, KeptPhoto, PhotoRow, PreparedTensors};
use crate::shard::{self, Pixels, ShardWriter};
use crate::temporary::Temporary;
use crate::{SnapshotRef, columns, croissant, files, measurement, table};

/// A snapshot could not be written. Nothing is left under a final name.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the fields are named in the message")]
pub enum WriteError {
    /// A file could not be written or read.
    #[error(transparent)]
    File(#[from] Error),
    /// The disk is full.
    #[error(
        "the disk is full: cannot {action} {path}; make room and run again, nothing stored is lost",
        path = path.display()
    )]
    DiskFull {
        /// What was tried.
        action: &'static str,
        /// With which file.
        path: PathBuf,
    },
    /// The tensors of a photo could not be had.
    #[error("cannot prepare photo {sha256} of `{identity}`: {cause}")]
    Prepare {
        /// Whose photo.
        identity: String,
        sha256: Digest,
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The tensors of a photo have another size than the spec says.
    #[error(
        "photo {sha256} of `{identity}`: tensors of {image} and {weighted} bytes, 3 × {size_px} × {size_px} expected"
    )]
    TensorSize {
        /// Whose photo.
        identity: String,
        sha256: Digest,
        /// Length of the image.
        image: usize,
        /// Length of the weighted image.
        weighted: usize,
        /// Side that the spec asks for.
        size_px: u32,
    },
    /// The name does not do for a folder.
    #[error("`{0}` cannot name a snapshot: letters, digits, `_` and `-` are allowed, at most 100 of them")]
    Name(String),
    /// The settings of `prepare` ask for tensors that there are not.
    #[error("the recipe's `prepare.tensors`: {0}")]
    Tensors(String),
    /// The settings of `prepare` ask for a compression that there is not.
    #[error("the recipe's `prepare.compression`: {0}")]
    Compression(String),
    /// The recipe's splits cannot be made.
    #[error("the recipe's `splits`: {0}")]
    Splits(String),
    /// The person was added before.
    #[error("the identity `{0}` was added twice")]
    IdentityTwice(String),
    /// A photo is kept twice under one person.
    #[error("photo {sha256} is kept twice under `{identity}`")]
    PhotoTwice {
        /// Whose photo.
        identity: String,
        sha256: Digest,
    },
    /// The final folder is there and is not this snapshot.
    #[error(
        "{path} exists and holds something else; run `bolid snapshot verify` and move it away",
        path = path.display()
    )]
    Occupied { path: PathBuf },
}

/// Writes a snapshot, person by person.
#[derive(Debug)]
pub struct Writer {
    snapshots_dir: PathBuf,
    temporary: Temporary,
    spec: SnapshotSpec,
    splits: Splits,
    tensors: Tensors,
    compression: Compression,
    inputs: BTreeMap<String, Digest>,
    photos: Vec<KeptPhoto>,
    dropped: Vec<Dropped>,
    measurements: Vec<MeasurementRow>,
    fetches: Vec<FetchRow>,
    shards: Vec<FileEntry>,
}

/// Whether a snapshot may be called so.
///
/// # Errors
/// [`WriteError::Name`].
pub fn check_name(name: &str) -> Result<(), WriteError> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if name.is_empty() || name.len() > 100 || !name.chars().all(is_plain) {
        return Err(WriteError::Name(name.to_owned()));
    }
    Ok(())
}

impl Writer {
    /// Begins a snapshot under `snapshots_dir`, which is made if it is not there. What crashed runs left there is
    /// removed first.
    pub fn create(snapshots_dir: &Path, spec: SnapshotSpec) -> Result<Self, WriteError> {
        check_name(&spec.name)?;
        let splits = spec.splits().map_err(WriteError::Splits)?;
        let tensors = spec.tensors().map_err(WriteError::Tensors)?;
        let compression = spec.compression().map_err(WriteError::Compression)?;
        Ok(Self {
            splits,
            tensors,
            compression,
            snapshots_dir: snapshots_dir.to_owned(),
            temporary: Temporary::create(snapshots_dir, &spec.name)?,
            spec: normal(spec),
            inputs: BTreeMap::new(),
            photos: Vec::new(),
            dropped: Vec::new(),
            measurements: Vec::new(),
            fetches: Vec::new(),
            shards: Vec::new(),
        })
    }

    /// Adds one person. `prepare` is called once for each kept photo, from several threads; no more than one photo per
    /// thread of rayon's pool is in memory. After an error the person is not in the snapshot, and may be added again.
    pub fn add_identity<F, E>(&mut self, mut rows: IdentityRows, prepare: F) -> Result<(), WriteError>
    where
        F: Fn(&PhotoRow) -> Result<PreparedTensors, E> + Sync,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        rows.sort();
        let identity = rows.identity.clone();
        if self.inputs.contains_key(&identity) {
            return Err(WriteError::IdentityTwice(identity));
        }
        if let Some(pair) = rows.photos.array_windows().find(|[a, b]| a.sha256 == b.sha256) {
            return Err(WriteError::PhotoTwice { identity, sha256: pair[0].sha256 });
        }
        let digest = rows_digest(&rows);
        if !rows.photos.is_empty() {
            let shard = self.write_shard(&rows, prepare).map_err(disk_full)?;
            self.photos.extend(rows.photos.into_iter().enumerate().map(|(row, facts)| KeptPhoto {
                identity: identity.clone(),
                // which side, and what is held out, follows from everybody who is there: `divide`
                split: Split::Train,
                held_out: false,
                shard: shard.path.clone(),
                row: row as u32,
                facts,
            }));
            self.shards.push(shard);
        }
        self.dropped
            .extend(rows.dropped.into_iter().map(|facts| Dropped { identity: identity.clone(), facts }));
        self.measurements.extend(rows.measurements);
        self.fetches.extend(rows.fetches);
        self.inputs.insert(identity, digest);
        Ok(())
    }

    fn write_shard<F, E>(&self, rows: &IdentityRows, prepare: F) -> Result<FileEntry, WriteError>
    where
        F: Fn(&PhotoRow) -> Result<PreparedTensors, E> + Sync,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let path = shard::path_of(&rows.identity, self.compression);
        let full = self.temporary.path().join(&path);
        let folder = self.temporary.path().join(shard::FOLDER);
        fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
        let joints: Vec<_> = rows.photos.iter().map(|photo| photo.joints).collect();
        let (size_px, compression) = (self.spec.size_px, self.compression);
        let writer = ShardWriter::create(&full, size_px, self.tensors, compression, &joints)?;
        let written = self.write_tensors(&writer, rows, prepare).and_then(|()| Ok(writer.finish()?));
        match written {
            Ok((bytes, sha256)) => {
                tracing::debug!(identity = rows.identity, photos = rows.photos.len(), bytes, "shard written");
                Ok(FileEntry { path, bytes, sha256 })
            }
            Err(error) => {
                fs::remove_file(&full).map_err(Error::io("remove", &full))?;
                Err(error)
            }
        }
    }

    fn write_tensors<F, E>(
        &self,
        writer: &ShardWriter,
        rows: &IdentityRows,
        prepare: F,
    ) -> Result<(), WriteError>
    where
        F: Fn(&PhotoRow) -> Result<PreparedTensors, E> + Sync,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let size_px = self.spec.size_px;
        let bytes = |is_held: bool| if is_held { 3 * (size_px as usize).pow(2) } else { 0 };
        let expected = (bytes(self.tensors.has_image()), bytes(self.tensors.has_weighted()));
        rows.photos.par_iter().enumerate().try_for_each(|(row, photo)| {
            let (identity, sha256) = (rows.identity.clone(), photo.sha256);
            let PreparedTensors { image, weighted } = match prepare(photo) {
                Ok(tensors) => tensors,
                Err(error) => return Err(WriteError::Prepare { identity, sha256, cause: error.into() }),
            };
            if (image.len(), weighted.len()) != expected {
                let (image, weighted) = (image.len(), weighted.len());
                return Err(WriteError::TensorSize { identity, sha256, image, weighted, size_px });
            }
            for (pixels, bytes) in [(Pixels::Image, &image), (Pixels::Weighted, &weighted)] {
                if !bytes.is_empty() {
                    writer.write(pixels, row, bytes)?;
                }
            }
            Ok(())
        })
    }

    /// Writes the tables, the pages and the manifest, sees everything to the disk and gives the folder its name. If a
    /// snapshot of the same id is there, that one is returned and this one removed.
    ///
    /// `created_at_ms` is Unix time in milliseconds; it stands in `build.json` and does not move the id.
    pub fn finish(mut self, created_at_ms: i64) -> Result<SnapshotRef, WriteError> {
        let (digest, counts) = self.write_rest(created_at_ms).map_err(disk_full)?;
        let path = self.snapshots_dir.join(format!("{}-{}", self.spec.name, digest.short()));
        let result = SnapshotRef { id: digest.short(), name: self.spec.name.clone(), path, counts };
        match fs::rename(self.temporary.path(), &result.path) {
            Ok(()) => self.temporary.keep(),
            Err(error) => {
                let there = fs::read(result.path.join(MANIFEST)).ok().map(Digest::of);
                match there {
                    Some(there) if there == digest => {
                        tracing::debug!(snapshot = result.id, "the same snapshot is there already");
                        return Ok(result);
                    }
                    _ if result.path.exists() => return Err(WriteError::Occupied { path: result.path }),
                    _ => return Err(Error::io("rename", self.temporary.path())(error).into()),
                }
            }
        }
        files::sync_dir(&self.snapshots_dir)?;
        tracing::info!(snapshot = result.id, path = %result.path.display(), "snapshot written");
        Ok(result)
    }

    /// Everything but the shards; returns the digest of the manifest.
    fn write_rest(&mut self, created_at_ms: i64) -> Result<(Digest, Counts), WriteError> {
        self.photos.sort_by(|a, b| (&a.identity, a.row).cmp(&(&b.identity, b.row)));
        divide(&mut self.photos, self.splits);
        let key = |row: &Dropped| (row.identity.clone(), row.facts.sha256, row.facts.url.clone());
        self.dropped.sort_by_cached_key(key);
        self.measurements.sort();
        self.measurements.dedup(); // bytes that two people have stand there once
        self.fetches.sort();
        self.fetches.dedup();
        self.shards.sort();
        let dir = &self.temporary.path();
        table::write(&dir.join(PHOTOS), &columns::of_photos(&self.photos, &self.spec))?;
        table::write(&dir.join(DROPPED), &columns::of_dropped(&self.dropped, &self.spec.rules))?;
        measurement::write(&dir.join(MEASUREMENTS), &self.measurements)?;
        table::write(&dir.join(FETCHES), &columns::of_fetches(&self.fetches))?;
        let counts = counts_of(&self.photos, &self.dropped);
        let tables =
            [files::entry(dir, PHOTOS)?, files::entry(dir, DROPPED)?, files::entry(dir, MEASUREMENTS)?];
        let composition = Composition::of(&self.spec, &self.photos, &self.dropped);
        let page = croissant::page(&self.spec, &counts, &composition, &self.photos, &tables);
        files::write_new(&dir.join(croissant::FILE), &page)?;
        let plots = plots::all(&composition, &counts);
        if !plots.is_empty() {
            let folder = dir.join(plots::FOLDER);
            fs::create_dir(&folder).map_err(Error::io("create", &folder))?;
        }
        for plot in &plots {
            files::write_new(&dir.join(&plot.path), plot.svg.as_bytes())?;
        }
        let card = readme::page(&self.spec, &counts, &composition, &plots);
        files::write_new(&dir.join(readme::FILE), card.as_bytes())?;
        let page = report::page(dir, &self.spec, &counts, &self.photos, &self.dropped)?;
        files::write_new(&dir.join(report::FILE), page.as_bytes())?;

        let mut files = self.shards.clone();
        files.extend(tables);
        for page in [croissant::FILE, readme::FILE, report::FILE] {
            files.push(files::entry(dir, page)?);
        }
        for plot in &plots {
            files.push(files::entry(dir, &plot.path)?);
        }
        files.sort();
        let inputs = spec_and_rows_digest(&self.spec, &self.inputs);
        let manifest = Manifest {
            format_version: FORMAT_VERSION,
            spec: self.spec.clone(),
            inputs,
            counts: counts.clone(),
            files,
        };
        let bytes = manifest.to_bytes();
        let digest = Digest::of(&bytes);
        files::write_new(&dir.join(MANIFEST), &bytes)?;
        let page = citation::page(&self.spec, &counts, digest, created_at_ms);
        files::write_new(&dir.join(citation::FILE), page.as_bytes())?;
        let files = vec![files::entry(dir, citation::FILE)?, files::entry(dir, FETCHES)?];
        let build = Build { created_at_ms, manifest: digest, files, seal: None }.sealed();
        files::write_new(&dir.join(BUILD), &build.to_bytes())?;
        if !self.shards.is_empty() {
            files::sync_dir(&dir.join(shard::FOLDER))?;
        }
        if !plots.is_empty() {
            files::sync_dir(&dir.join(plots::FOLDER))?;
        }
        files::sync_dir(dir)?;
        Ok((digest, counts))
    }
}

/// The digest of what a snapshot is made from: the spec and all rows, in any order. It is known before any tensor is
/// prepared, so [`find_inputs`](crate::find_inputs) can tell whether there is anything to write.
pub fn inputs_digest<'a>(
    spec: &SnapshotSpec,
    identities: impl IntoIterator<Item = &'a IdentityRows>,
) -> Digest {
    let digests = identities.into_iter().map(|rows| {
        let mut rows = rows.clone();
        rows.sort();
        (rows.identity.clone(), rows_digest(&rows))
    });
    spec_and_rows_digest(&normal(spec.clone()), &digests.collect())
}

fn spec_and_rows_digest(spec: &SnapshotSpec, rows: &BTreeMap<String, Digest>) -> Digest {
    Digest::of_json(&(FORMAT_VERSION, spec, rows))
}

/// The digest of sorted rows, fetch times left out.
fn rows_digest(rows: &IdentityRows) -> Digest {
    let mut hasher = sha2::Sha256::new();
    let lengths = (&rows.identity, rows.photos.len(), rows.dropped.len(), rows.measurements.len());
    hasher.update(crate::manifest::compact(&lengths));
    rows.photos.iter().for_each(|row| hasher.update(crate::manifest::compact(row)));
    rows.dropped.iter().for_each(|row| hasher.update(crate::manifest::compact(row)));
    rows.measurements.iter().for_each(|row| hasher.update(crate::manifest::compact(row)));
    Digest::from_bytes(hasher.finalize().into())
}

/// The spec with everything in a fixed order.
fn normal(mut spec: SnapshotSpec) -> SnapshotSpec {
    spec.recipe = crate::manifest::sorted(spec.recipe);
    spec.prepare = crate::manifest::sorted(spec.prepare);
    spec.models.sort();
    spec
}

/// Puts everybody on a side, and holds photos out of training. The photos are sorted by identity.
fn divide(photos: &mut [KeptPhoto], splits: Splits) {
    let names: BTreeSet<String> = photos.iter().map(|photo| photo.identity.clone()).collect();
    let sides = splits.assign(names.iter().map(String::as_str));
    for of_one in photos.chunk_by_mut(|a, b| a.identity == b.identity) {
        let side = sides.get(of_one[0].identity.as_str()).copied();
        let digests: Vec<Digest> = of_one.iter().map(|photo| photo.facts.sha256).collect();
        for (photo, is_held_out) in of_one.iter_mut().zip(held_out(&digests)) {
            photo.split = side.expect("everybody with a photo has a side");
            photo.held_out = is_held_out && photo.split == Split::Train;
        }
    }
}

fn counts_of(photos: &[KeptPhoto], dropped: &[Dropped]) -> Counts {
    let identities: BTreeSet<_> = photos.iter().map(|photo| (&photo.identity, photo.split)).collect();
    let mut counts = Counts {
        identities: identities.len(),
        photos: photos.len(),
        dropped: dropped.len(),
        ..Counts::default()
    };
    for split in [Split::Train, Split::Validation, Split::Test] {
        let side = counts.splits.entry(split.name().to_owned()).or_default();
        side.identities = identities.iter().filter(|(_, on)| *on == split).count();
        side.photos = photos.iter().filter(|photo| photo.split == split).count();
    }
    for photo in dropped {
        let names: BTreeSet<_> = photo.facts.reasons.iter().map(photo::Reason::name).collect();
        names.into_iter().for_each(|name| *counts.reasons.entry(name.to_owned()).or_default() += 1);
    }
    counts
}

/// Says it plainly when the system's refusal is a full disk.
fn disk_full(error: WriteError) -> WriteError {
    match error {
        WriteError::File(Error::Io { action, path, cause })
            if matches!(cause.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) =>
        {
            WriteError::DiskFull { action, path }
        }
        other => other,
    }
}
