//! What can go wrong with the files of a snapshot.

use std::io;
use std::path::{Path, PathBuf};

use parquet::errors::ParquetError;

/// A snapshot could not be read or found.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the fields are named in the message")]
pub enum Error {
    /// The system refused.
    #[error("cannot {action} {path}: {cause}", path = path.display())]
    Io {
        /// What was tried: `open`, `read`, …
        action: &'static str,
        /// With which file or folder.
        path: PathBuf,
        cause: io::Error,
    },
    /// A JSON file is not what the format asks for.
    #[error("{path} is not a snapshot's: {cause}", path = path.display())]
    Json {
        path: PathBuf,
        /// Where and what.
        cause: serde_json::Error,
    },
    /// A snapshot of format 1 does not say what was measured.
    #[error(
        "{path} holds no measurements: an older version wrote it; write it again with `bolid snapshot create`",
        path = path.display()
    )]
    WithoutMeasurements { path: PathBuf },
    /// A lock is to be written where a snapshot is.
    #[error("{path} is a snapshot, which must not change; name another folder for its lock", path = path.display())]
    LockInSnapshot { path: PathBuf },
    /// The format is newer or older than this program.
    #[error("{path} has format version {found}, this program reads versions up to {expected}", path = path.display())]
    FormatVersion {
        path: PathBuf,
        /// Its version.
        found: u32,
        /// Ours.
        expected: u32,
    },
    /// A Parquet file cannot be read.
    #[error("cannot read the table {path}: {cause}", path = path.display())]
    Parquet {
        path: PathBuf,
        /// Where and what.
        cause: ParquetError,
    },
    /// A Parquet file lacks a column, or has other values in it than the format asks for.
    #[error("{path}: {what}", path = path.display())]
    Table {
        path: PathBuf,
        /// Which column, and what is wrong.
        what: String,
    },
    /// A shard's header does not describe the four tensors.
    #[error("{path} is not a shard of a snapshot: {what}; run `bolid snapshot verify`", path = path.display())]
    Shard {
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// A frame of a compressed shard is not what was written.
    #[error("{path}: {part} is damaged: {cause}; run `bolid snapshot verify`", path = path.display())]
    Frame {
        path: PathBuf,
        /// What the frame holds: which tensor of which row.
        part: String,
        /// What zstd said.
        cause: io::Error,
    },
    /// The snapshot was made without a tensor that is asked for.
    #[error(
        "{path} holds no {tensor} tensors: take `tensors = \"{only}\"` out of the recipe's `[prepare]`, and \
         make the snapshot again with `bolid dataset`",
        path = path.display()
    )]
    WithoutTensors {
        path: PathBuf,
        /// Which ones: `image` or `weighted`.
        tensor: &'static str,
        /// Which it has.
        only: &'static str,
    },
    /// A file is not the one that the manifest lists.
    #[error("{path} has changed since the snapshot was written; run `bolid snapshot verify`", path = path.display())]
    Changed { path: PathBuf },
    /// Its content was removed on request.
    #[error("snapshot {path} was withdrawn: {reason}", path = path.display())]
    Withdrawn { path: PathBuf, reason: String },
    /// Nothing has that id or name.
    #[error("no snapshot `{wanted}` in {dir}; there are: {known}", dir = dir.display())]
    NotFound {
        /// The text that was searched for.
        wanted: String,
        /// Where.
        dir: PathBuf,
        /// The folders that are there.
        known: String,
    },
    /// Several have that name, or ids that begin so.
    #[error("`{wanted}` fits several snapshots: {candidates}; give more of the id")]
    Ambiguous {
        /// The text that was searched for.
        wanted: String,
        /// The folders that fit.
        candidates: String,
    },
}

impl Error {
    /// A closure for `map_err` that names the action and the path.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |cause| Self::Io { action, path: path.to_owned(), cause }
    }

    pub(crate) fn parquet(path: &Path) -> impl Fn(ParquetError) -> Self {
        move |cause| Self::Parquet { path: path.to_owned(), cause }
    }

    pub(crate) fn json(path: &Path) -> impl FnOnce(serde_json::Error) -> Self {
        move |cause| Self::Json { path: path.to_owned(), cause }
    }
}
