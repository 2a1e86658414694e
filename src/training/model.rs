//! The models that a command is to use: a run's or a folder's body-VAE, a folder's or a repository's base.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use train::Device;
use train::body::file::{self, SavedBodyVae};
use train::diffusion::checkpoint::Hub;
use train::diffusion::image_encoder;
use train::run::RunFolder;

use super::adapter::config::AdapterConfig;
use super::runs;

/// A model and the run it came from, where it came from one.
pub struct ChosenModel {
    /// The model.
    pub saved: SavedBodyVae,
    /// The run.
    pub run: Option<RunFolder>,
}

/// Reads the model of `wanted` onto `device`: a folder with a model, or a run by id, name or folder. A withdrawn run
/// is refused, and so is a model that was exported from one, where the run is still here.
pub fn load(runs_dir: &Path, wanted: &str, device: &Device) -> Result<ChosenModel> {
    let folder = Path::new(wanted);
    if folder.join("config.json").is_file() {
        runs::refuse_model_of_withdrawn(folder)?;
        let saved = read(folder, device)?;
        let run = saved.run.as_deref().map(|id| runs::find_by_id(runs_dir, id)).transpose()?.flatten();
        run.as_ref().map(runs::refuse_withdrawn).transpose()?;
        return Ok(ChosenModel { saved, run });
    }
    let run = runs::find_usable(runs_dir, wanted)?;
    let saved = read(&run.model_dir(), device)?;
    Ok(ChosenModel { saved, run: Some(run) })
}

/// The folder of a base: `name` itself, or a repository's through the cache that all Hugging Face tools share.
pub fn base_folder(name: &str, revision: &str) -> Result<PathBuf> {
    Ok(match is_repository(name) {
        true => Hub::from_env().checkpoint(name, revision, false)?,
        false => PathBuf::from(name),
    })
}

/// The folder of an image encoder: a short name's ([`encoder_names`]), `name` itself, or a repository's.
pub fn image_encoder_folder(name: &str) -> Result<PathBuf> {
    match image_encoder::repository_of(name).or(is_repository(name).then_some(name)) {
        Some(repository) => Ok(Hub::from_env().model(repository, "main")?),
        None => Ok(PathBuf::from(name)),
    }
}

/// The folder of the reference stream's image encoder: of `ref.encoder` or `base.image_encoder`; `None` where the base's
/// own is meant.
pub fn reference_encoder(config: &AdapterConfig) -> Result<Option<PathBuf>> {
    match &config.reference.encoder {
        Some(name) => Ok(Some(image_encoder_folder(name).context("find `ref.encoder`")?)),
        None => Ok(config.base.image_encoder.clone()),
    }
}

/// The short names of image encoders, for messages.
pub fn encoder_names() -> String {
    image_encoder::names().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// Whether this is a repository's id, `owner/name`, rather than a folder.
pub fn is_repository(name: &str) -> bool {
    !Path::new(name).exists() && name.split('/').count() == 2 && !name.starts_with(['.', '/'])
}

fn read(folder: &Path, device: &Device) -> Result<SavedBodyVae> {
    file::load(folder, device).with_context(|| format!("read the model in {}", folder.display()))
}
