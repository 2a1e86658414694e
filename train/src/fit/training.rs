//! The loop from the first step to the last.

use std::path::PathBuf;
use std::time::Instant;

use super::checkpoint::{self, State};
use super::error::FitError;
use super::event::{Best, Event, Finished, Resumed, Skipped, StepLine};
use super::loader::{Batches, load_ahead};
use super::records::Records;
use super::resume::{self, Resume};
use super::save::save;
use super::settings::FitSettings;
use super::share::{agreed, receive_start, send_start};
use super::task::{Task, Validation, ValidationContext};
use super::trainer::{Outcome, Trainer};
use crate::error::chain;
use crate::group::Group;
use crate::parameters::Parameters;
use crate::run::durable;
use crate::run::{RunFolder, RunSpec};

/// A single bad photo costs a step; three steps in a row mean that the parameters themselves give no finite numbers any
/// more, and the rest of the training would be skipped as well.
const SKIPPED_IN_A_ROW: u32 = 3;

/// Trains `parameters` in `run`, from the start or from a checkpoint, to the last step.
///
/// On the CPU, a run that was killed at any moment and resumed ends with the bytes of one that was not. `tell` hears of
/// everything that happens.
///
/// # Errors
/// See [`FitError`]. What was saved before stays, and a run that ends with an error can be resumed.
pub fn fit<B: Send>(
    run: &RunFolder,
    parameters: &Parameters,
    task: &Task<'_, B>,
    settings: &FitSettings,
    resume: &Resume,
    tell: &mut dyn FnMut(&Event<'_>),
) -> Result<Finished, FitError> {
    fit_in(None, run, parameters, task, settings, resume, tell)
}

/// The same as the first of a `group`, whose processes share the batches of each step (`fit.accumulate` is a
/// multiple of their number), so that the samples of a step are the same for any number of them. The others
/// [`follow`].
///
/// # Errors
/// See [`FitError`]; the others hear of it.
pub fn fit_in<B: Send>(
    group: Option<&Group>,
    run: &RunFolder,
    parameters: &Parameters,
    task: &Task<'_, B>,
    settings: &FitSettings,
    resume: &Resume,
    tell: &mut dyn FnMut(&Event<'_>),
) -> Result<Finished, FitError> {
    told(group, lead(group, run, parameters, task, settings, resume, tell))
}

/// The first process's part of a training: that of the only one, where there is no group.
fn lead<B: Send>(
    group: Option<&Group>,
    run: &RunFolder,
    parameters: &Parameters,
    task: &Task<'_, B>,
    settings: &FitSettings,
    resume: &Resume,
    tell: &mut dyn FnMut(&Event<'_>),
) -> Result<Finished, FitError> {
    settings.check()?;
    if !run.is_locked() {
        return Err(FitError::NotLocked { run: run.path().to_owned() });
    }
    durable::remove_abandoned(run.path())?;
    durable::remove_abandoned(&run.checkpoints_dir())?;
    let mut trainer = Trainer::new(parameters, task, settings, group)?;
    let (state, resumed) = resume::begin(run, parameters, &mut trainer, settings, resume)?;
    if let Some(group) = group {
        let moments = trainer.optimiser.moments()?;
        let agreed = agreed(run.spec(), settings, trainer.compute());
        send_start(group, &agreed, state.step, trainer.optimiser.steps(), &parameters.values()?, &moments)?;
    }
    let records = Records::open(run, resumed.as_ref())?;
    tell(&Event::Started {
        from_step: state.step,
        steps: settings.steps,
        parameters: parameters.count(),
        resumed: resumed.as_ref(),
    });
    let micro_steps = trainer.own(state.step * settings.accumulate..settings.steps * settings.accumulate);
    let checkpoint = resumed.as_ref().and_then(|resumed| resumed.checkpoint.clone());
    let training =
        Training { run, parameters, task, settings, tell, trainer, state, records, checkpoint, loss: None };
    load_ahead(task.load, micro_steps, settings.prefetch, |batches| training.go(batches, resumed))
}

/// Trains as one of the others of a group, from where the first begins to the last step. Nothing is written.
/// `spec` is that of the run that this process's configuration makes, and has to be the first one's.
///
/// # Errors
/// See [`FitError`]; the others hear of it.
pub fn follow<B: Send>(
    group: &Group,
    spec: &RunSpec,
    parameters: &Parameters,
    task: &Task<'_, B>,
    settings: &FitSettings,
) -> Result<(), FitError> {
    told(Some(group), take_part(group, spec, parameters, task, settings))
}

/// Every step of a process that is not the first.
fn take_part<B: Send>(
    group: &Group,
    spec: &RunSpec,
    parameters: &Parameters,
    task: &Task<'_, B>,
    settings: &FitSettings,
) -> Result<(), FitError> {
    settings.check()?;
    let mut trainer = Trainer::new(parameters, task, settings, Some(group))?;
    let start = receive_start(group, &agreed(spec, settings, trainer.compute()))?;
    trainer.start(parameters, &start)?;
    let own = trainer.own(start.step * settings.accumulate..settings.steps * settings.accumulate);
    load_ahead(task.load, own, settings.prefetch, move |mut batches| {
        // Dropped before the loader is waited for: that ends a sum that others will not join, behind which the loader's
        // copies to the card would wait.
        let mut trainer = trainer;
        // A step that is skipped is counted by the first, which ends all after three in a row.
        for step in start.step..settings.steps {
            trainer.step(step, &mut || batches.next())?;
        }
        Ok(())
    })
}

/// Lets the other processes hear of a failure.
fn told<T>(group: Option<&Group>, result: Result<T, FitError>) -> Result<T, FitError> {
    if let (Some(group), Err(error)) = (group, &result) {
        group.fail(&chain(error));
    }
    result
}

struct Training<'a, 'b, B> {
    run: &'a RunFolder,
    parameters: &'a Parameters,
    task: &'a Task<'a, B>,
    settings: &'a FitSettings,
    tell: &'a mut dyn FnMut(&Event<'_>),
    trainer: Trainer<'b, B>,
    state: State,
    records: Records,
    /// The newest.
    checkpoint: Option<PathBuf>,
    loss: Option<f64>,
}

impl<B> Training<'_, '_, B> {
    fn go(mut self, mut batches: Batches<B>, resumed: Option<Resumed>) -> Result<Finished, FitError> {
        let started = Instant::now();
        let settings = self.settings;
        if self.state.step == 0 {
            self.validate()?;
        }
        while self.state.step < settings.steps {
            self.step(&mut batches)?;
            let done = self.state.step;
            let is_last = done == settings.steps;
            let is_best = if done.is_multiple_of(settings.validate_every) || is_last {
                self.validate()?
            } else {
                false
            };
            // The best is saved when it is found: later there is nothing left to save. While steps are skipped, nothing
            // is: the parameters may be what is wrong, and would take the place of good ones.
            let is_due = done.is_multiple_of(settings.save_every) && self.state.skipped_in_a_row == 0;
            if is_due || is_last || is_best {
                self.save()?;
            }
        }
        let best = self.state.best.as_ref().map(|best| best.step);
        // Again for a run that was killed after its last checkpoint, before the older ones were removed.
        checkpoint::prune(&self.run.checkpoints_dir(), self.state.step, best, settings.keep_last)?;
        let finished = Finished {
            step: self.state.step,
            loss: self.loss,
            skipped: self.state.skipped,
            best: self.state.best,
            checkpoint: self.checkpoint.unwrap_or_default(),
            model: self.run.model_dir(),
            resumed,
            seconds: started.elapsed().as_secs_f64(),
        };
        self.records.finished(&finished)?;
        Ok(finished)
    }

    fn step(&mut self, batches: &mut Batches<B>) -> Result<(), FitError> {
        let (started, step) = (Instant::now(), self.state.step);
        let outcome = self.trainer.step(step, &mut || batches.next())?;
        let wait = batches.take_waited().as_secs_f64();
        self.state.step += 1;
        self.state.updates = self.trainer.optimiser.steps();
        match outcome {
            Outcome::Updated { loss, terms, gradient_norm } => {
                self.state.skipped_in_a_row = 0;
                self.loss = Some(loss);
                let seconds = started.elapsed().as_secs_f64();
                let samples = self.settings.batch as f64 * self.settings.accumulate as f64;
                let line = StepLine {
                    step: self.state.step,
                    loss,
                    terms,
                    gradient_norm,
                    learning_rate: self.settings.schedule().at(step),
                    wait_s: wait,
                    compute_s: seconds - wait,
                    samples_per_s: samples / seconds.max(f64::MIN_POSITIVE),
                };
                let is_due = self.state.step.is_multiple_of(self.settings.log_every);
                if is_due || step == 0 || self.state.step == self.settings.steps {
                    self.records.step(&line)?;
                }
                (self.tell)(&Event::Step(&line));
            }
            Outcome::NotFinite { what, value, batch } => self.skip(what, value, batch)?,
        }
        Ok(())
    }

    fn skip(&mut self, what: &'static str, value: f64, batch: String) -> Result<(), FitError> {
        self.state.skipped += 1;
        self.state.skipped_in_a_row += 1;
        let skipped = Skipped {
            step: self.state.step,
            what,
            value: value.to_string(),
            batch,
            seed: self.run.spec().seed,
            in_a_row: self.state.skipped_in_a_row,
        };
        self.records.skipped(&skipped)?;
        (self.tell)(&Event::Skipped(&skipped));
        if skipped.in_a_row < SKIPPED_IN_A_ROW {
            return Ok(());
        }
        let dir = self.run.checkpoints_dir();
        let first_skipped = skipped.step - u64::from(skipped.in_a_row);
        // A checkpoint is only made after a finite step, so each says of the one before it that it was good.
        let mut steps = checkpoint::steps(&dir)?;
        let doubtful = steps.pop_if(|step| *step == first_skipped).map(|step| checkpoint::path(&dir, step));
        let last_good = steps.last().map(|step| checkpoint::path(&dir, *step));
        Err(FitError::NotFinite { skipped: Box::new(skipped), last_good, doubtful })
    }

    /// Validates, and tells whether this is the best so far. The start does not count, nor do skipped steps.
    fn validate(&mut self) -> Result<bool, FitError> {
        let step = self.state.step;
        let context = ValidationContext {
            step,
            steps: self.settings.steps,
            compute: self.trainer.compute(),
            run: self.run,
        };
        let validated = self.trainer.ema.in_place_of(self.parameters, || (self.task.validate)(&context))?;
        let validation = validated.map_err(|source| FitError::Validate { step, source })?;
        let best = self.better(&validation).filter(|_| step > 0 && self.state.skipped_in_a_row == 0);
        let is_best = best.is_some();
        if is_best {
            self.state.best = best;
        }
        self.records.validation(step, &validation, is_best)?;
        (self.tell)(&Event::Validated { step, validation: &validation, is_best });
        Ok(is_best)
    }

    fn better(&self, validation: &Validation) -> Option<Best> {
        let key = validation.minimise.as_ref()?;
        let value = *validation.numbers.get(key).filter(|value| value.is_finite())?;
        let is_better = self.state.best.as_ref().is_none_or(|best| best.key != *key || value < best.number());
        is_better.then(|| Best { step: self.state.step, key: key.clone(), value: value.to_string() })
    }

    fn save(&mut self) -> Result<(), FitError> {
        // A checkpoint must not outlive the log up to it.
        self.records.sync()?;
        let checkpoint =
            save(self.run, self.parameters, self.task, &self.trainer, &self.state, self.settings.keep_last)?;
        (self.tell)(&Event::Saved { step: self.state.step, checkpoint: &checkpoint });
        self.checkpoint = Some(checkpoint);
        Ok(())
    }
}
