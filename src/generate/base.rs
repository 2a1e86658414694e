//! Which base pictures are drawn by.

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::training::model;

/// The base where nothing says another.
pub const BASE: &str = "data/models/tiny-sd";

/// The base's folder, which has to be there.
pub fn base_folder(base: &str, revision: &str) -> Result<PathBuf> {
    let folder = model::base_folder(base, revision)?;
    if !folder.is_dir() {
        bail!(
            "base `{base}`: there is no such folder; give one in diffusers' layout, or a repository id, with --base"
        );
    }
    Ok(folder)
}
