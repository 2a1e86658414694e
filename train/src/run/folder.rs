//! Making, finding and locking a run's folder.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use super::durable::{self, TemporaryFolder};
use super::error::RunError;
use super::log::RunLog;
use super::spec::{Change, FORMAT_VERSION, RunRecord, RunSpec};

pub(crate) const RUN: &str = "run.json";
const CONFIG: &str = "config.toml";
pub(crate) const LOCK: &str = ".lock";
pub(crate) const LOG: &str = "log.jsonl";
const MODEL: &str = "model";
pub(crate) const CHECKPOINTS: &str = "checkpoints";

/// The folder of one run. What trains in it holds its lock.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    record: RunRecord,
    /// What it is to be trained with now; resuming may differ from the record.
    spec: RunSpec,
    /// Freed by the system when the process ends, however it ends.
    lock: Option<File>,
}

impl RunFolder {
    /// Makes `<runs_dir>/<name>-<id>/` with `run.json` and `config.toml`, and locks it.
    ///
    /// # Errors
    /// Where it is there already, the name is none for a folder, or it cannot be written.
    pub fn create(
        runs_dir: &Path,
        spec: &RunSpec,
        config_toml: &str,
        created_at_ms: u64,
    ) -> Result<Self, RunError> {
        let name = &spec.name;
        let fits = |c: char| c.is_alphanumeric() || "-_.".contains(c);
        if name.is_empty() || name.starts_with('.') || !name.chars().all(fits) {
            return Err(RunError::Name { name: name.clone() });
        }
        let id = spec.id();
        let path = runs_dir.join(format!("{name}-{id}"));
        if path.exists() {
            return Err(RunError::Exists { path });
        }
        let record = RunRecord {
            format_version: FORMAT_VERSION,
            id,
            spec: spec.clone(),
            created_at_ms,
            changes: Vec::new(),
        };
        let folder = TemporaryFolder::create(runs_dir, &format!("{name}-{}", std::process::id()))?;
        durable::write_new(&folder.path().join(RUN), &pretty(&record, &path)?)?;
        durable::write_new(&folder.path().join(CONFIG), config_toml.as_bytes())?;
        folder.keep_as(&path)?;
        Self { path, record, spec: spec.clone(), lock: None }.locked()
    }

    /// Reads a run's folder without locking it: for looking, not for training.
    ///
    /// # Errors
    /// Where it holds no run that this program can read.
    pub fn open(path: &Path) -> Result<Self, RunError> {
        let record = RunRecord::read(&path.join(RUN))?;
        let spec = record.spec.clone();
        Ok(Self { path: path.to_owned(), record, spec, lock: None })
    }

    /// The run to go on with: the one of the same id, otherwise the youngest of the same kind and name, whose settings
    /// [`fit`](crate::fit::fit) then compares. It is locked.
    ///
    /// # Errors
    /// Where there is none, or another process trains in it.
    pub fn resume(runs_dir: &Path, spec: &RunSpec) -> Result<Self, RunError> {
        let same = runs_dir.join(format!("{}-{}", spec.name, spec.id()));
        if same.join(RUN).is_file() {
            return Self { spec: spec.clone(), ..Self::open(&same)? }.locked();
        }
        let mut found: Vec<Self> = Vec::new();
        for listed in Self::list(runs_dir)? {
            if let Ok(record) = listed.run
                && record.spec.kind == spec.kind
                && record.spec.name == spec.name
            {
                found.push(Self { path: listed.path, record, spec: spec.clone(), lock: None });
            }
        }
        let youngest = found.into_iter().max_by_key(|run| (run.record.created_at_ms, run.record.id.clone()));
        let not_found = || RunError::NotFound {
            runs_dir: runs_dir.to_owned(),
            kind: spec.kind.clone(),
            name: spec.name.clone(),
        };
        youngest.ok_or_else(not_found)?.locked()
    }

    /// Takes the lock, which training needs.
    ///
    /// # Errors
    /// Where another process has it.
    pub fn locked(mut self) -> Result<Self, RunError> {
        let path = self.path.join(LOCK);
        let open = File::options().create(true).truncate(false).write(true).open(&path);
        let lock = open.map_err(RunError::io("create", &path))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => RunError::Locked { path: self.path.clone() },
            TryLockError::Error(source) => RunError::io("lock", &path)(source),
        })?;
        self.lock = Some(lock);
        Ok(self)
    }

    /// Whether this process holds the lock.
    pub fn is_locked(&self) -> bool {
        self.lock.is_some()
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `run.json`, as it was when the folder was opened.
    pub fn record(&self) -> &RunRecord {
        &self.record
    }

    /// What it is to be trained with now.
    pub fn spec(&self) -> &RunSpec {
        &self.spec
    }

    /// Puts a file of the run's own, such as its report, in the place of the one of that name: all of it
    /// or nothing.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn replace_file(&self, name: &str, bytes: &[u8]) -> Result<(), RunError> {
        durable::replace(&self.path().join(name), bytes)
    }

    /// Where the model file is, replaced at every save.
    pub fn model_dir(&self) -> PathBuf {
        self.path.join(MODEL)
    }

    /// Where checkpoints are.
    pub fn checkpoints_dir(&self) -> PathBuf {
        self.path.join(CHECKPOINTS)
    }

    /// `log.jsonl`.
    pub fn log_path(&self) -> PathBuf {
        self.path.join(LOG)
    }

    /// Opens `log.jsonl` to write at its end.
    ///
    /// # Errors
    /// Where it cannot be opened.
    pub fn log(&self) -> Result<RunLog, RunError> {
        RunLog::open(&self.log_path())
    }

    /// The steps of its checkpoints, rising, whether or not they verify.
    ///
    /// # Errors
    /// Where the folder cannot be read.
    pub fn checkpoint_steps(&self) -> Result<Vec<u64>, RunError> {
        crate::fit::checkpoint::steps(&self.checkpoints_dir())
    }

    /// Adds changes to `run.json`. One that stands there already (of an earlier attempt to resume) is not added twice.
    pub(crate) fn add_changes(&self, changes: &[Change]) -> Result<(), RunError> {
        let path = self.path.join(RUN);
        let mut record = RunRecord::read(&path)?;
        let new: Vec<Change> =
            changes.iter().filter(|change| !record.changes.contains(change)).cloned().collect();
        if new.is_empty() {
            return Ok(());
        }
        record.changes.extend(new);
        durable::replace(&path, &pretty(&record, &path)?)
    }
}

fn pretty(record: &RunRecord, path: &Path) -> Result<Vec<u8>, RunError> {
    serde_json::to_vec_pretty(record).map_err(|e| RunError::malformed(path, e))
}
