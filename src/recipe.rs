//! A recipe: which sites, which models, which rules make a dataset.

use std::path::PathBuf;
use std::time::Duration;

use caption::Captions;
use photo::{Rules, Splits};
use serde::{Deserialize, Serialize};
use synth::collection::CollectionSpec;
use url::Url;

/// A recipe file. Paths are relative to the file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// The name of its snapshots.
    pub name: String,
    /// Sites to crawl.
    #[serde(default)]
    pub sites: Vec<Site>,
    /// Folders or lists to import.
    #[serde(default)]
    pub imports: Vec<Import>,
    /// The list of models.
    pub models: PathBuf,
    /// Which of them to use, by name; needed where the list has several for one role.
    #[serde(default)]
    pub detectors: curate::ModelChoice,
    /// The tables of the snapshot that the recipe makes (`bolid snapshot lock`): measurements that differ
    /// from its values by no more than their rounding get its values, so that the id is the same on every
    /// machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock: Option<PathBuf>,
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
    /// Where captions are from, and how they are cleaned; the photos' own, as they stand, where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub captions: Option<Captions>,
    /// Which share of the people is for validation and testing.
    #[serde(default)]
    pub splits: Splits,
}

/// A site to crawl.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "SiteText", into = "SiteText")]
pub struct Site {
    /// Its profile.
    pub profile: PathBuf,
    /// Where the site is, for the profile of an engine that many run; or a mirror of it.
    pub base_url: Option<Url>,
}

/// The two ways to write it.
#[derive(Serialize, Deserialize)]
#[serde(untagged, expecting = "the path of a profile, or { profile = \"…\", base_url = \"https://…\" }")]
enum SiteText {
    Profile(PathBuf),
    At { profile: PathBuf, base_url: Url },
}

impl From<SiteText> for Site {
    fn from(text: SiteText) -> Self {
        match text {
            SiteText::Profile(profile) => Self { profile, base_url: None },
            SiteText::At { profile, base_url } => Self { profile, base_url: Some(base_url) },
        }
    }
}

impl From<Site> for SiteText {
    fn from(Site { profile, base_url }: Site) -> Self {
        match base_url {
            None => Self::Profile(profile),
            Some(base_url) => Self::At { profile, base_url },
        }
    }
}

/// A folder or list to import.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Import {
    /// The name of its photos' site.
    pub name: String,
    /// The folder, or the list (`.csv`, `.tsv`, `.jsonl`, `.parquet`, `.txt`).
    pub path: PathBuf,
    /// Under what licence its photos are, as snapshots state it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
    /// How the hosts of a list of URLs are asked (TOML); politely where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<PathBuf>,
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
    /// Identities of whom a site shows fewer photos are left out before any download.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_photos: Option<usize>,
    /// Addresses may lead to this machine and into private networks.
    pub allow_private: bool,
    /// Whom site owners are told to write to; instead of the profiles'.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contact: Option<String>,
}

impl Default for Crawl {
    fn default() -> Self {
        Self {
            // The longest that RFC 9309 (section 2.4) lets a crawler reuse robots.txt.
            fresh_for: Duration::from_secs(24 * 60 * 60),
            identities: Vec::new(),
            max_photos: None,
            min_photos: None,
            contact: None,
            allow_private: false,
        }
    }
}
