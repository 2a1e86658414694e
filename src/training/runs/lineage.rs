//! Which runs saw what is erased: a run names its snapshot, the snapshot its photos.
//!
//! A model cannot forget a photo, so its run is marked and not changed: nothing uses it any more, and whoever erases
//! learns which files came from it. What shows the erased photos goes from its folder: the report, grids, TensorBoard's
//! files (they hold pictures), and the lines of the log that name them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::Value;
use snapshot::{Mention, Snapshot};
use train::run::{Listed, RunFolder, Withdrawn};

use super::exports::{self, Export};
use super::find::folder_name;

/// Files of a run that show photos end so: grids, and the report with pictures inside.
const PICTURES: [&str; 5] = [".html", ".png", ".jpg", ".jpeg", ".webp"];
/// What stands where an erased name stood.
const ERASED: &str = "erased";
/// TensorBoard's files begin so; they hold pictures as well.
const EVENTS: &str = "events.out.tfevents.";

/// Tells what is erased.
pub struct Erased<'a> {
    /// Whether a photo of a snapshot is.
    pub photo: &'a dyn Fn(&Mention<'_>) -> bool,
    /// Whether a text is the name, the address or the digest of something that is.
    pub name: &'a dyn Fn(&str) -> bool,
    /// Now, in Unix milliseconds.
    pub now_ms: i64,
}

/// A run that saw what is erased.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WithdrawnRun {
    /// Its folder's name, `<name>-<id>`.
    pub run: String,
    /// The ids of its snapshots that are withdrawn.
    pub snapshots: Vec<String>,
    /// How many of the photos it was trained on are erased; 0 where the snapshot had dropped them.
    pub photos: u64,
    /// The files that were exported from it.
    pub exports: Vec<Export>,
}

/// Marks the runs that saw what is erased. To be called before their snapshots go: afterwards nobody can tell who was
/// in them. Gives the same runs again after an erasure that was interrupted before then.
pub fn mark_before(runs_dir: &Path, snapshots_dir: &Path, erased: &Erased<'_>) -> Result<Vec<WithdrawnRun>> {
    let runs = readable(runs_dir)?;
    let mut seen = BTreeMap::new();
    let snapshots: BTreeMap<_, _> =
        snapshot::list(snapshots_dir)?.snapshots.into_iter().map(|found| (found.id, found.path)).collect();
    for (_, ids) in &runs {
        for id in ids {
            if let Some(path) = snapshots.get(id).filter(|_| !seen.contains_key(id)) {
                seen.insert(id.clone(), erased_photos(path, erased)?);
            }
        }
    }
    let mut marked = Vec::new();
    for (run, ids) in runs {
        let snapshots: Vec<String> =
            ids.into_iter().filter(|id| seen.get(id).is_some_and(|photos| *photos > 0)).collect();
        if !snapshots.is_empty() {
            let photos = snapshots.iter().map(|id| seen[id]).sum();
            remove_traces(run.path(), erased)?;
            marked.push(mark(&run, snapshots, photos, erased.now_ms)?);
        }
    }
    Ok(marked)
}

/// Marks the other runs of snapshots that are withdrawn: they had dropped the photos that were erased, but nobody could
/// tell which runs saw whoever is erased next. Also names those of which nobody can tell even now.
pub fn mark_after(
    runs_dir: &Path,
    snapshots_dir: &Path,
    erased: &Erased<'_>,
) -> Result<(Vec<WithdrawnRun>, Vec<String>)> {
    let listing = snapshot::list(snapshots_dir)?;
    let withdrawn: BTreeSet<String> = listing.withdrawn.into_iter().map(|(note, _)| note.id).collect();
    let known: BTreeSet<String> = listing.snapshots.into_iter().map(|found| found.id).collect();
    let (mut marked, mut unknown) = (Vec::new(), Vec::new());
    for (run, ids) in readable(runs_dir)? {
        if run.withdrawn()?.is_some() {
            continue;
        }
        let snapshots: Vec<String> = ids.iter().filter(|id| withdrawn.contains(*id)).cloned().collect();
        if !snapshots.is_empty() {
            marked.push(mark(&run, snapshots, 0, erased.now_ms)?);
        } else if !ids.iter().all(|id| known.contains(id)) {
            unknown.push(folder_name(run.path()));
        }
    }
    Ok((marked, unknown))
}

/// The runs whose `run.json` can be read, with the ids of their snapshots; the others are named on stderr.
fn readable(runs_dir: &Path) -> Result<Vec<(RunFolder, Vec<String>)>> {
    let mut runs = Vec::new();
    for Listed { path, run, .. } in RunFolder::list(runs_dir)? {
        match run {
            Ok(record) => {
                let ids = record.snapshot_ids().into_iter().map(str::to_owned).collect();
                runs.push((RunFolder::open(&path)?, ids));
            }
            Err(error) => {
                let (path, error) = (path.display(), anyhow::Error::new(error));
                tracing::warn!(%path, "nobody can tell whether this run saw what was erased: {error:#}");
            }
        }
    }
    Ok(runs)
}

/// How many of the photos that a snapshot keeps are erased; 0 for one that cannot be read, which is named elsewhere.
fn erased_photos(path: &Path, erased: &Erased<'_>) -> Result<u64> {
    let snapshot = match Snapshot::open(path) {
        Ok(snapshot) => snapshot,
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "nobody can tell who was in this snapshot");
            return Ok(0);
        }
    };
    Ok(snapshot.photos().iter().filter(|photo| is_erased(photo, erased)).count() as u64)
}

fn is_erased(photo: &snapshot::KeptPhoto, erased: &Erased<'_>) -> bool {
    (erased.photo)(&Mention {
        identity: &photo.identity,
        url: &photo.facts.url,
        page_url: photo.facts.page_url.as_deref(),
        sha256: Some(photo.facts.sha256),
    })
}

fn mark(run: &RunFolder, snapshots: Vec<String>, photos: u64, now_ms: i64) -> Result<WithdrawnRun> {
    let before = run.withdrawn()?.map_or(0, |note| note.photos);
    let ids = snapshots.join(", ");
    let reason = if photos > 0 {
        format!("photos of snapshot {ids} that its model was trained on were erased on request")
    } else {
        format!("snapshot {ids} was withdrawn; its model was not trained on the photos that were erased")
    };
    let note =
        Withdrawn { reason, photos: photos.max(before), withdrawn_at_ms: u64::try_from(now_ms).unwrap_or(0) };
    run.withdraw(&note)?;
    Ok(WithdrawnRun { run: folder_name(run.path()), snapshots, photos, exports: exports::read(run.path())? })
}

/// Removes what shows or names erased photos. The figures stay in the log.
fn remove_traces(run: &Path, erased: &Erased<'_>) -> Result<()> {
    let mut folders = vec![run.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| format!("list {}", folder.display()))? {
            let path = entry?.path();
            let name = folder_name(&path);
            if path.is_dir() {
                folders.push(path);
            } else if PICTURES.iter().any(|end| name.ends_with(end)) || name.starts_with(EVENTS) {
                fs::remove_file(&path).with_context(|| format!("remove {}", path.display()))?;
            }
        }
    }
    forget_names(run, erased)?;
    let log = run.join("log.jsonl");
    if !log.exists() {
        return Ok(());
    }
    let text = fs::read(&log).with_context(|| format!("read {}", log.display()))?;
    let kept = text.split_inclusive(|&byte| byte == b'\n').filter(|line| !names_erased(line, erased));
    let kept = kept.collect::<Vec<_>>().concat();
    if kept.len() == text.len() {
        return Ok(());
    }
    write_anew(run, &log, &kept)
}

/// Takes erased names out of the configuration of a training of one person. Its checkpoints hold the configuration as
/// well; nobody goes on with them.
fn forget_names(run: &Path, erased: &Erased<'_>) -> Result<()> {
    let record = run.join("run.json");
    let text = fs::read_to_string(&record).with_context(|| format!("read {}", record.display()))?;
    let mut value: Value =
        serde_json::from_str(&text).with_context(|| format!("read {}", record.display()))?;
    if !replace_names(&mut value, erased) {
        return Ok(());
    }
    let config = run.join("config.toml");
    let lines = fs::read_to_string(&config).with_context(|| format!("read {}", config.display()))?;
    let kept = lines.split_inclusive('\n').filter(|line| !is_named(line, erased.name));
    write_anew(run, &config, kept.collect::<String>().as_bytes())?;
    let checkpoints = run.join("checkpoints");
    if checkpoints.exists() {
        fs::remove_dir_all(&checkpoints).with_context(|| format!("remove {}", checkpoints.display()))?;
    }
    // Last: until it is done, another erasure finds what is left.
    write_anew(run, &record, serde_json::to_string_pretty(&value)?.as_bytes())
}

/// Puts [`ERASED`] where a text names something erased; whether there was one.
fn replace_names(value: &mut Value, erased: &Erased<'_>) -> bool {
    match value {
        Value::String(text) if is_named(text, erased.name) => {
            ERASED.clone_into(text);
            true
        }
        Value::Array(items) => items.iter_mut().fold(false, |any, item| replace_names(item, erased) | any),
        Value::Object(map) => map.values_mut().fold(false, |any, item| replace_names(item, erased) | any),
        _ => false,
    }
}

/// Replaces a file of a run at once.
fn write_anew(run: &Path, file: &Path, bytes: &[u8]) -> Result<()> {
    let failed = || format!("write {}", file.display());
    let mut anew = tempfile::NamedTempFile::new_in(run).with_context(failed)?;
    anew.write_all(bytes).with_context(failed)?;
    anew.as_file().sync_all().with_context(failed)?;
    anew.persist(file).with_context(failed)?;
    Ok(())
}

/// Whether a text names something erased, by itself or as a word.
fn is_named(text: &str, is_erased: &dyn Fn(&str) -> bool) -> bool {
    // Messages name several: `demo/ada (0123…), demo/bea`. An address has `:` and `.` inside.
    let is_between = |c: char| c.is_whitespace() || "`'\"()[],;=".contains(c);
    let bare = |word: &str| is_erased(word.trim_matches([':', '.']));
    is_erased(text) || text.split(is_between).any(bare)
}

/// Whether a line of the log has a text that names something erased, by itself or as a word.
fn names_erased(line: &[u8], erased: &Erased<'_>) -> bool {
    fn has(value: &Value, is_erased: &dyn Fn(&str) -> bool) -> bool {
        match value {
            Value::String(text) => is_named(text, is_erased),
            Value::Array(items) => items.iter().any(|item| has(item, is_erased)),
            Value::Object(map) => map.iter().any(|(key, value)| is_erased(key) || has(value, is_erased)),
            _ => false,
        }
    }
    // A line that is half written is no JSON; whatever it says goes.
    serde_json::from_slice(line).map_or(true, |value| has(&value, erased.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_whoever_is_erased_stays_nowhere_in_a_training_of_one_person() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let run = folder.path();
        fs::create_dir(run.join("checkpoints"))?;
        fs::write(run.join("checkpoints/state.json"), "{\"person\": \"mine/ada\"}")?;
        fs::write(run.join("config.toml"), "name = \"one\"\nperson = \"mine/ada\"\nseed = 3\n")?;
        let record = r#"{"spec": {"name": "one", "config": {"person": "mine/ada", "steps": 4}}, "changes": ["to mine/ada, 3"]}"#;
        fs::write(run.join("run.json"), record)?;
        let nothing = |_: &Mention<'_>| false;
        let of = |name: &'static str| move |text: &str| text == name;
        let others = of("mine/bea");
        remove_traces(run, &Erased { photo: &nothing, name: &others, now_ms: 0 })?;
        assert_eq!(fs::read_to_string(run.join("run.json"))?, record);
        assert!(run.join("checkpoints").exists(), "somebody else was erased");
        let ada = of("mine/ada");
        remove_traces(run, &Erased { photo: &nothing, name: &ada, now_ms: 0 })?;
        assert_eq!(fs::read_to_string(run.join("config.toml"))?, "name = \"one\"\nseed = 3\n");
        let left: Value = serde_json::from_str(&fs::read_to_string(run.join("run.json"))?)?;
        assert_eq!(
            (&left["spec"]["config"]["person"], &left["spec"]["config"]["steps"]),
            (&ERASED.into(), &4.into())
        );
        assert!(!left.to_string().contains("ada") && !run.join("checkpoints").exists());
        Ok(())
    }
}
