//! What can go wrong when a snapshot is exported.

use std::path::PathBuf;

use photo::Digest;

use crate::error::Error;

/// An export could not be written. What is noted in its journal stays, and the next run goes on from there.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the fields are named in the message")]
pub enum ExportError {
    /// A file could not be written or read.
    #[error(transparent)]
    File(#[from] Error),
    /// The folder holds something that is no export.
    #[error(
        "{path} holds something else ({found}); name a folder that is empty or not there yet",
        path = path.display()
    )]
    Occupied {
        path: PathBuf,
        /// A file that is there.
        found: String,
    },
    /// The folder holds another export.
    #[error("{path} holds another export: {what}; name another folder, or remove it", path = path.display())]
    OtherExport {
        path: PathBuf,
        /// In what it differs.
        what: String,
    },
    /// Another process writes there.
    #[error(
        "another process is writing the export in {path}; wait for it, or name another folder",
        path = path.display()
    )]
    Busy { path: PathBuf },
    /// The notes of an export that was stopped cannot be believed.
    #[error(
        "the journal of the export in {path} is damaged: {what}; remove the folder and export again",
        path = path.display()
    )]
    Journal {
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The folder lies in the snapshot.
    #[error("{path} lies in the snapshot, which must not change; name a folder elsewhere", path = path.display())]
    InsideSnapshot { path: PathBuf },
    /// Photos are not in the work folder any more.
    #[error(
        "the files of {missing} of {photos} photos are not in the work folder, {first} among them; \
         `--pixels image` exports the snapshot's own pixels"
    )]
    MissingPhotos {
        /// How many.
        missing: usize,
        /// Of how many.
        photos: usize,
        /// One of them.
        first: Digest,
    },
    /// The bytes of a photo are not those that its digest names.
    #[error(
        "{path} is not the photo that its name says; `bolid retry` and a new crawl fetch it again",
        path = path.display()
    )]
    DamagedPhoto { path: PathBuf },
    /// A photo cannot be decoded, or written as PNG.
    #[error("cannot write photo {sha256} upright as PNG: {cause}")]
    Picture {
        sha256: Digest,
        /// What the decoder said.
        cause: image::ImageError,
    },
}
