//! Where a training begins: at the start, or at the newest checkpoint that verifies.

use std::fmt;

use candle_core::Device;
use serde::Serialize;

use super::checkpoint::{self, EMA, MOMENTS, PARAMETERS, State};
use super::error::FitError;
use super::event::Resumed;
use super::guard;
use super::settings::FitSettings;
use super::trainer::Trainer;
use crate::error::Result as TrainResult;
use crate::parameters::Parameters;
use crate::run::{RunFolder, tensors};

/// Whether to go on with what is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Resume {
    /// Begin at the start; refused where there are checkpoints.
    #[default]
    Never,
    /// Go on from the newest checkpoint that verifies; begin at the start where there is none yet.
    Newest {
        /// Settings that may be others than in the checkpoint: keys (`fit.learning_rate`) or tables (`fit`).
        allow_change: Vec<String>,
    },
}

/// A checkpoint that was not gone on from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PassedOver {
    /// Its step.
    pub step: u64,
    /// Why.
    pub reason: String,
}

impl fmt::Display for PassedOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "step {}: {}", self.step, self.reason)
    }
}

/// Sets trainer and parameters to where the training begins.
pub(super) fn begin<B>(
    run: &RunFolder,
    parameters: &Parameters,
    trainer: &mut Trainer<'_, B>,
    settings: &FitSettings,
    resume: &Resume,
) -> Result<(State, Option<Resumed>), FitError> {
    let dir = run.checkpoints_dir();
    let mut state = State::new(guard::settings_of(run.spec(), settings));
    let mut steps = checkpoint::steps(&dir)?;
    let Resume::Newest { allow_change } = resume else {
        return if steps.is_empty() {
            Ok((state, None))
        } else {
            Err(FitError::HasCheckpoints { run: run.path().to_owned() })
        };
    };
    let mut resumed = Resumed::default();
    while let Some(step) = steps.pop() {
        let found = match checkpoint::verify(&dir, step) {
            Ok(found) => found,
            Err(reason) => {
                resumed.passed_over.push(PassedOver { step, reason });
                continue;
            }
        };
        let path = checkpoint::path(&dir, step);
        let (changes, differences) = guard::compare(step, &found.settings, &state.settings, allow_change);
        if !differences.is_empty() {
            return Err(FitError::Changed { checkpoint: path, differences });
        }
        let mut restore = || -> TrainResult<()> {
            let read = |name: &str| tensors::load(&path.join(name), &Device::Cpu);
            trainer.restore(parameters, &read(PARAMETERS)?, &read(EMA)?, &read(MOMENTS)?, found.updates)
        };
        restore()
            .map_err(|source| FitError::Checkpoint { checkpoint: path.clone(), source: Box::new(source) })?;
        run.add_changes(&changes)?;
        state = State { settings: state.settings, settings_sha256: state.settings_sha256, ..found };
        (resumed.step, resumed.checkpoint, resumed.changes) = (step, Some(path), changes);
        return Ok((state, Some(resumed)));
    }
    if resumed.passed_over.is_empty() {
        // Its folder says by its id what it was begun with.
        let record = run.record();
        let recorded = guard::recorded(&record.spec, settings);
        let (changes, differences) = guard::compare(0, &recorded, &state.settings, allow_change);
        if !differences.is_empty() {
            return Err(FitError::Changed { checkpoint: run.path().to_owned(), differences });
        }
        run.add_changes(&changes)?;
        resumed.changes = changes;
        return Ok((state, Some(resumed)));
    }
    Err(FitError::NoneVerifies { folder: dir, passed_over: resumed.passed_over })
}
