//! A recipe: which sites, which models, which rules make a dataset.

use std::path::PathBuf;
use std::time::Duration;

use photo::Rules;
use serde::{Deserialize, Serialize};
use synth::collection::CollectionSpec;

/// A recipe file. Paths are relative to the file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// The name of its snapshots.
    pub name: String,
    /// Site profiles to crawl.
    #[serde(default)]
    pub sites: Vec<PathBuf>,
    /// Folders or lists to import.
    #[serde(default)]
    pub imports: Vec<Import>,
    /// The list of models.
    pub models: PathBuf,
    /// Which of them to use, by name; needed where the list has several for one role.
    #[serde(default)]
    pub detectors: curate::ModelChoice,
    /// Serve this collection of synthetic people on loopback while the sites are crawled.
    #[serde(default)]
    pub demo: Option<CollectionSpec>,
    /// How to crawl.
    #[serde(default)]
    pub crawl: Crawl,
    /// How to measure.
    #[serde(default)]
    pub measure: Measure,
    /// What a photo must be like to be kept.
    #[serde(default)]
    pub rules: Rules,
    /// How kept photos become tensors.
    #[serde(default)]
    pub prepare: curate::PrepareSettings,
}

/// A folder or list to import.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Import {
    /// The name of its photos' site.
    pub name: String,
    /// The folder, CSV or JSONL file.
    pub path: PathBuf,
}

/// How to measure.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Measure {
    /// Ask every model of every photo. Otherwise the cheapest come first, and the others are asked only while the photo
    /// may still be kept: a dropped one has at least one reason then, not always every one.
    pub all: bool,
    /// What runs the models.
    pub device: curate::Device,
}

/// How to crawl.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Crawl {
    /// What was fetched within this time is not asked for again.
    #[serde(with = "humantime_serde")]
    pub fresh_for: Duration,
    /// Only these identities (slugs); all when empty.
    pub identities: Vec<String>,
    /// At most this many photos of each identity.
    pub max_photos: Option<usize>,
}

impl Default for Crawl {
    fn default() -> Self {
        Self {
            // The longest that RFC 9309 (section 2.4) lets a crawler reuse robots.txt.
            fresh_for: Duration::from_secs(24 * 60 * 60),
            identities: Vec::new(),
            max_photos: None,
        }
    }
}
