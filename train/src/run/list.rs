//! All runs of a folder.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;

use super::durable::TEMPORARY;
use super::error::RunError;
use super::folder::{CHECKPOINTS, LOCK, LOG, RUN, RunFolder};
use super::log::{FINISHED, RunLog};
use super::spec::RunRecord;
use super::withdrawn::{self, Withdrawn};

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunState {
    /// A process holds its lock.
    Running,
    /// It came to its last step.
    Finished,
    /// Neither: `--resume` goes on with it.
    Stopped,
}

/// A run, as a list shows it.
#[derive(Debug)]
pub struct Listed {
    /// Its folder.
    pub path: PathBuf,
    /// `run.json`, or why it cannot be read.
    pub run: Result<RunRecord, RunError>,
    /// Where it stands.
    pub state: RunState,
    /// The last step in its log.
    pub step: Option<u64>,
    /// The last loss in its log.
    pub loss: Option<f64>,
    /// Steps of its checkpoints, rising.
    pub checkpoints: Vec<u64>,
    /// Set when the model has seen what was erased.
    pub withdrawn: Option<Withdrawn>,
}

impl RunFolder {
    /// Every run in `runs_dir`, by folder name. None where the folder is not there.
    ///
    /// # Errors
    /// Where the folder cannot be read. A run that cannot be read is listed, with the reason.
    pub fn list(runs_dir: &Path) -> Result<Vec<Listed>, RunError> {
        let mut folders = Vec::new();
        if !runs_dir.exists() {
            return Ok(Vec::new());
        }
        for entry in fs::read_dir(runs_dir).map_err(RunError::io("read", runs_dir))? {
            let entry = entry.map_err(RunError::io("read", runs_dir))?;
            let path = entry.path();
            if !entry.file_name().to_string_lossy().starts_with(TEMPORARY) && path.join(RUN).is_file() {
                folders.push(path);
            }
        }
        folders.sort();
        folders.iter().map(|path| listed(path)).collect()
    }
}

impl RunFolder {
    /// Whether it came to its last step, and its model is there.
    ///
    /// # Errors
    /// Where its log cannot be read.
    pub fn has_ended(&self) -> Result<bool, RunError> {
        let path = self.log_path();
        let lines = if path.exists() { RunLog::read(&path)? } else { Vec::new() };
        Ok(lines.last().is_some_and(|line| line["kind"] == FINISHED) && self.model_dir().is_dir())
    }
}

fn listed(path: &Path) -> Result<Listed, RunError> {
    let log = path.join(LOG);
    let lines = if log.exists() { RunLog::read(&log)? } else { Vec::new() };
    let is_finished = lines.last().is_some_and(|line| line["kind"] == FINISHED);
    let state = if is_held(path) {
        RunState::Running
    } else if is_finished {
        RunState::Finished
    } else {
        RunState::Stopped
    };
    Ok(Listed {
        path: path.to_owned(),
        run: RunRecord::read(&path.join(RUN)),
        state,
        step: lines.iter().rev().find_map(|line| line["step"].as_u64()),
        loss: lines.iter().rev().find_map(|line| line.get("loss").and_then(Value::as_f64)),
        checkpoints: crate::fit::checkpoint::steps(&path.join(CHECKPOINTS))?,
        withdrawn: withdrawn::read(path)?,
    })
}

fn is_held(path: &Path) -> bool {
    File::open(path.join(LOCK))
        .is_ok_and(|lock| matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)))
}
