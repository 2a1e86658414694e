//! Tensors of a snapshot once more, from the bytes of the photos: whether decoding and preparing still give what is
//! published.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};
use catalog::BlobStore;
use curate::PrepareSettings;
use photo::{Digest, Person};
use rayon::iter::{IntoParallelIterator, ParallelIterator};
use serde::Serialize;
use snapshot::manifest::FORMAT_VERSION;
use snapshot::{KeptPhoto, Pixels, Snapshot};

/// What was found.
#[derive(Serialize)]
pub struct Deep {
    /// Photos whose tensors were made again.
    pub recomputed: usize,
    /// Photos whose bytes are not in the work folder.
    pub without_bytes: usize,
    /// Kept photos in all.
    pub of: usize,
    /// Whether an older version of bolid prepared the photos, by a way that gave other bytes.
    pub is_of_older_version: bool,
    /// The tensors that came out otherwise.
    pub differing: Vec<Difference>,
}

/// A tensor that is not what the photo gives.
#[derive(Serialize)]
pub struct Difference {
    pub identity: String,
    pub sha256: Digest,
    pub tensor: &'static str,
    /// How many of its values differ.
    pub values: usize,
    pub of: usize,
    /// By how much at most, of 255.
    pub largest: u8,
}

/// Makes the tensors of `number` photos again, spread evenly over all of them; 0 stands for all.
pub fn run(path: &Path, number: usize, workdir: &Path) -> Result<Deep> {
    let snapshot = Snapshot::open(path)?;
    let spec = &snapshot.manifest().spec;
    let settings: PrepareSettings =
        serde_json::from_value(spec.prepare.clone()).context("read its settings of `prepare`")?;
    let blobs = BlobStore::of_workdir(workdir);
    let photos = snapshot.photos();
    let number = if number == 0 { photos.len() } else { number.min(photos.len()) };
    // One photo per thread is in memory.
    let results: Vec<Option<Vec<Difference>>> = (0..number)
        .into_par_iter()
        .map(|i| &photos[i * photos.len() / number])
        .map(|photo| {
            let again = again(&snapshot, photo, &blobs, &settings);
            again.with_context(|| format!("make the tensors of photo {} again", photo.facts.sha256))
        })
        .collect::<Result<_>>()?;
    Ok(Deep {
        recomputed: results.iter().flatten().count(),
        without_bytes: results.iter().filter(|result| result.is_none()).count(),
        of: photos.len(),
        is_of_older_version: snapshot.manifest().format_version < FORMAT_VERSION,
        differing: results.into_iter().flatten().flatten().collect(),
    })
}

/// The tensors of a photo that come out otherwise; `None` where its bytes are gone.
fn again(
    snapshot: &Snapshot,
    photo: &KeptPhoto,
    blobs: &BlobStore,
    settings: &PrepareSettings,
) -> Result<Option<Vec<Difference>>> {
    let facts = &photo.facts;
    if !blobs.path(facts.sha256).exists() {
        return Ok(None);
    }
    // Which person was found how surely decides nothing here.
    let person = Person { bbox: facts.person_box, score: 1.0, joints: facts.joints_in_photo };
    let prepared = curate::prepare_file(&blobs.read(facts.sha256)?, &person, settings)?;
    let shard = snapshot.shard(photo)?;
    let mut differing = Vec::new();
    let held = settings.tensors;
    let tensors = [
        (held.has_image(), Pixels::Image, &prepared.image),
        (held.has_weighted(), Pixels::Weighted, &prepared.weighted),
    ];
    for (_, kind, made) in tensors.into_iter().filter(|(is_held, ..)| *is_held) {
        if !shard.holds(kind) {
            continue;
        }
        let mut published = vec![0; 3 * shard.size_px().pow(2)];
        shard.read_pixels(kind, photo.row as usize, &mut published)?;
        anyhow::ensure!(made.len() == published.len(), "it has another size than `prepare.size_px` says");
        let distances = || made.iter().zip(&published).map(|(a, b)| a.abs_diff(*b));
        let values = distances().filter(|distance| *distance > 0).count();
        if values > 0 {
            differing.push(Difference {
                identity: photo.identity.clone(),
                sha256: facts.sha256,
                tensor: kind.name(),
                values,
                of: made.len(),
                largest: distances().max().unwrap_or(0),
            });
        }
    }
    Ok(Some(differing))
}

impl Deep {
    /// The finding as text.
    pub fn in_words(&self) -> String {
        let mut text = format!("{} of {} photos were decoded and prepared again", self.recomputed, self.of);
        if self.without_bytes > 0 {
            let _ = write!(text, "; the bytes of {} are not in the work folder", self.without_bytes);
        }
        if self.recomputed > 0 && self.differing.is_empty() {
            text.push_str(": the same to the byte");
        }
        for Difference { identity, sha256, tensor, values, of, largest } in &self.differing {
            let _ = write!(
                text,
                "\n  {} of {identity}, {tensor}: {values} of {of} values differ, by up to {largest} of 255",
                sha256.short()
            );
        }
        if self.is_of_older_version && !self.differing.is_empty() {
            text.push_str(
                "\nan older version of bolid prepared these photos, whose tensors differ in single values",
            );
        }
        text
    }
}
