//! What can go wrong in training, with the names and shapes to act upon.

use crate::audit::AuditFailure;
use crate::diffusion::weights::TensorMismatch;
use candle_core::Shape;
use std::fmt::Display;
use std::path::{Path, PathBuf};

/// Result of the operations of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Error of the training crate.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the fields are named in the message")]
pub enum Error {
    /// A tensor does not have the shape that an operation needs.
    #[error("{op}: `{tensor}` has shape {found:?}, expected {expected}")]
    Shape {
        /// Operation that refused the tensor.
        op: &'static str,
        /// Argument or parameter name.
        tensor: String,
        /// Shape it has.
        found: Shape,
        /// Shape that was expected, in words.
        expected: String,
    },
    /// A model configuration holds a value this implementation does not support.
    #[error("{file}: `{key}` = {value} is not supported; {hint}")]
    Config {
        /// Which configuration, such as `unet/config.json`.
        file: String,
        /// Key within it.
        key: String,
        /// Offending value.
        value: String,
        /// What is supported, or what to do.
        hint: String,
    },
    /// A file or folder could not be read.
    #[error("cannot read {path}: {cause}")]
    Read { path: PathBuf, cause: std::io::Error },
    /// A file could not be written.
    #[error("cannot write {path}: {cause}")]
    Write { path: PathBuf, cause: std::io::Error },
    /// A file is there, but is not what it should be.
    #[error("{path} is not usable: {reason}")]
    Malformed {
        path: PathBuf,
        /// What is wrong with it, and what would be right.
        reason: String,
    },
    /// A folder lacks a file that a checkpoint must have.
    #[error("{folder} has none of: {}", wanted.join(", "))]
    NotFound {
        /// The folder searched.
        folder: PathBuf,
        /// The names any of which would have done.
        wanted: Vec<String>,
    },
    /// Tensors of a file do not match the model.
    #[error(transparent)]
    Tensors(#[from] TensorMismatch),
    /// A file of a model repository is not at hand.
    #[error("cannot get {file} of {repository}: {reason}")]
    Hub {
        /// The repository, `owner/name`.
        repository: String,
        /// The file asked for.
        file: String,
        /// Why, and what to do.
        reason: String,
    },
    /// A prompt could not be tokenised.
    #[error("cannot tokenise {text:?}: {reason}")]
    Tokenise {
        /// The prompt.
        text: String,
        /// What the tokenizer said.
        reason: String,
    },
    /// Latents are NaN or infinite.
    #[error(
        "sampling step {step} of {steps} (timestep {timestep}): the latents are not finite; look for NaN in \
         the weights of base, adapter or LoRA, or lower guidance and λ"
    )]
    NotFinite {
        /// The step, from 1.
        step: usize,
        /// Of how many.
        steps: usize,
        /// Its timestep.
        timestep: f64,
    },
    /// A device that was asked for cannot be had.
    #[error("device {asked}: {reason}")]
    Device {
        /// What was asked for.
        asked: String,
        /// Why not, and what to do.
        reason: String,
    },
    /// A step's gradients are not where they should be.
    #[error(transparent)]
    Audit(#[from] AuditFailure),
    /// The tensor library failed.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}

impl Error {
    pub(crate) fn read(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |cause| Self::Read { path: path.to_owned(), cause }
    }

    pub(crate) fn malformed(path: &Path, reason: impl Display) -> Self {
        Self::Malformed { path: path.to_owned(), reason: reason.to_string() }
    }
}

/// An error with all that caused it, in one line: `cannot write x: the disk is full`.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

impl From<Error> for candle_core::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Candle(inner) => inner,
            other => candle_core::Error::wrap(other),
        }
    }
}
