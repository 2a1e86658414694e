//! The note that a run saw what was erased.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::durable;
use super::error::RunError;
use super::folder::RunFolder;

/// The note's file name.
pub const WITHDRAWN: &str = "withdrawn.json";

/// Says that a model was trained on photos that are erased since. It says nothing of whom they showed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Withdrawn {
    /// Why.
    pub reason: String,
    /// How many of the photos it was trained on are erased.
    pub photos: u64,
    /// When, in Unix milliseconds.
    pub withdrawn_at_ms: u64,
}

impl RunFolder {
    /// Marks the run; a second mark takes the place of the first.
    ///
    /// # Errors
    /// Where the note cannot be written.
    pub fn withdraw(&self, note: &Withdrawn) -> Result<(), RunError> {
        let path = self.path().join(WITHDRAWN);
        let text = serde_json::to_vec_pretty(note).map_err(|e| RunError::malformed(&path, e))?;
        durable::replace(&path, &text)
    }

    /// The mark, if there is one.
    ///
    /// # Errors
    /// Where it is there and cannot be read.
    pub fn withdrawn(&self) -> Result<Option<Withdrawn>, RunError> {
        read(self.path())
    }
}

pub(super) fn read(folder: &Path) -> Result<Option<Withdrawn>, RunError> {
    let path = folder.join(WITHDRAWN);
    if !path.exists() {
        return Ok(None);
    }
    let bytes = fs::read(&path).map_err(RunError::io("read", &path))?;
    serde_json::from_slice(&bytes).map(Some).map_err(|e| RunError::malformed(&path, e))
}
