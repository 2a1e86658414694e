//! A body-VAE on the disk: `config.json` and `model.safetensors` in one folder.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use photo::Digest;

use super::config::BodyVaeConfig;
use super::model::BodyVae;
use crate::error::{Error, Result};
use crate::parameters::Parameters;
use crate::run::durable::TemporaryFolder;
use crate::run::tensors;

/// The shape's file.
pub const CONFIG: &str = "config.json";
/// The weights' file.
pub const WEIGHTS: &str = "model.safetensors";
/// What the file says it is.
const FORMAT: &str = "bolid-body-vae-v2";

/// A body-VAE that was read from a folder.
#[derive(Debug)]
pub struct SavedBodyVae {
    /// The model, in f32.
    pub model: BodyVae,
    /// The digest of the weights' file.
    pub digest: Digest,
    /// The run that made it.
    pub run: Option<String>,
    /// The folder.
    pub folder: PathBuf,
}

/// Writes a model's `values` into `folder`, in the type `dtype`, with facts such as the run's id.
///
/// # Errors
/// Where a file is there already or cannot be written.
pub fn save(
    folder: &Path,
    config: &BodyVaeConfig,
    values: &BTreeMap<String, Tensor>,
    facts: &BTreeMap<String, String>,
    dtype: DType,
) -> Result<()> {
    let path = folder.join(CONFIG);
    let json = serde_json::to_vec_pretty(config).map_err(|error| Error::malformed(&path, error))?;
    // A model that is there is left whole.
    let written = fs::File::create_new(&path).and_then(|mut file| file.write_all(&json));
    written.map_err(|cause| Error::Write { path, cause })?;
    let cast = |(name, value): (&String, &Tensor)| Ok((name.clone(), value.to_dtype(dtype)?));
    let values = values.iter().map(cast).collect::<Result<BTreeMap<_, _>>>()?;
    let mut facts = facts.clone();
    facts.insert("format".to_owned(), FORMAT.to_owned());
    tensors::save(&folder.join(WEIGHTS), &values, &facts)
}

/// Writes the model in the folder `from` into the folder `to`, which has no model yet, in the type
/// `dtype`: f16 halves its size. Its facts stay.
///
/// # Errors
/// Where `from` holds no body-VAE or `to` holds a file of that name.
pub fn export(from: &Path, to: &Path, dtype: DType) -> Result<()> {
    let model = load(from, &Device::Cpu)?;
    let path = from.join(WEIGHTS);
    let bytes = fs::read(&path).map_err(Error::read(&path))?;
    let facts = metadata(&bytes).map_err(|error| Error::malformed(&path, error))?;
    let values = candle_core::safetensors::load_buffer(&bytes, &Device::Cpu)
        .map_err(|error| Error::malformed(&path, error))?;
    let names = [CONFIG, WEIGHTS];
    if let Some(there) = names.iter().map(|name| to.join(name)).find(|path| path.exists()) {
        return Err(Error::malformed(&there, "it is there already; export to a folder without a model"));
    }
    // Written aside: a disk that is full leaves no half of a model.
    let write = |cause: std::io::Error| Error::Write { path: to.to_owned(), cause };
    fs::create_dir_all(to).map_err(write)?;
    let aside = TemporaryFolder::create(to, "model").map_err(|error| Error::malformed(to, error))?;
    save(aside.path(), model.model.config(), &values.into_iter().collect(), &facts, dtype)?;
    names.iter().try_for_each(|name| fs::rename(aside.path().join(name), to.join(name)).map_err(write))
}

/// Reads a model from `folder`.
///
/// # Errors
/// Where a file is missing, is no body-VAE's, or does not fit the other.
pub fn load(folder: &Path, device: &Device) -> Result<SavedBodyVae> {
    let path = folder.join(CONFIG);
    let text = fs::read(&path).map_err(Error::read(&path))?;
    let config: BodyVaeConfig =
        serde_json::from_slice(&text).map_err(|error| Error::malformed(&path, error))?;
    config.check().map_err(|error| Error::malformed(&path, error))?;
    let path = folder.join(WEIGHTS);
    let bytes = fs::read(&path).map_err(Error::read(&path))?;
    let facts = metadata(&bytes).map_err(|error| Error::malformed(&path, error))?;
    if facts.get("format").map(String::as_str) != Some(FORMAT) {
        return Err(Error::malformed(&path, format!("its metadata does not say `format: {FORMAT}`")));
    }
    let values = candle_core::safetensors::load_buffer(&bytes, device)
        .map_err(|error| Error::malformed(&path, error))?;
    let parameters = Parameters::seeded(0);
    let model = BodyVae::new(&config, &parameters.builder(DType::F32, device))?;
    parameters
        .set(&values.into_iter().collect())
        .map_err(|error| Error::malformed(&path, format!("it does not fit {CONFIG}: {error}")))?;
    let run = facts.get("run").cloned();
    Ok(SavedBodyVae { model, digest: Digest::of(&bytes), run, folder: folder.to_owned() })
}

/// The shape of the model in `folder`, and its values by name: what another training begins with.
///
/// # Errors
/// As [`load`].
pub fn values(folder: &Path, device: &Device) -> Result<(BodyVaeConfig, BTreeMap<String, Tensor>)> {
    let saved = load(folder, device)?;
    Ok((saved.model.config().clone(), tensors::load(&folder.join(WEIGHTS), device)?))
}

fn metadata(bytes: &[u8]) -> Result<BTreeMap<String, String>, safetensors::SafeTensorError> {
    let (_, header) = safetensors::SafeTensors::read_metadata(bytes)?;
    Ok(header.metadata().iter().flatten().map(|(key, value)| (key.clone(), value.clone())).collect())
}
