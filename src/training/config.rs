//! What a training is made of: `bolid train … --config FILE`.

use std::path::PathBuf;

use photo::Split;
use serde::{Deserialize, Serialize};
use train::body::{BodyVaeConfig, LossSettings};
use train::fit::FitSettings;
use train::views::{AugmentSettings, SamplerSettings};

use super::draw::DrawSpec;

/// A training's configuration. Every table may be left out: then its defaults hold.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainConfig {
    /// The first part of the run's name.
    pub name: String,
    /// What every random number follows from.
    #[serde(default)]
    pub seed: u64,
    /// Weights to begin with instead of random ones: a folder with a body-VAE, or a run by id, name or
    /// folder. Few people are learned by heart from nothing; what is known of many is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init_from: Option<String>,
    /// What is trained on: exactly one of its keys.
    #[serde(default)]
    pub data: Data,
    /// The model's shape.
    #[serde(default)]
    pub model: BodyVaeConfig,
    /// Which views come in a step.
    #[serde(default)]
    pub views: SamplerSettings,
    /// How views are changed.
    #[serde(default)]
    pub augment: AugmentSettings,
    /// What the model is fitted to.
    #[serde(default)]
    pub loss: LossSettings,
    /// The loop.
    #[serde(default)]
    pub fit: FitSettings,
}

impl TrainConfig {
    /// Checks every table's values against their ranges, but for those of `fit`.
    ///
    /// # Errors
    /// Naming the first key that is out of range.
    pub fn check(&self) -> Result<(), photo::range::OutOfRange> {
        self.model.check()?;
        self.views.check()?;
        self.augment.check()?;
        self.loss.check()
    }
}

/// What is trained on.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Data {
    /// A snapshot: id (or its beginning), name or folder.
    pub snapshot: Option<String>,
    /// Synthetic people, drawn into a snapshot the first time.
    pub drawn: Option<DrawSpec>,
    /// The side of the snapshot that is trained on.
    pub split: Side,
    /// Whether some views of a person are kept from training, to judge the model by: those that the snapshot marks
    /// `held_out`, or every eighth of a person without such marks.
    pub hold_out: bool,
    /// Whether every byte of the snapshot is checked before the first step.
    pub verify: bool,
}

impl Default for Data {
    fn default() -> Self {
        Self {
            snapshot: None,
            drawn: None,
            split: Side::Train,
            hold_out: true,
            verify: true, // a terabyte takes an hour: then `bolid snapshot verify` once, and false here
        }
    }
}

/// A side of a snapshot, or all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The people to fit weights on.
    Train,
    /// The people to choose settings by.
    Validation,
    /// The people to report figures on.
    Test,
    /// Everybody: for a snapshot too small to give people away, or whose people are judged elsewhere.
    All,
}

impl Side {
    /// The split, or `None` for everybody.
    pub fn split(self) -> Option<Split> {
        match self {
            Self::Train => Some(Split::Train),
            Self::Validation => Some(Split::Validation),
            Self::Test => Some(Split::Test),
            Self::All => None,
        }
    }
}

/// A configuration that cannot be carried out: exit code 2.
#[derive(Debug, thiserror::Error)]
pub enum TrainConfigError {
    /// No data, or two kinds of it.
    #[error("{config}: `data` needs `snapshot = \"…\"` or `[data.drawn]`, and not both", config = .0.display())]
    Data(PathBuf),
    /// Measures that nobody knows.
    #[error("{config}: `model.measures`: {problem}", config = .config.display())]
    Measures {
        /// The file.
        config: PathBuf,
        /// Which, and what to do.
        problem: String,
    },
    /// A value that is out of range.
    #[error("{config}", config = .config.display())]
    OutOfRange {
        /// The file.
        config: PathBuf,
        /// Which, and what would be in range.
        source: photo::range::OutOfRange,
    },
}
