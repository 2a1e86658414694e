//! Checkpoints: everything that a training needs to go on to the bit.
//!
//! ```text
//! checkpoints/step-00000500/
//!   parameters.safetensors   as trained
//!   ema.safetensors          their moving average
//!   moments.safetensors      AdamW's, `mean.NAME` and `square.NAME`
//!   state.json               step, settings, the best so far
//!   seal.json                length and SHA-256 of the files above, written last
//! ```
//!
//! It is written under a temporary name, seen to the disk and renamed: under its name it is whole, unless the
//! disk spoils it later, which the seal tells. Older ones are removed only then.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use candle_core::Tensor;
use photo::Digest;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::event::Best;
use crate::run::RunError;
use crate::run::durable::{self, TemporaryFolder};
use crate::run::tensors;

const FORMAT_VERSION: u32 = 1;
pub(super) const PARAMETERS: &str = "parameters.safetensors";
pub(super) const EMA: &str = "ema.safetensors";
pub(super) const MOMENTS: &str = "moments.safetensors";
pub(super) const STATE: &str = "state.json";
pub(super) const SEAL: &str = "seal.json";
const PREFIX: &str = "step-";

/// `state.json`. The same training gives the same bytes: there is no time in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct State {
    pub format_version: u32,
    /// Updates done or skipped.
    pub step: u64,
    /// Updates of the optimiser: its moments' bias and the average's warm-up count these.
    pub updates: u64,
    pub skipped: u64,
    pub skipped_in_a_row: u32,
    pub best: Option<Best>,
    /// SHA-256 of `settings`.
    pub settings_sha256: Digest,
    /// Everything that decides what comes out, by key. Random numbers need no state: they follow from the seed here and
    /// the step.
    pub settings: BTreeMap<String, Value>,
}

impl State {
    pub fn new(settings: BTreeMap<String, Value>) -> Self {
        let settings_sha256 = Digest::of(serde_json::to_vec(&settings).unwrap_or_default());
        Self {
            format_version: FORMAT_VERSION,
            step: 0,
            updates: 0,
            skipped: 0,
            skipped_in_a_row: 0,
            best: None,
            settings_sha256,
            settings,
        }
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Seal {
    format_version: u32,
    step: u64,
    files: BTreeMap<String, Sealed>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sealed {
    bytes: u64,
    sha256: Digest,
}

/// The folder of a step's checkpoint.
pub(super) fn path(dir: &Path, step: u64) -> PathBuf {
    dir.join(format!("{PREFIX}{step:08}"))
}

/// The steps of the checkpoints in a folder, rising, whether or not they verify.
pub(crate) fn steps(dir: &Path) -> Result<Vec<u64>, RunError> {
    let mut steps = Vec::new();
    if !dir.exists() {
        return Ok(steps);
    }
    for entry in fs::read_dir(dir).map_err(RunError::io("read", dir))? {
        let name = entry.map_err(RunError::io("read", dir))?.file_name();
        let step = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
        steps.extend(step.and_then(|step| step.parse::<u64>().ok()));
    }
    steps.sort_unstable();
    Ok(steps)
}

/// Writes the checkpoint of `state.step`. One of that step that is there already did not verify, and goes.
pub(super) fn write(
    dir: &Path,
    state: &State,
    files: &[(&str, &BTreeMap<String, Tensor>)],
) -> Result<PathBuf, RunError> {
    let target = path(dir, state.step);
    let name = target.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let folder = TemporaryFolder::create(dir, &name)?;
    let mut seal = Seal { format_version: FORMAT_VERSION, step: state.step, files: BTreeMap::new() };
    for (name, values) in files {
        let sealed =
            write_file(&folder.path().join(name), |out| tensors::write(out, values, &BTreeMap::new()))?;
        seal.files.insert((*name).to_owned(), sealed);
    }
    let sealed = write_file(&folder.path().join(STATE), |out| Ok(serde_json::to_writer_pretty(out, state)?))?;
    seal.files.insert(STATE.to_owned(), sealed);
    write_file(&folder.path().join(SEAL), |out| Ok(serde_json::to_writer_pretty(out, &seal)?))?;
    if target.exists() {
        fs::remove_dir_all(&target).map_err(RunError::io("remove", &target))?;
    }
    folder.keep_as(&target)?;
    Ok(target)
}

fn write_file(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<Hashing>) -> io::Result<()>,
) -> Result<Sealed, RunError> {
    seal_file(path, write).map_err(RunError::io("write", path))
}

fn seal_file(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<Hashing>) -> io::Result<()>,
) -> io::Result<Sealed> {
    let hashing = Hashing { file: File::create_new(path)?, hasher: Sha256::new(), bytes: 0 };
    let mut out = BufWriter::new(hashing);
    write(&mut out)?;
    let Hashing { file, hasher, bytes } = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()?;
    Ok(Sealed { bytes, sha256: Digest::from_bytes(hasher.finalize().into()) })
}

/// A file whose digest grows with it.
struct Hashing {
    file: File,
    hasher: Sha256,
    bytes: u64,
}

impl Write for Hashing {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let written = self.file.write(buffer)?;
        self.hasher.update(&buffer[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// The state of a checkpoint, or why it is none to go on from.
pub(super) fn verify(dir: &Path, step: u64) -> Result<State, String> {
    let folder = path(dir, step);
    let read = |name: &str| fs::read(folder.join(name)).map_err(|e| format!("{name} cannot be read ({e})"));
    let seal: Seal = serde_json::from_slice(&read(SEAL)?).map_err(|e| format!("{SEAL} is damaged ({e})"))?;
    if seal.format_version != FORMAT_VERSION {
        let found = seal.format_version;
        return Err(format!("it has format version {found}, this program reads version {FORMAT_VERSION}"));
    }
    if seal.step != step {
        return Err(format!("its seal is of step {}", seal.step));
    }
    for name in [PARAMETERS, EMA, MOMENTS, STATE] {
        let sealed = seal.files.get(name).ok_or_else(|| format!("{name} is not sealed"))?;
        let found =
            durable::digest(&folder.join(name)).map_err(|e| format!("{name} cannot be read ({e})"))?;
        if found.0 != sealed.bytes {
            return Err(format!("{name} has {} bytes, sealed were {}", found.0, sealed.bytes));
        }
        if found.1 != sealed.sha256 {
            return Err(format!("{name} has another digest than the sealed one"));
        }
    }
    let state: State = serde_json::from_slice(&read(STATE)?).map_err(|e| format!("{STATE}: {e}"))?;
    if state.step == step { Ok(state) } else { Err(format!("{STATE} is of step {}", state.step)) }
}

/// Keeps the `keep_last` newest up to `newest`, and the best. What is behind `newest` did not verify when the run was
/// resumed, and goes as well.
pub(super) fn prune(dir: &Path, newest: u64, best: Option<u64>, keep_last: usize) -> Result<(), RunError> {
    let all = steps(dir)?;
    let kept: Vec<u64> = all.iter().rev().filter(|&&step| step <= newest).take(keep_last).copied().collect();
    for step in all {
        if !kept.contains(&step) && best != Some(step) {
            let path = path(dir, step);
            fs::remove_dir_all(&path).map_err(RunError::io("remove", &path))?;
        }
    }
    Ok(())
}
