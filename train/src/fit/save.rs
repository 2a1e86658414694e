//! A save: the model file, the checkpoint, and then what is too old goes.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::checkpoint::{self, EMA, MOMENTS, PARAMETERS, State};
use super::error::FitError;
use super::task::Task;
use super::trainer::Trainer;
use crate::parameters::Parameters;
use crate::run::durable::{self, TemporaryFolder};
use crate::run::{RunError, RunFolder};

/// Writes model file and checkpoint, and gives the checkpoint's folder.
///
/// The model comes first: then a run that has a checkpoint has a model of that step or a later one.
pub(super) fn save<B>(
    run: &RunFolder,
    parameters: &Parameters,
    task: &Task<'_, B>,
    trainer: &Trainer<'_, B>,
    state: &State,
    keep_last: usize,
) -> Result<PathBuf, FitError> {
    let average = trainer.ema.values();
    let (model, dir) = (run.model_dir(), run.checkpoints_dir());
    let folder = TemporaryFolder::create(run.path(), "model")?;
    (task.save_model)(&average, folder.path())
        .map_err(|source| FitError::save_model(state.step, &model, source))?;
    replace_files(folder.path(), &model)?;
    drop(folder);
    let (values, moments) = (parameters.values()?, trainer.optimiser.moments()?);
    let files = [(PARAMETERS, &values), (EMA, &average), (MOMENTS, &moments)];
    let checkpoint = checkpoint::write(&dir, state, &files)?;
    checkpoint::prune(&dir, state.step, state.best.as_ref().map(|best| best.step), keep_last)?;
    Ok(checkpoint)
}

/// Moves every file of a folder into another, each in the place of the one of its name, all of it or nothing.
fn replace_files(from: &Path, into: &Path) -> Result<(), RunError> {
    fs::create_dir_all(into).map_err(RunError::io("create", into))?;
    let entries = fs::read_dir(from).map_err(RunError::io("read", from))?;
    let mut files = entries
        .map(|entry| entry.map(|entry| entry.path()).map_err(RunError::io("read", from)))
        .collect::<Result<Vec<PathBuf>, RunError>>()?;
    files.sort();
    for file in files {
        File::open(&file).and_then(|file| file.sync_all()).map_err(RunError::io("sync", &file))?;
        let target = into.join(file.file_name().unwrap_or_default());
        fs::rename(&file, &target).map_err(RunError::io("rename", &file))?;
    }
    durable::sync_dir(into)
}
