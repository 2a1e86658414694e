//! What a training would take, from a step of it.

use std::fs;
use std::time::Instant;

use serde::Serialize;

use super::error::FitError;
use super::settings::FitSettings;
use super::task::Task;
use super::trainer::{Outcome, Trainer};
use crate::parameters::Parameters;

/// Time and memory of a training.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DryRun {
    /// The most memory that the process has held so far, as the system counts it; none where it does not tell. That of
    /// a GPU is not in it.
    pub peak_memory_bytes: Option<u64>,
    /// Seconds of a step, loading included: a training hides that behind the step before.
    pub seconds_per_step: f64,
    /// Of those, for loading.
    pub load_seconds: f64,
    /// Steps of the training.
    pub steps: u64,
    /// Samples that it would see.
    pub samples: u64,
    /// Numbers that are trained.
    pub parameters: usize,
    /// Estimate for all steps, loading hidden; validation and saving come on top.
    pub total_seconds: f64,
    /// Loss of the step; none where it is not finite.
    pub loss: Option<f64>,
}

/// Does one step, twice: the first also pays for what is set up once, the second is timed. `task.load` should give the
/// largest batch. Nothing is written; the parameters have moved afterwards.
///
/// # Errors
/// What [`fit`](super::fit) would end with in its first step.
pub fn dry_run<B>(
    parameters: &Parameters,
    task: &Task<'_, B>,
    settings: &FitSettings,
) -> Result<DryRun, FitError> {
    settings.check()?;
    let mut trainer = Trainer::new(parameters, task, settings, None)?;
    let (mut seconds, mut load_seconds, mut loss) = (0.0, 0.0, None);
    for step in 0..2 {
        let (started, mut micro_step) = (Instant::now(), step * settings.accumulate);
        load_seconds = 0.0;
        let outcome = trainer.step(step, &mut || {
            let started = Instant::now();
            let batch = (task.load)(micro_step);
            micro_step += 1;
            load_seconds += started.elapsed().as_secs_f64();
            batch
        })?;
        if let Outcome::Updated { loss: found, .. } = outcome {
            loss = Some(found);
        }
        seconds = started.elapsed().as_secs_f64();
    }
    Ok(DryRun {
        peak_memory_bytes: peak_memory_bytes(),
        seconds_per_step: seconds,
        load_seconds,
        steps: settings.steps,
        samples: settings.steps * settings.accumulate * settings.batch as u64,
        parameters: parameters.count(),
        total_seconds: settings.steps as f64 * (seconds - load_seconds).max(load_seconds),
        loss,
    })
}

/// `VmHWM` of Linux.
fn peak_memory_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}
