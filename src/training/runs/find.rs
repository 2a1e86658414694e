//! A run by id, name or folder.

use std::path::Path;

use anyhow::{Context, Result, bail};
use train::run::{Listed, RunFolder};

/// The shortest beginning of an id that is taken for one.
const MIN_ID_CHARS: usize = 4;

/// Finds a run by its folder, the folder's name, its id or the beginning of it, or its name. It is not locked.
pub fn find(runs_dir: &Path, wanted: &str) -> Result<RunFolder> {
    let open = |path: &Path| RunFolder::open(path).with_context(|| format!("open run `{wanted}`"));
    let path = Path::new(wanted);
    if path.join("run.json").is_file() {
        return open(path);
    }
    let listed = RunFolder::list(runs_dir)?;
    let found: Vec<&Listed> = listed.iter().filter(|one| is_meant(one, wanted)).collect();
    match found[..] {
        [one] => open(&one.path),
        [] if listed.is_empty() => {
            bail!("run `{wanted}`: there is none in {} yet; `bolid train` makes one", runs_dir.display())
        }
        [] => bail!("run `{wanted}`: there is none; there are {}", names(listed.iter())),
        _ => {
            bail!("run `{wanted}`: it may be any of {}; give the id or the folder", names(found.into_iter()))
        }
    }
}

/// The run of an id, if it is in the work folder.
pub fn find_by_id(runs_dir: &Path, id: &str) -> Result<Option<RunFolder>> {
    let listed = RunFolder::list(runs_dir)?;
    let found = listed.iter().find(|one| one.run.as_ref().is_ok_and(|run| run.id == id));
    found.map(|one| RunFolder::open(&one.path).with_context(|| format!("open run {id}"))).transpose()
}

/// Finds a run whose model is to be used: one that was withdrawn is refused.
pub fn find_usable(runs_dir: &Path, wanted: &str) -> Result<RunFolder> {
    let run = find(runs_dir, wanted)?;
    refuse_withdrawn(&run)?;
    Ok(run)
}

/// Refuses a run that saw what was erased: its model is neither used nor trained on.
pub fn refuse_withdrawn(run: &RunFolder) -> Result<()> {
    if let Some(note) = run.withdrawn()? {
        bail!(
            "{} is withdrawn: {}. Train anew on a snapshot that was made since; `bolid runs show` names the files \
             that were exported from it",
            folder_name(run.path()),
            note.reason
        );
    }
    Ok(())
}

/// Refuses the folder of a model that lies in a withdrawn run; a model folder anywhere else has no run to ask.
pub fn refuse_model_of_withdrawn(model: &Path) -> Result<()> {
    let inside = model.canonicalize().with_context(|| format!("find {}", model.display()))?;
    match inside.parent().filter(|parent| parent.join("run.json").is_file()) {
        Some(run) => refuse_withdrawn(&RunFolder::open(run)?),
        None => Ok(()),
    }
}

fn is_meant(listed: &Listed, wanted: &str) -> bool {
    let by_record = listed.run.as_ref().is_ok_and(|record| {
        record.spec.name == wanted || (wanted.len() >= MIN_ID_CHARS && record.id.starts_with(wanted))
    });
    by_record || folder_name(&listed.path) == wanted
}

fn names<'a>(listed: impl Iterator<Item = &'a Listed>) -> String {
    listed.map(|one| folder_name(&one.path)).collect::<Vec<_>>().join(", ")
}

/// `<name>-<id>`
pub(super) fn folder_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}
