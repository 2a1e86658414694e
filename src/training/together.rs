//! A training in this process, or as one of several that torchrun or Slurm started.

use anyhow::{Result, bail};
use train::fit::{self, Finished, FitSettings, Resume, Task};
use train::group::{Group, Ranks};
use train::parameters::Parameters;
use train::run::RunFolder;

use super::shown::FitProgress;

/// Trains to the last step. `begin` gives the run's folder; of several processes the first has it alone, and the others
/// give `None`.
pub fn train<B: Send>(
    begin: impl FnOnce() -> Result<(RunFolder, Resume)>,
    parameters: &Parameters,
    task: &Task<'_, B>,
    settings: &FitSettings,
) -> Result<Option<(RunFolder, Finished)>> {
    let group = match Ranks::from_env()? {
        Some(ranks) => Some(Group::join(&ranks)?),
        None => None,
    };
    if let Some(group) = group.as_ref().filter(|group| group.rank() > 0) {
        fit::follow(group, parameters, task, settings)?;
        return Ok(None);
    }
    let begun = begin();
    if let (Some(group), Err(error)) = (&group, &begun) {
        group.fail(&format!("{error:#}"));
    }
    let (folder, resume) = begun?;
    let mut progress = FitProgress::default();
    let tell = &mut |event: &fit::Event<'_>| progress.show(event);
    let finished = fit::fit_in(group.as_ref(), &folder, parameters, task, settings, &resume, tell)?;
    progress.finish();
    Ok(Some((folder, finished)))
}

/// Refuses a group of processes where a command works in one.
pub fn refuse_group(command: &str) -> Result<()> {
    match Ranks::from_env()? {
        Some(ranks) => bail!("`{command}` trains in one process; {} were started (WORLD_SIZE)", ranks.size),
        None => Ok(()),
    }
}
