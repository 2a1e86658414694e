//! The journal that an export grows in: it says which parts are on the disk, so that the next run goes on
//! behind them.

use std::fs::{self, File, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use photo::Digest;
use serde::Serialize;

use super::error::ExportError;
use super::manifest::{EXPORT, ExportManifest, Head, Part};
use super::partial;
use crate::error::Error;
use crate::files;
use crate::manifest::{compact, pretty};

/// Its file name. It has a line with the [`Head`], then one for each [`Part`], and is gone when the export is
/// whole.
pub const JOURNAL: &str = "export.partial.jsonl";

/// The notes of an export that is being written. It is locked, so that two processes do not write into one
/// folder.
pub(super) struct Journal {
    out: PathBuf,
    path: PathBuf,
    file: File,
}

impl Journal {
    /// Opens the folder for the export, and gives the parts that are noted to be there.
    pub fn open(out: &Path, head: &Head) -> Result<(Self, Vec<Part>), ExportError> {
        fs::create_dir_all(out).map_err(Error::io("create", out))?;
        let path = out.join(JOURNAL);
        let stranger = files_but(out, JOURNAL)?;
        if let Some(found) = stranger.as_ref().filter(|_| !path.exists() && !out.join(EXPORT).exists()) {
            return Err(ExportError::Occupied { path: out.to_owned(), found: found.clone() });
        }
        let finished = out.join(EXPORT).exists().then(|| ExportManifest::read(out)).transpose()?;
        if let Some((manifest, _)) = &finished {
            check(out, head, &manifest.head)?; // before anything is touched
        }
        let options = File::options().read(true).write(true).create(true).truncate(false).open(&path);
        let file = options.map_err(Error::io("open", &path))?;
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => ExportError::Busy { path: out.to_owned() },
            TryLockError::Error(cause) => Error::io("lock", &path)(cause).into(),
        })?;
        let mut journal = Self { out: out.to_owned(), path, file };
        let noted = match finished {
            Some((manifest, _)) => manifest.parts,
            None => journal.read(head, stranger.is_some())?,
        };
        Ok((journal, noted))
    }

    /// The noted parts; what a kill cut off at the end is forgotten.
    fn read(&mut self, head: &Head, has_files: bool) -> Result<Vec<Part>, ExportError> {
        let mut text = Vec::new();
        self.file.read_to_end(&mut text).map_err(Error::io("read", &self.path))?;
        let mut lines = text.split_inclusive(|&byte| byte == b'\n').filter(|line| line.ends_with(b"\n"));
        let first = lines.next();
        match first.map(serde_json::from_slice::<Head>) {
            Some(Ok(found)) => check(&self.out, head, &found)?,
            None if !has_files => {
                self.keep(0)?;
                self.append(head)?;
                return Ok(Vec::new());
            }
            None => return Err(self.damaged("it says nothing".to_owned())),
            Some(Err(error)) => return Err(self.damaged(error.to_string())),
        }
        let mut good = first.map_or(0, <[u8]>::len);
        let mut parts = Vec::new();
        for line in lines {
            let Ok(part) = serde_json::from_slice::<Part>(line) else { break };
            good += line.len();
            parts.push(part);
        }
        self.keep(good)?;
        Ok(parts)
    }

    fn damaged(&self, what: String) -> ExportError {
        ExportError::Journal { path: self.out.clone(), what }
    }

    /// Cuts the journal behind its first bytes.
    fn keep(&mut self, bytes: usize) -> Result<(), Error> {
        let cut = self.file.set_len(bytes as u64).and_then(|()| self.file.seek(SeekFrom::End(0)));
        cut.map(drop).map_err(Error::io("write", &self.path))
    }

    fn append<T: Serialize>(&mut self, line: &T) -> Result<(), Error> {
        let mut line = compact(line);
        line.push(b'\n');
        let written = self.file.write_all(&line).and_then(|()| self.file.sync_data());
        written.map_err(Error::io("write", &self.path))
    }

    /// Notes a part whose files are on the disk.
    pub fn note(&mut self, part: &Part) -> Result<(), Error> {
        self.append(part)
    }

    /// Writes `export.json`, whose digest it gives, and removes the journal.
    pub fn finish(&mut self, manifest: &ExportManifest) -> Result<Digest, Error> {
        let bytes = pretty(manifest);
        partial::replace(&self.out.join(EXPORT), &bytes)?;
        partial::remove_if_there(&self.path)?;
        files::sync_dir(&self.out)?;
        Ok(Digest::of(&bytes))
    }
}

fn check(out: &Path, wanted: &Head, found: &Head) -> Result<(), ExportError> {
    match wanted.difference(found) {
        None => Ok(()),
        Some(what) => Err(ExportError::OtherExport { path: out.to_owned(), what }),
    }
}

/// A file of the folder that is not called so.
fn files_but(out: &Path, name: &str) -> Result<Option<String>, Error> {
    let mut names = Vec::new();
    for entry in fs::read_dir(out).map_err(Error::io("read", out))? {
        names.push(entry.map_err(Error::io("read", out))?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names.into_iter().find(|found| found != name))
}
