//! The folder a training begins in, or goes on in.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use train::fit::Resume;
use train::run::{RunFolder, RunSpec};

use super::runs;
use crate::cli::HowArgs;

/// A new run's folder, or with `--resume` the one to go on in; one that was withdrawn is refused.
pub fn run(runs_dir: &Path, spec: &RunSpec, config: &str, args: &HowArgs) -> Result<(RunFolder, Resume)> {
    if args.resume {
        let folder = RunFolder::resume(runs_dir, spec)?;
        runs::refuse_withdrawn(&folder)?;
        return Ok((folder, Resume::Newest { allow_change: args.allow_change.clone() }));
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_millis() as u64);
    Ok((RunFolder::create(runs_dir, spec, config, now)?, Resume::Never))
}
