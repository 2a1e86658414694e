//! `log.jsonl`: one JSON object a line, each with its `kind` and the `step` after which it was written.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;

use super::durable;
use super::error::RunError;

/// Kind of the last line of a training that came to its end.
pub(crate) const FINISHED: &str = "finished";

/// The log of a run, open at its end.
#[derive(Debug)]
pub struct RunLog {
    path: PathBuf,
    file: File,
}

impl RunLog {
    /// Opens a log, or begins one.
    ///
    /// # Errors
    /// Where it cannot be opened.
    pub fn open(path: &Path) -> Result<Self, RunError> {
        let open = File::options().create(true).append(true).open(path);
        Ok(Self { path: path.to_owned(), file: open.map_err(RunError::io("open", path))? })
    }

    /// Opens a log without the lines behind `step` (all of them, if there is none), which a resumed run writes again,
    /// without a `finished`, and without a last line that a killed process left half written.
    ///
    /// # Errors
    /// Where it cannot be read or written.
    pub fn open_at(path: &Path, step: Option<u64>) -> Result<Self, RunError> {
        if path.exists() {
            let text = fs::read(path).map_err(RunError::io("read", path))?;
            let kept: Vec<&[u8]> =
                text.split_inclusive(|&byte| byte == b'\n').filter(|line| stays(line, step)).collect();
            let kept = kept.concat();
            if kept.len() != text.len() {
                durable::replace(path, &kept)?;
            }
        }
        Self::open(path)
    }

    /// Adds a line. It reaches the system at once, so that killing the process loses none.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn write(&mut self, line: &impl Serialize) -> Result<(), RunError> {
        let mut text = serde_json::to_vec(line).map_err(|e| RunError::malformed(&self.path, e))?;
        text.push(b'\n');
        self.file.write_all(&text).map_err(RunError::io("write", &self.path))
    }

    /// Sees the lines to the disk: a checkpoint must not outlive the log up to it.
    ///
    /// # Errors
    /// Where the disk fails.
    pub fn sync(&self) -> Result<(), RunError> {
        self.file.sync_all().map_err(RunError::io("sync", &self.path))
    }

    /// Every whole line of a log, in order. One that is half written, as of a run under way, is left out.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn read(path: &Path) -> Result<Vec<Value>, RunError> {
        let file = File::open(path).map_err(RunError::io("open", path))?;
        let mut lines = Vec::new();
        for line in BufReader::new(file).split(b'\n') {
            let line = line.map_err(RunError::io("read", path))?;
            if let Ok(line) = serde_json::from_slice(&line) {
                lines.push(line);
            }
        }
        Ok(lines)
    }
}

fn stays(line: &[u8], step: Option<u64>) -> bool {
    let (true, Ok(line)) = (line.ends_with(b"\n"), serde_json::from_slice::<Value>(line)) else {
        return false;
    };
    let at = line["step"].as_u64();
    line["kind"] != FINISHED && at.is_some_and(|at| step.is_some_and(|step| at <= step))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_log_opened_at_a_step_has_nothing_behind_it_and_no_torn_line() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("log.jsonl");
        let mut log = RunLog::open(&path).expect("a log");
        for step in 0..5 {
            log.write(&json!({"kind": "step", "step": step})).expect("a line");
        }
        fs::OpenOptions::new()
            .append(true)
            .open(&path)
            .and_then(|mut file| file.write_all(b"{\"kind\":\"step\",\"st"))
            .expect("a torn line");
        drop(RunLog::open_at(&path, Some(2)).expect("a log"));
        let steps: Vec<u64> =
            RunLog::read(&path).expect("lines").iter().filter_map(|line| line["step"].as_u64()).collect();
        assert_eq!(steps, [0, 1, 2]);
        drop(RunLog::open_at(&path, None).expect("a log"));
        assert_eq!(RunLog::read(&path).expect("lines"), Vec::<Value>::new());
    }
}
