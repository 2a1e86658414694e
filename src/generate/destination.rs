//! Where pictures go.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use train::generate::Settings;

use crate::cli::{GenerateArgs, Global};

/// A file or a folder.
pub enum Destination {
    /// One picture's file.
    File(PathBuf),
    /// A folder of pictures.
    Folder(PathBuf),
}

impl Destination {
    /// A file for one picture, a folder for more; the folder is made.
    pub fn new(args: &GenerateArgs, global: &Global, count: usize) -> Result<Self> {
        let out = args.out.clone().unwrap_or_else(|| global.workdir.join("pictures"));
        let is_file = out.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("png"));
        if is_file && count == 1 {
            return Ok(Self::File(out));
        }
        if is_file || out.is_file() {
            bail!("--out {}: {count} pictures need a folder", out.display());
        }
        fs::create_dir_all(&out).with_context(|| format!("make the folder {}", out.display()))?;
        Ok(Self::Folder(out))
    }

    /// The folder, where it is one.
    pub fn folder(&self) -> Option<&Path> {
        match self {
            Self::File(_) => None,
            Self::Folder(folder) => Some(folder),
        }
    }

    /// By the settings, so that no picture takes another's place: `0002-seed7-1a2b3c.png`.
    pub fn file(&self, settings: &Settings, number: usize) -> PathBuf {
        match self {
            Self::File(file) => file.clone(),
            Self::Folder(folder) => {
                let id = &photo::Digest::of_json(settings).to_string()[..6];
                folder.join(format!("{number:04}-seed{}-{id}.png", settings.seed))
            }
        }
    }
}
