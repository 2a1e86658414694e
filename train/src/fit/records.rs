//! What a training writes while it goes: `log.jsonl` and TensorBoard's events.

use std::collections::BTreeMap;

use serde::Serialize;

use super::event::{Finished, Resumed, Skipped, StepLine};
use super::task::Validation;
use crate::run::events::EventWriter;
use crate::run::log::FINISHED;
use crate::run::{RunError, RunFolder, RunLog};

pub(super) struct Records {
    log: RunLog,
    events: EventWriter,
}

/// A line of the log: its kind, then what it says.
#[derive(Serialize)]
struct Line<'a, T> {
    kind: &'static str,
    #[serde(flatten)]
    content: &'a T,
}

#[derive(Serialize)]
struct ValidationLine<'a> {
    step: u64,
    numbers: &'a BTreeMap<String, f64>,
    is_best: bool,
}

#[derive(Serialize)]
struct FinishedLine {
    step: u64,
    skipped: u64,
    seconds: f64,
}

impl Records {
    /// Opens both files, cut off after the checkpoint that the run resumes from.
    pub fn open(run: &RunFolder, resumed: Option<&Resumed>) -> Result<Self, RunError> {
        let from = resumed.and_then(|resumed| resumed.checkpoint.as_ref().map(|_| resumed.step));
        let mut log = RunLog::open_at(&run.log_path(), from)?;
        if let Some(resumed) = resumed {
            log.write(&Line { kind: "resumed", content: resumed })?;
        }
        let next = resumed.map(|_| from.map_or(0, |step| step + 1));
        let events = EventWriter::create(run.path(), run.record().created_at_ms, next)?;
        Ok(Self { log, events })
    }

    pub fn step(&mut self, line: &StepLine) -> Result<(), RunError> {
        self.log.write(&Line { kind: "step", content: line })?;
        let terms: Vec<(String, f64)> =
            line.terms.iter().map(|(name, value)| (format!("train/{name}"), *value)).collect();
        let own = [
            ("train/loss", line.loss),
            ("train/gradient_norm", line.gradient_norm),
            ("train/learning_rate", line.learning_rate),
            ("time/wait_s", line.wait_s),
            ("time/compute_s", line.compute_s),
            ("time/samples_per_s", line.samples_per_s),
        ];
        self.events.scalars(line.step, terms.iter().map(|(tag, value)| (tag.as_str(), *value)).chain(own))
    }

    pub fn skipped(&mut self, skipped: &Skipped) -> Result<(), RunError> {
        self.log.write(&Line { kind: "skipped", content: skipped })
    }

    pub fn validation(&mut self, step: u64, validation: &Validation, is_best: bool) -> Result<(), RunError> {
        let content = ValidationLine { step, numbers: &validation.numbers, is_best };
        self.log.write(&Line { kind: "validation", content: &content })?;
        let tags: Vec<(String, f64)> =
            validation.numbers.iter().map(|(name, value)| (format!("validation/{name}"), *value)).collect();
        self.events.scalars(step, tags.iter().map(|(tag, value)| (tag.as_str(), *value)))?;
        validation.pictures.iter().try_for_each(|picture| self.events.picture(step, picture))
    }

    pub fn finished(&mut self, finished: &Finished) -> Result<(), RunError> {
        let Finished { step, skipped, seconds, .. } = *finished;
        self.log.write(&Line { kind: FINISHED, content: &FinishedLine { step, skipped, seconds } })?;
        self.sync()
    }

    /// Sees both to the disk.
    pub fn sync(&self) -> Result<(), RunError> {
        self.log.sync()?;
        self.events.sync()
    }
}
