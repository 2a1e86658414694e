//! What can go wrong with the folder of a run.

use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};

/// Error of a run's folder.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the fields are named in the message")]
pub enum RunError {
    /// The operating system refused.
    #[error("cannot {operation} {path}")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On which file or folder.
        path: PathBuf,
        source: io::Error,
    },
    /// There is no room left, on the disk or in the quota.
    #[error(
        "the disk is full: {path} could not be written. What was saved before is intact; \
         make room, then go on with --resume"
    )]
    DiskFull { path: PathBuf, source: io::Error },
    /// A run of the same content is there already.
    #[error("there is a run in {path} already: go on with it by --resume, or give this one another name")]
    Exists { path: PathBuf },
    /// Another process trains in the folder.
    #[error("another process is training in {path}: wait for it to end, or stop it")]
    Locked { path: PathBuf },
    /// Nothing to go on with.
    #[error("there is no {kind} run named {name} in {runs_dir}: leave --resume out to start one")]
    NotFound {
        /// Where runs were looked for.
        runs_dir: PathBuf,
        /// Kind of training.
        kind: String,
        /// Name of the run.
        name: String,
    },
    /// A name that cannot be part of a folder's.
    #[error("`{name}` is no name for a run: use letters, digits, `-`, `_` and `.`, not at the start a `.`")]
    Name { name: String },
    /// A file is there, but is not what it should be.
    #[error("{path} is not usable: {reason}")]
    Malformed { path: PathBuf, reason: String },
}

impl RunError {
    pub(crate) fn io(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| {
            if is_full(&source) {
                Self::DiskFull { path, source }
            } else {
                Self::Io { operation, path, source }
            }
        }
    }

    pub(crate) fn malformed(path: &Path, reason: impl Display) -> Self {
        Self::Malformed { path: path.to_owned(), reason: reason.to_string() }
    }
}

/// Whether the error says that no room is left.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
