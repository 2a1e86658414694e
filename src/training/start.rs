//! The folder a training begins in, or goes on in.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use serde_json::Value;
use snapshot::Snapshot;
use train::fit::Resume;
use train::run::{RunFolder, RunSpec, SnapshotName};

use super::runs;
use crate::cli::HowArgs;

/// What a run is made of: the same gives the same id.
pub fn spec(kind: &str, name: String, snapshot: &Snapshot, seed: u64, config: Value) -> RunSpec {
    RunSpec {
        kind: kind.to_owned(),
        name,
        snapshot: SnapshotName { id: snapshot.id(), name: snapshot.manifest().spec.name.clone() },
        program_version: env!("CARGO_PKG_VERSION").to_owned(),
        seed,
        config,
        init_from: None,
    }
}

/// The run of this spec, where it has ended. One that was withdrawn is refused.
pub fn ended(runs_dir: &Path, spec: &RunSpec) -> Result<Option<RunFolder>> {
    let path = runs_dir.join(format!("{}-{}", spec.name, spec.id()));
    if !path.join("run.json").is_file() {
        return Ok(None);
    }
    let folder = RunFolder::open(&path)?;
    runs::refuse_withdrawn(&folder)?;
    Ok(folder.has_ended()?.then_some(folder))
}

/// A new run's folder, or with `--resume` the one to go on in, or with `--continue` whichever of both there
/// is. One that was withdrawn is refused.
pub fn run(runs_dir: &Path, spec: &RunSpec, config: &str, args: &HowArgs) -> Result<(RunFolder, Resume)> {
    let is_there = runs_dir.join(format!("{}-{}", spec.name, spec.id())).join("run.json").is_file();
    if args.resume || (args.go_on && is_there) {
        let folder = RunFolder::resume(runs_dir, spec)?;
        runs::refuse_withdrawn(&folder)?;
        return Ok((folder, Resume::Newest { allow_change: args.allow_change.clone() }));
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_millis() as u64);
    Ok((RunFolder::create(runs_dir, spec, config, now)?, Resume::Never))
}
