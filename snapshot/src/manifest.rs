//! `manifest.json`, whose digest is the snapshot's id, and `build.json`, which is no part of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use photo::{Compression, Digest, Rules, Split, Splits, Tensors};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::Error;

/// The version of the format that this crate writes.
pub const FORMAT_VERSION: u32 = 2;

/// The oldest version that it reads: without measurements and held-out views.
const OLDEST_FORMAT_VERSION: u32 = 1;

/// The manifest's file name.
pub const MANIFEST: &str = "manifest.json";
/// The name of the file that says when the snapshot was built.
pub const BUILD: &str = "build.json";
/// The table of kept photos.
pub const PHOTOS: &str = "photos.parquet";
/// The table of dropped photos.
pub const DROPPED: &str = "dropped.parquet";
/// The table of measurements.
pub const MEASUREMENTS: &str = "measurements.parquet";
/// The table of fetch times.
pub const FETCHES: &str = "fetches.parquet";

/// The key of the recipe under which it says where captions are from, and by which rules they were cleaned.
pub const CAPTIONS: &str = "captions";

/// What a snapshot is made from and by, besides the photos.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SnapshotSpec {
    /// The dataset's name: the first part of the folder's name.
    pub name: String,
    /// The recipe, as text or JSON.
    pub recipe: Value,
    /// The thresholds by which photos were judged.
    pub rules: Rules,
    /// The settings of `prepare`.
    pub prepare: Value,
    /// The models that measured.
    pub models: Vec<ModelRef>,
    /// The program's version.
    pub program_version: String,
    /// Side of the tensors in pixels (paper, section 4.2: 1024).
    pub size_px: u32,
}

impl SnapshotSpec {
    /// The shares of people that the recipe wants on each side; the usual ones where it says nothing.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn splits(&self) -> Result<Splits, String> {
        let Some(asked) = self.recipe.get("splits") else { return Ok(Splits::default()) };
        let splits = Splits::deserialize(asked).map_err(|error| error.to_string())?;
        splits.check().map_err(|error| error.to_string())?;
        Ok(splits)
    }

    /// The tensors that the settings of `prepare` ask for; both where they say nothing.
    ///
    /// # Errors
    /// What they say instead.
    pub fn tensors(&self) -> Result<Tensors, String> {
        let Some(asked) = self.prepare.get("tensors") else { return Ok(Tensors::Both) };
        Tensors::deserialize(asked).map_err(|error| error.to_string())
    }

    /// How the settings of `prepare` ask for shards to be stored; as they are where they say nothing.
    ///
    /// # Errors
    /// What they say instead.
    pub fn compression(&self) -> Result<Compression, String> {
        let Some(asked) = self.prepare.get("compression") else { return Ok(Compression::None) };
        Compression::deserialize(asked).map_err(|error| error.to_string())
    }

    /// Whether its recipe says where captions are from, so that each says it as well.
    pub(crate) fn names_caption_sources(&self) -> bool {
        self.recipe.get(CAPTIONS).is_some_and(|captions| !captions.is_null())
    }

    /// Whether its shards are compressed.
    pub(crate) fn is_compressed(&self) -> bool {
        self.compression() == Ok(Compression::Zstd) // what is no choice is not written
    }

    /// The pattern of its shards' paths.
    pub(crate) fn shards(&self) -> &'static str {
        if self.is_compressed() { "shards/*.safetensors.zst" } else { "shards/*.safetensors" }
    }

    /// The names of the image tensors that its shards have.
    pub(crate) fn images(&self) -> &'static [&'static str] {
        match self.tensors() {
            Ok(Tensors::Image) => &["image"],
            Ok(Tensors::Weighted) => &["weighted"],
            Ok(Tensors::Both) | Err(_) => &["image", "weighted"], // what is no choice is not written
        }
    }
}

/// A model that measured.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ModelRef {
    /// What it is for: `watermark`, `faces`, `pose`.
    pub role: String,
    /// Its name.
    pub name: String,
    /// The digest of its file.
    pub sha256: Digest,
}

/// What a snapshot is: everything that its id stands for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`FORMAT_VERSION`] of the program that wrote it.
    pub format_version: u32,
    /// What it was made from and by.
    pub spec: SnapshotSpec,
    /// The digest of the spec and of all rows ([`inputs_digest`](crate::inputs_digest)).
    pub inputs: Digest,
    /// How many of what.
    pub counts: Counts,
    /// Every other file, by path, except `build.json` and what that lists.
    pub files: Vec<FileEntry>,
}

/// How many of what a snapshot holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// People with at least one kept photo.
    pub identities: usize,
    /// Kept photos.
    pub photos: usize,
    /// Dropped photos.
    pub dropped: usize,
    /// Dropped photos by reason; a photo counts under each of its reasons.
    pub reasons: BTreeMap<String, usize>,
    /// People and kept photos on each side.
    pub splits: BTreeMap<String, SplitCounts>,
}

/// How many of what one side of a dataset holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitCounts {
    /// People.
    pub identities: usize,
    /// Kept photos.
    pub photos: usize,
}

impl Counts {
    /// The three sides by name: train, validation, test.
    pub(crate) fn sides(&self) -> impl Iterator<Item = (&'static str, SplitCounts)> {
        let names = [Split::Train, Split::Validation, Split::Test].map(Split::name);
        names.into_iter().map(|name| (name, self.splits.get(name).copied().unwrap_or_default()))
    }
}

/// A file of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FileEntry {
    /// Relative to the snapshot's folder, with `/` between parts.
    pub path: String,
    /// Length.
    pub bytes: u64,
    /// Digest of the content.
    pub sha256: Digest,
}

/// `build.json`: when this copy was built. Another build of the same inputs has another one, and the same id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Build {
    /// Unix time in milliseconds.
    pub created_at_ms: i64,
    /// The digest of `manifest.json`.
    pub manifest: Digest,
    /// Files that are no part of the id.
    pub files: Vec<FileEntry>,
    /// The digest of this file's JSON without this field, so that a change here is found as well.
    pub seal: Option<Digest>,
}

impl Manifest {
    /// The bytes of `manifest.json`.
    pub fn to_bytes(&self) -> Vec<u8> {
        pretty(self)
    }

    /// Reads a manifest; the second value is the digest of its bytes.
    pub fn read(path: &Path) -> Result<(Self, Digest), Error> {
        let bytes = fs::read(path).map_err(Error::io("read", path))?;
        Ok((Self::parse(path, &bytes)?, Digest::of(bytes)))
    }

    /// Reads a manifest from the bytes of the file `path`, which errors name.
    ///
    /// # Errors
    /// Where they are no manifest, or one of a version that is not read.
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<Self, Error> {
        #[derive(Deserialize)]
        struct Version {
            format_version: u32,
        }
        let Version { format_version: found } = serde_json::from_slice(bytes).map_err(Error::json(path))?;
        if !(OLDEST_FORMAT_VERSION..=FORMAT_VERSION).contains(&found) {
            return Err(Error::FormatVersion { path: path.to_owned(), found, expected: FORMAT_VERSION });
        }
        serde_json::from_slice(bytes).map_err(Error::json(path))
    }

    /// The entry of the file `path`.
    pub fn file(&self, path: &str) -> Option<&FileEntry> {
        self.files.iter().find(|entry| entry.path == path)
    }

    /// The length of all files that the manifest lists, as far as a number holds what it says.
    pub fn bytes(&self) -> u64 {
        self.files.iter().fold(0, |all, entry| all.saturating_add(entry.bytes))
    }
}

impl Build {
    /// The same with its seal.
    pub(crate) fn sealed(mut self) -> Self {
        self.seal = Some(self.expected_seal());
        self
    }

    pub(crate) fn expected_seal(&self) -> Digest {
        Digest::of(pretty(&Self { seal: None, ..self.clone() }))
    }

    /// The bytes of `build.json`.
    pub fn to_bytes(&self) -> Vec<u8> {
        pretty(self)
    }

    /// Reads `build.json`.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let bytes = fs::read(path).map_err(Error::io("read", path))?;
        serde_json::from_slice(&bytes).map_err(Error::json(path))
    }
}

/// JSON with two spaces of indent and a newline at the end: fields in the order of their structs, maps by key.
pub(crate) fn pretty<T: Serialize>(value: &T) -> Vec<u8> {
    let mut bytes =
        serde_json::to_vec_pretty(value).expect("a manifest has a JSON form: its maps have text keys");
    bytes.push(b'\n');
    bytes
}

/// JSON on one line.
pub(crate) fn compact<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).expect("rows have a JSON form: they hold no maps")
}

/// The value with the keys of all objects sorted, which `serde_json` does or does not do by itself, depending on
/// features that any crate of the program may switch on.
pub(crate) fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let by_key: BTreeMap<String, Value> =
                map.into_iter().map(|(key, value)| (key, sorted(value))).collect();
            Value::Object(by_key.into_iter().collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        other => other,
    }
}
