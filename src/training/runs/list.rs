//! `bolid runs list`.

use std::path::Path;

use anyhow::Result;
use serde::Serialize;
use serde_json::{Map, Value};
use train::run::{Listed, RunFolder, RunLog, RunRecord, RunState, SnapshotName, Withdrawn};

use crate::output::Output;

/// A run, as the list shows it.
#[derive(Serialize)]
pub(super) struct Line {
    pub id: String,
    pub name: String,
    pub kind: String,
    pub snapshot: SnapshotName,
    pub state: RunState,
    /// Steps done.
    pub step: Option<u64>,
    /// Steps in all.
    pub steps: Option<u64>,
    /// The last loss.
    pub loss: Option<f64>,
    pub best: Option<Best>,
    /// Steps of its checkpoints.
    pub checkpoints: Vec<u64>,
    pub path: String,
    pub withdrawn: Option<Withdrawn>,
}

/// The validation that no other was better than.
#[derive(Serialize)]
pub(super) struct Best {
    pub step: u64,
    pub numbers: Map<String, Value>,
}

/// A row per run; those that cannot be read are named on stderr.
pub fn list(runs_dir: &Path, output: Output) -> Result<()> {
    let mut lines = Vec::new();
    for listed in RunFolder::list(runs_dir)? {
        match &listed.run {
            Ok(record) => lines.push(Line::new(&listed, record)),
            Err(error) => tracing::warn!(%error, "a run cannot be read"),
        }
    }
    if lines.is_empty() {
        output.remark(&format!("No run in {} yet; `bolid train` makes one.", runs_dir.display()))?;
        return Ok(());
    }
    output.show_all(&lines, &["run", "name", "kind", "snapshot", "steps", "best at", "state"], |line| {
        let best = line.best.as_ref().map_or_else(|| "–".to_owned(), |best| best.step.to_string());
        vec![
            line.id.clone(),
            line.name.clone(),
            line.kind.clone(),
            format!("{}-{}", line.snapshot.name, line.snapshot.id),
            line.steps_in_words(),
            best,
            line.state_in_words(),
        ]
    })?;
    Ok(())
}

impl Line {
    pub fn new(listed: &Listed, record: &RunRecord) -> Self {
        Self {
            id: record.id.clone(),
            name: record.spec.name.clone(),
            kind: record.spec.kind.clone(),
            snapshot: record.spec.snapshot.clone(),
            state: listed.state,
            step: listed.step,
            steps: record.spec.config.pointer("/fit/steps").and_then(Value::as_u64),
            loss: listed.loss,
            best: best(&listed.path),
            checkpoints: listed.checkpoints.clone(),
            path: listed.path.display().to_string(),
            withdrawn: listed.withdrawn.clone(),
        }
    }

    pub fn steps_in_words(&self) -> String {
        let done = self.step.unwrap_or(0);
        self.steps.map_or_else(|| done.to_string(), |steps| format!("{done} of {steps}"))
    }

    pub fn state_in_words(&self) -> String {
        let state = match self.state {
            RunState::Running => "running",
            RunState::Finished => "finished",
            RunState::Stopped => "stopped; --resume goes on with it",
        };
        if self.withdrawn.is_some() { "withdrawn".to_owned() } else { state.to_owned() }
    }
}

/// The last validation that was better than those before; none where the log has none or cannot be read.
fn best(run: &Path) -> Option<Best> {
    let mut lines = RunLog::read(&run.join("log.jsonl")).ok()?.into_iter().rev();
    let mut line = lines.find(|line| line["kind"] == "validation" && line["is_best"] == true)?;
    let Value::Object(numbers) = line["numbers"].take() else { return None };
    Some(Best { step: line["step"].as_u64()?, numbers })
}
