//! `bolid train cache`: what frozen networks make of photos and captions, once.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::Result;
use serde::Serialize;
use train::cache::{Filled, fill};

use super::inputs::Inputs;
use crate::cli::{AdapterArgs, Global};
use crate::output::Output;
use crate::progress;
use crate::training::together;

/// What is shown.
#[derive(Serialize)]
struct Cached {
    cache: PathBuf,
    #[serde(flatten)]
    filled: Filled,
}

/// Runs the command. It goes on where it was stopped.
pub fn run(args: &AdapterArgs, global: &Global, output: Output) -> Result<()> {
    together::refuse_group("train cache")?;
    let inputs = Inputs::load(args, global)?;
    let encoders = inputs.encoders()?;
    let folder = inputs.cache_folder(&encoders)?;
    let rows = inputs.rows();
    let captions: BTreeSet<&str> = inputs.captions_of(&rows)?.0.into_iter().chain([""]).collect();
    let bar = progress::stage("cache", 0, "rows");
    let filled = fill(&folder, &encoders, &inputs.snapshot, &rows, &captions, &mut |done, total| {
        bar.set_length(total as u64);
        bar.set_position(done as u64);
    })?;
    bar.finish_and_clear();
    output.show(&Cached { cache: folder, filled }, |cached| {
        let Filled { photos, photos_there, texts, texts_there } = cached.filled;
        format!(
            "{photos} photos and {texts} captions computed, {photos_there} and {texts_there} were there\ncache: {}",
            cached.cache.display()
        )
    })?;
    Ok(())
}
