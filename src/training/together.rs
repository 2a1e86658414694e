//! A training in this process, or as one of several that torchrun or Slurm started.

use anyhow::{Result, bail};
use train::fit::{self, Finished, FitSettings, Resume, Task};
use train::group::{Group, Ranks};
use train::parameters::Parameters;
use train::run::{RunFolder, RunSpec};

use super::shown::FitProgress;

/// Waits for the other processes that torchrun or Slurm started with this one; `None` where it is the only one.
pub fn join() -> Result<Option<Group>> {
    Ok(match Ranks::from_env()? {
        Some(ranks) => Some(Group::join(&ranks)?),
        None => None,
    })
}

/// What the first process is to do before the others do the same: they then find there what it made.
pub fn first_alone<T>(group: Option<&Group>, work: impl Fn() -> Result<T>) -> Result<T> {
    let Some(group) = group else { return work() };
    if group.rank() > 0 {
        group.broadcast(Vec::new())?;
    }
    let done = work();
    match &done {
        Ok(_) if group.rank() == 0 => drop(group.broadcast(Vec::new())?),
        Ok(_) => {}
        Err(error) => group.fail(&format!("{error:#}")),
    }
    done
}

/// Trains to the last step the run of `spec`. `begin` gives its folder; of a `group`, the first process has
/// it alone, and the others give `None`.
pub fn train<B: Send>(
    group: Option<&Group>,
    spec: &RunSpec,
    begin: impl FnOnce() -> Result<(RunFolder, Resume)>,
    parameters: &Parameters,
    task: &Task<'_, B>,
    settings: &FitSettings,
) -> Result<Option<(RunFolder, Finished)>> {
    if let Some(group) = group.filter(|group| group.rank() > 0) {
        fit::follow(group, spec, parameters, task, settings)?;
        return Ok(None);
    }
    let begun = begin();
    if let (Some(group), Err(error)) = (group, &begun) {
        group.fail(&format!("{error:#}"));
    }
    let (folder, resume) = begun?;
    let mut progress = FitProgress::default();
    let tell = &mut |event: &fit::Event<'_>| progress.show(event);
    let finished = fit::fit_in(group, &folder, parameters, task, settings, &resume, tell)?;
    progress.finish();
    Ok(Some((folder, finished)))
}

/// Refuses a group of processes where a command works in one: each would do all of it, and write to the same files.
pub fn refuse_group(command: &str) -> Result<()> {
    match Ranks::from_env()? {
        Some(ranks) => bail!(
            "`{command}` works in one process, and the environment says that this is one of {} (WORLD_SIZE, or \
             SLURM_NTASKS with MASTER_ADDR): start it without torchrun or srun, or unset these",
            ranks.size
        ),
        None => Ok(()),
    }
}
