//! What can end a training.

use std::error::Error as StdError;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::event::Skipped;
use super::guard::Difference;
use super::resume::PassedOver;
use super::task::TaskError;
use crate::error::Error;
use crate::group::GroupError;
use crate::run::RunError;
use crate::run::error::is_full;

/// Error of a training.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the fields are named in the message")]
pub enum FitError {
    /// A setting is out of its range.
    #[error("{key} = {value}: it takes {takes}")]
    Setting {
        key: String,
        value: Value,
        /// What it takes.
        takes: &'static str,
    },
    /// The batch of a step could not be had.
    #[error("cannot load batch {micro_step} (step {step})")]
    Load {
        step: u64,
        /// The batch.
        micro_step: u64,
        source: TaskError,
    },
    /// The loss of a step could not be computed.
    #[error("cannot compute the loss of step {step}, batch: {batch}")]
    Loss {
        step: u64,
        /// What was in the batch.
        batch: String,
        source: TaskError,
    },
    /// Validation failed.
    #[error("cannot validate after step {step}")]
    Validate { step: u64, source: TaskError },
    /// The model file could not be written.
    #[error("cannot write the model file of step {step} to {path}")]
    SaveModel { step: u64, path: PathBuf, source: TaskError },
    /// Loss or gradients were not finite, three steps in a row.
    #[error(
        "training ended at step {} (seed {}): {} steps in a row without finite numbers; the last {} is {}, batch: {}; \
         last good checkpoint: {}.{} Look at these photos or lower fit.learning_rate, then --resume",
        skipped.step, skipped.seed, skipped.in_a_row, skipped.what, skipped.value, skipped.batch,
        last_good.as_ref().map_or("none yet".to_owned(), |path| path.display().to_string()),
        said_of(doubtful.as_deref()),
    )]
    NotFinite {
        /// The last of the skipped steps.
        skipped: Box<Skipped>,
        /// The newest checkpoint after which a step was finite.
        last_good: Option<PathBuf>,
        /// A newer one, after which none was: its parameters may be what is wrong.
        doubtful: Option<PathBuf>,
    },
    /// The run has checkpoints, and was not to be resumed.
    #[error("{run} has checkpoints already: go on with --resume, or give the run another name")]
    HasCheckpoints {
        /// The run's folder.
        run: PathBuf,
    },
    /// No checkpoint of a run verifies.
    #[error("no checkpoint in {folder} verifies:{}", list(passed_over))]
    NoneVerifies {
        /// The folder of checkpoints.
        folder: PathBuf,
        /// Each, with the reason.
        passed_over: Vec<PassedOver>,
    },
    /// A checkpoint, or a run that has none yet, was made with other settings.
    #[error(
        "{checkpoint} was made with other settings: {}; --allow-change KEY accepts one",
        differing(differences)
    )]
    Changed {
        /// The checkpoint, or the run's folder.
        checkpoint: PathBuf,
        /// Every setting that differs.
        differences: Vec<Difference>,
    },
    /// Processes of one group were started with different settings.
    #[error("this process is of another training than the first: {}; start all with the same configuration",
        differences.iter().map(|Difference { key, from, to }| format!("{key} is {from} there and {to} here"))
            .collect::<Vec<_>>().join(", ")
    )]
    OfAnotherTraining {
        /// Every setting that differs; from the first process's to this one's.
        differences: Vec<Difference>,
    },
    /// A checkpoint verifies, but is not of this model.
    #[error("{checkpoint} does not fit the model")]
    Checkpoint {
        checkpoint: PathBuf,
        /// What does not fit.
        source: Box<Error>,
    },
    /// The run's folder is not locked by this process.
    #[error("{run} is open for reading only: take its lock (RunFolder::locked) before training in it")]
    NotLocked {
        /// The run's folder.
        run: PathBuf,
    },
    /// There is nothing to train, or not in the type it must have.
    #[error("parameters: {0}")]
    Parameters(String),
    /// The run's folder.
    #[error(transparent)]
    Run(#[from] RunError),
    /// Another process of the group failed or is gone.
    #[error("training ended with another process's failure")]
    Group(#[from] GroupError),
    /// The step itself.
    #[error(transparent)]
    Train(#[from] Error),
}

impl From<candle_core::Error> for FitError {
    fn from(error: candle_core::Error) -> Self {
        Self::Train(error.into())
    }
}

impl FitError {
    /// The error of a task that writes files: where the disk is full, it says so.
    pub(super) fn save_model(step: u64, path: &Path, source: TaskError) -> Self {
        match full_disk(source.as_ref()) {
            Some(kind) => RunError::DiskFull { path: path.to_owned(), source: kind.into() }.into(),
            None => Self::SaveModel { step, path: path.to_owned(), source },
        }
    }
}

fn full_disk(error: &(dyn StdError + 'static)) -> Option<io::ErrorKind> {
    let mut error = Some(error);
    while let Some(cause) = error {
        if let Some(io) = cause.downcast_ref::<io::Error>().filter(|io| is_full(io)) {
            return Some(io.kind());
        }
        error = cause.source();
    }
    None
}

fn said_of(doubtful: Option<&Path>) -> String {
    doubtful.map_or_else(String::new, |path| {
        format!(
            " {} is newer, but no step after it was finite: remove it where resuming from it ends the same way.",
            path.display()
        )
    })
}

fn list(passed_over: &[PassedOver]) -> String {
    passed_over.iter().map(|passed| format!(" {passed};")).collect()
}

fn differing(differences: &[Difference]) -> String {
    differences.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
