//! A pose probe on the disk: `config.json` and `model.safetensors` in one folder.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;

use candle_core::{DType, Device, Tensor};

use super::network::{PoseProbe, ProbeConfig};
use crate::diffusion::tensor_file::TensorFile;
use crate::error::{Error, Result};
use crate::run::tensors;

const CONFIG: &str = "config.json";
const WEIGHTS: &str = "model.safetensors";
const FORMAT: &str = "bolid-pose-probe-v1";

/// Writes a probe's `values` into `folder`, with facts such as the run's id.
///
/// # Errors
/// Where a file is there already or cannot be written.
pub fn save(
    folder: &Path,
    config: &ProbeConfig,
    values: &BTreeMap<String, Tensor>,
    facts: &BTreeMap<String, String>,
) -> Result<()> {
    let path = folder.join(CONFIG);
    let json = serde_json::to_vec_pretty(config).map_err(|error| Error::malformed(&path, error))?;
    let written = fs::File::create_new(&path).and_then(|mut file| file.write_all(&json));
    written.map_err(|cause| Error::Write { path, cause })?;
    let mut facts = facts.clone();
    facts.insert("format".to_owned(), FORMAT.to_owned());
    tensors::save(&folder.join(WEIGHTS), values, &facts)
}

/// A probe that was read, and the facts of its file.
#[derive(Debug)]
pub struct SavedProbe {
    /// The network; its parameters are constants.
    pub probe: PoseProbe,
    /// Such as the digest of the autoencoder whose latents it reads, under `vae`.
    pub facts: BTreeMap<String, String>,
}

/// Reads a probe from `folder`. Its parameters get no gradient.
///
/// # Errors
/// Where a file is missing, is no probe's, or does not fit the other.
pub fn load(folder: &Path, device: &Device) -> Result<SavedProbe> {
    let path = folder.join(CONFIG);
    let text = fs::read(&path).map_err(Error::read(&path))?;
    let config: ProbeConfig =
        serde_json::from_slice(&text).map_err(|error| Error::malformed(&path, error))?;
    config.check().map_err(|error| Error::malformed(&path, error))?;
    let path = folder.join(WEIGHTS);
    let file = TensorFile::open(&path)?;
    if file.metadata().get("format").map(String::as_str) != Some(FORMAT) {
        return Err(Error::malformed(&path, format!("its metadata does not say `format: {FORMAT}`")));
    }
    let values = file.names().map(|name| Ok((name.to_owned(), file.read(name, device)?)));
    let values = values.collect::<Result<std::collections::HashMap<_, _>>>()?;
    let builder = candle_nn::VarBuilder::from_tensors(values, DType::F32, device);
    let probe = PoseProbe::new(&config, &builder).map_err(|error| Error::malformed(&path, error))?;
    Ok(SavedProbe { probe, facts: file.metadata().clone() })
}
