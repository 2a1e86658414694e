//! `exports.jsonl`: the files that were made with a run's model, so that whoever erases learns where they went.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use photo::Digest;
use serde::{Deserialize, Serialize};

/// The file's name in a run's folder.
pub const EXPORTS: &str = "exports.jsonl";

/// A file that was made with a run's model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Export {
    /// Where it was written, from the root on.
    pub path: PathBuf,
    /// Its digest then.
    pub sha256: Digest,
    /// What it is: `embedding`, `ipadpt`, `model`.
    pub what: String,
}

/// Notes a file that was just written at `path`.
pub fn note(run: &Path, path: &Path, what: &str) -> Result<Export> {
    let bytes = fs::read(path).with_context(|| format!("read {}", path.display()))?;
    let path = path.canonicalize().with_context(|| format!("find {}", path.display()))?;
    let export = Export { path, sha256: Digest::of(bytes), what: what.to_owned() };
    let mut line = serde_json::to_vec(&export)?;
    line.push(b'\n');
    let exports = run.join(EXPORTS);
    // One write for a whole line: two programs that export at once do not mix theirs.
    let written = File::options().create(true).append(true).open(&exports);
    written
        .and_then(|mut file| file.write_all(&line).and_then(|()| file.sync_all()))
        .with_context(|| format!("write {}", exports.display()))?;
    Ok(export)
}

/// The files that were exported from a run, oldest first; of a file that was written again, the last.
pub fn read(run: &Path) -> Result<Vec<Export>> {
    let path = run.join(EXPORTS);
    if !path.exists() {
        return Ok(Vec::new());
    }
    let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    let mut exports: Vec<Export> = Vec::new();
    for line in text.lines() {
        // The last line may be half written: the program was killed, and the file that it names is complete.
        let Ok(export) = serde_json::from_str::<Export>(line) else {
            tracing::warn!(path = %path.display(), line, "a line of exported files cannot be read");
            continue;
        };
        exports.retain(|earlier| earlier.path != export.path);
        exports.push(export);
    }
    Ok(exports)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exported_files_are_read_back_each_once() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let (ada, bea) = (folder.path().join("ada"), folder.path().join("bea"));
        assert_eq!(read(folder.path())?, []);
        for (path, text) in [(&ada, "one"), (&bea, "two"), (&ada, "three")] {
            fs::write(path, text)?;
            note(folder.path(), path, "embedding")?;
        }
        let mut file = File::options().append(true).open(folder.path().join(EXPORTS))?;
        file.write_all(b"{\"path\": \"/half")?;
        let read = read(folder.path())?;
        assert_eq!(
            read.iter().map(|export| export.sha256).collect::<Vec<_>>(),
            ["two", "three"].map(Digest::of)
        );
        Ok(())
    }
}
