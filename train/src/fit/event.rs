//! What a training tells while it goes, for a progress bar or plain lines, and in its log.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::resume::PassedOver;
use super::task::Validation;
use crate::run::Change;

/// What happened.
#[derive(Debug)]
pub enum Event<'a> {
    /// Before the first step.
    Started {
        /// Updates done in earlier starts.
        from_step: u64,
        /// Updates in all.
        steps: u64,
        /// Numbers that are trained.
        parameters: usize,
        /// Set when it goes on from a checkpoint, or was asked to.
        resumed: Option<&'a Resumed>,
    },
    /// An update was done.
    Step(&'a StepLine),
    /// An update was left out.
    Skipped(&'a Skipped),
    /// Validation was done.
    Validated {
        /// Updates done.
        step: u64,
        /// What it found.
        validation: &'a Validation,
        /// Whether no earlier one was better.
        is_best: bool,
    },
    /// A checkpoint and a model file were written.
    Saved {
        /// Updates done.
        step: u64,
        /// The checkpoint.
        checkpoint: &'a Path,
    },
}

/// An update, as the log has it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StepLine {
    /// Updates done, this one included.
    pub step: u64,
    /// Mean loss of its batches.
    pub loss: f64,
    /// Means of the terms.
    pub terms: BTreeMap<Cow<'static, str>, f64>,
    /// Norm over all gradients, before clipping.
    pub gradient_norm: f64,
    /// Learning rate.
    pub learning_rate: f64,
    /// Seconds that the loop waited for data.
    pub wait_s: f64,
    /// Seconds of everything else in the step; in a group, those in which this process waits for the others
    /// are among them.
    pub compute_s: f64,
    /// Samples over both.
    pub samples_per_s: f64,
}

/// An update that was left out, because its loss or gradients were not finite.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Skipped {
    /// Updates done or left out, this one included.
    pub step: u64,
    /// `loss` or `gradient norm`.
    pub what: &'static str,
    /// Its value: `NaN`, `inf`.
    pub value: String,
    /// Photos and identities of the batch.
    pub batch: String,
    /// The run's seed.
    pub seed: u64,
    /// How many in a row, this one included.
    pub in_a_row: u32,
}

/// How a run was resumed.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Resumed {
    /// Updates done; 0 where there was no checkpoint yet.
    pub step: u64,
    /// The checkpoint; none where there was none yet.
    pub checkpoint: Option<PathBuf>,
    /// Newer checkpoints that do not verify, the newest first.
    pub passed_over: Vec<PassedOver>,
    /// What is another than in the checkpoint, by leave.
    pub changes: Vec<Change>,
}

/// The best validation so far.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Best {
    /// Updates done.
    pub step: u64,
    /// Which number is compared.
    pub key: String,
    /// Its value, as text that is read back to the bit (JSON readers are off by one now and then).
    pub value: String,
}

impl Best {
    /// Its value.
    pub fn number(&self) -> f64 {
        self.value.parse().unwrap_or(f64::INFINITY)
    }
}

/// What a training came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Finished {
    /// Updates done.
    pub step: u64,
    /// Loss of the last update done in this start; none where there was none left.
    pub loss: Option<f64>,
    /// Updates left out, over all starts.
    pub skipped: u64,
    /// The best validation, if one was to be minimised.
    pub best: Option<Best>,
    /// The last checkpoint.
    pub checkpoint: PathBuf,
    /// The folder of the model file.
    pub model: PathBuf,
    /// How it was resumed, if it was.
    pub resumed: Option<Resumed>,
    /// Seconds of this start.
    pub seconds: f64,
}
