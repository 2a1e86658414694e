//! What is said of a picture that was drawn.

use std::path::PathBuf;

use anyhow::Result;
use serde::Serialize;
use train::generate::Settings;
use train::run::RunFolder;

use crate::training::runs;

/// A picture that was drawn.
#[derive(Serialize)]
pub struct Drawn {
    /// Where it is.
    pub file: PathBuf,
    /// What its noise was drawn from.
    pub seed: u64,
    /// Whose body it shows, as the request named it.
    pub body: Option<String>,
    /// What was asked for.
    pub prompt: String,
}

impl Drawn {
    /// Of these settings.
    pub fn new(file: PathBuf, settings: &Settings) -> Self {
        Self {
            file,
            seed: settings.seed,
            body: settings.body.as_ref().map(|body| body.name.clone()),
            prompt: settings.prompt.clone(),
        }
    }

    /// Notes the file in the runs whose models made it, so that whoever erases learns of it: c_body is written in it.
    pub fn note<'a>(&self, mut runs: impl Iterator<Item = &'a RunFolder>) -> Result<()> {
        runs.try_for_each(|run| runs::exports::note(run.path(), &self.file, "picture").map(drop))
    }
}
