//! The note that stays in the place of a snapshot that was withdrawn.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// The note's file name.
pub const WITHDRAWN: &str = "withdrawn.json";

/// The note that stays of a withdrawn snapshot. It says nothing of whom it showed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Withdrawn {
    /// The id that the snapshot had.
    pub id: String,
    /// The dataset's name.
    pub name: String,
    /// When, in Unix milliseconds.
    pub withdrawn_at_ms: i64,
    /// Why.
    pub reason: String,
}

/// The note of a snapshot that was withdrawn.
pub fn withdrawn(path: &Path) -> Result<Option<Withdrawn>, Error> {
    let note = path.join(WITHDRAWN);
    if !note.is_file() {
        return Ok(None);
    }
    let bytes = fs::read(&note).map_err(Error::io("read", &note))?;
    serde_json::from_slice(&bytes).map(Some).map_err(Error::json(&note))
}
