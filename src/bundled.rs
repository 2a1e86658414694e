//! What the program carries, so that the demo runs where there is no checkout: its recipe, profile, lock and models.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, bail};
use curate::model::ModelEntry;
use photo::Digest;
use tempfile::TempDir;

/// The folder in the work folder that they are written to.
const FOLDER: &str = "demo";

/// The recipe, whose paths are relative to it.
const RECIPE: &str = "recipes/demo.toml";

/// The list of models.
const MODELS: &str = "models/models.toml";

/// The temporary folder that stands in for a work folder where nothing may be written.
static TEMPORARY: Mutex<Option<TempDir>> = Mutex::new(None);

macro_rules! files {
    ($($path:literal),* $(,)?) => { [$(($path, include_bytes!(concat!("../data/", $path)) as &[u8])),*] };
}

static FILES: &[(&str, &[u8])] = &files![
    "recipes/demo.toml",
    "sites/demo.toml",
    "models/models.toml",
    "models/watermark.onnx",
    "models/faces.onnx",
    "models/pose.onnx",
    "locks/demo/manifest.json",
    "locks/demo/photos.parquet",
    "locks/demo/dropped.parquet",
    "locks/demo/measurements.parquet",
];

/// Writes the demo's files under the work folder, where they are not there yet or are those of another version; gives
/// the recipe's path.
pub fn unpack(workdir: &Path) -> Result<PathBuf> {
    let folder = workdir.join(FOLDER);
    FILES.iter().try_for_each(|(path, bytes)| write(&folder.join(path), bytes))?;
    Ok(folder.join(RECIPE))
}

/// Writes the demo's files as [`unpack`] does, or into a temporary folder where nothing may be written under the work
/// folder; gives the path of its list of models.
pub fn unpack_list_of_models(workdir: &Path) -> Result<PathBuf> {
    match unpack(workdir) {
        Ok(_) => Ok(workdir.join(FOLDER).join(MODELS)),
        Err(error) if may_not_be_written(&error) => {
            let mut kept = TEMPORARY.lock().unwrap_or_else(PoisonError::into_inner);
            let folder = match kept.take() {
                Some(folder) => folder,
                None => TempDir::new().context("make a temporary folder for the demo's models")?,
            };
            let path = folder.path().to_owned();
            *kept = Some(folder);
            unpack(&path)?;
            Ok(path.join(FOLDER).join(MODELS))
        }
        Err(error) => Err(error),
    }
}

/// Removes what was written into a temporary folder: once, before the program ends.
pub fn remove_temporary() {
    drop(TEMPORARY.lock().unwrap_or_else(PoisonError::into_inner).take());
}

fn may_not_be_written(error: &anyhow::Error) -> bool {
    let kind = error.root_cause().downcast_ref::<std::io::Error>().map(std::io::Error::kind);
    matches!(kind, Some(ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem))
}

/// Whether a list of models is the program's: what it writes under the work folder, or that of a checkout.
pub fn is_own(list: &Path, workdir: &Path) -> bool {
    let Ok(list) = list.canonicalize() else { return false };
    let is_unpacked = workdir.join(FOLDER).canonicalize().is_ok_and(|folder| list.starts_with(folder));
    let is_of_checkout = || {
        let project = list.ends_with(Path::new("data").join(MODELS)).then(|| list.ancestors().nth(3))??;
        Some(fs::read_to_string(project.join("Cargo.toml")).ok()?.contains("name = \"bolid\""))
    };
    is_unpacked || is_of_checkout().unwrap_or(false)
}

/// Whether a model is one of the demo's, which know synthetic people only.
pub fn is_of_demo(model: &ModelEntry) -> bool {
    FILES.iter().any(|(path, bytes)| path.ends_with(".onnx") && Digest::of(bytes) == model.sha256)
}

/// Writes the demo's models and their list into `folder`.
pub fn unpack_models(folder: &Path) -> Result<()> {
    let mut models = FILES.iter().filter_map(|(path, bytes)| Some((path.strip_prefix("models/")?, bytes)));
    let other = models.clone().find(|(name, bytes)| {
        let path = folder.join(name);
        path.exists() && !fs::read(&path).is_ok_and(|there| there == **bytes)
    });
    if let Some((name, _)) = other {
        bail!(
            "{} is there already and is another file; move it away, or name another recipe",
            folder.join(name).display()
        );
    }
    models.try_for_each(|(name, bytes)| write(&folder.join(name), bytes))
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    replace(path, bytes).with_context(|| format!("write the demo's file {}", path.display()))
}

fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    fs::create_dir_all(path.parent().unwrap_or(path))?;
    let partial = path.with_extension(format!("partial-{}", std::process::id()));
    fs::write(&partial, bytes)?;
    fs::rename(&partial, path)
}
