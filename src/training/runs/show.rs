//! `bolid runs show`.

use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::{Map, Value};
use train::run::{Change, RunFolder, RunLog};

use super::exports::{self, Export};
use super::find::find;
use super::list::Line;
use crate::output::Output;

/// Lines of the log that are shown.
const LOG_LINES: usize = 5;

#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    line: Line,
    program_version: String,
    seed: u64,
    created_at_ms: u64,
    config: Value,
    /// What changed on resuming.
    changes: Vec<Change>,
    /// The last lines of the log, oldest first.
    log: Vec<Value>,
    exports: Vec<Export>,
}

/// Everything that a run's folder tells. `wanted`: the run's id or the beginning of it, its name, or its folder.
pub fn show(runs_dir: &Path, wanted: &str, output: Output) -> Result<()> {
    let run = find(runs_dir, wanted)?;
    let path = run.path().canonicalize().with_context(|| format!("find {}", run.path().display()))?;
    let beside = RunFolder::list(path.parent().unwrap_or(&path))?;
    let listed = beside.iter().find(|listed| listed.path == path);
    let listed = listed.with_context(|| format!("run `{wanted}`: {} is gone", path.display()))?;
    let record = run.record();
    let log = path.join("log.jsonl");
    let mut log = if log.exists() { RunLog::read(&log)? } else { Vec::new() };
    let shown = Shown {
        line: Line::new(listed, record),
        program_version: record.spec.program_version.clone(),
        seed: record.spec.seed,
        created_at_ms: record.created_at_ms,
        config: record.spec.config.clone(),
        changes: record.changes.clone(),
        log: log.split_off(log.len().saturating_sub(LOG_LINES)),
        exports: exports::read(&path)?,
    };
    output.show(&shown, Shown::in_words)?;
    Ok(())
}

impl Shown {
    fn in_words(&self) -> String {
        let run = &self.line;
        let mut lines = vec![format!("run {}-{} ({})", run.name, run.id, run.kind)];
        let mut line = |name: &str, text: String| lines.push(format!("  {name:<11} {text}"));
        if let Some(note) = &run.withdrawn {
            line("withdrawn", format!("{} ({} photos)", note.reason, note.photos));
        }
        line("folder", run.path.clone());
        line("snapshot", format!("{}-{}", run.snapshot.name, run.snapshot.id));
        line("program", self.program_version.clone());
        line("seed", self.seed.to_string());
        line("steps", format!("{}, {}", run.steps_in_words(), run.state_in_words()));
        if let Some(loss) = run.loss {
            line("loss", format!("{loss:.5}"));
        }
        if let Some(best) = &run.best {
            line("best", format!("step {}: {}", best.step, numbers(&best.numbers)));
        }
        let steps: Vec<String> = run.checkpoints.iter().map(ToString::to_string).collect();
        line("checkpoints", if steps.is_empty() { "none yet".to_owned() } else { steps.join(", ") });
        for change in &self.changes {
            line(
                "changed",
                format!("{} from {} to {} at step {}", change.key, change.from, change.to, change.step),
            );
        }
        for (key, value) in flattened("", &self.config) {
            line("config", format!("{key} = {value}"));
        }
        for entry in &self.log {
            line("log", entry.to_string());
        }
        for export in &self.exports {
            line(
                "exported",
                format!("{} ({}, {})", export.path.display(), export.what, export.sha256.short()),
            );
        }
        lines.join("\n")
    }
}

fn numbers(numbers: &Map<String, Value>) -> String {
    numbers.iter().map(|(name, value)| format!("{name} {value}")).collect::<Vec<_>>().join(", ")
}

/// Every setting by its path, as it is typed: `fit.steps`.
fn flattened(prefix: &str, config: &Value) -> Vec<(String, String)> {
    let Value::Object(table) = config else { return vec![(prefix.to_owned(), config.to_string())] };
    let inner = |(key, value): (&String, &Value)| {
        let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        flattened(&path, value)
    };
    table.iter().flat_map(inner).collect()
}
