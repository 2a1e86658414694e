//! An adapter on the disk: `body.safetensors` and `ref.safetensors`, each in the layout of IP-Adapter.

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::{DType, Device, Tensor};

use super::model::{Adapter, of_stream};
use super::stream::{TOKENS, TrainedStream};
use crate::diffusion::adapter_file::AdapterFile;
use crate::diffusion::lora::{save_for_diffusers, save_for_kohya};
use crate::diffusion::tensor_file::TensorFile;
use crate::diffusion::unet::UNet;
use crate::error::{Error, Result};
use crate::run::durable::TemporaryFolder;
use crate::run::tensors;

/// The body stream's file.
pub const BODY: &str = "body.safetensors";
/// The reference stream's file.
pub const REFERENCE: &str = "ref.safetensors";

/// The low-rank update of the base in diffusers' layout, where one was trained.
pub const LORA: &str = "lora.safetensors";
/// The same in kohya's layout.
pub const LORA_KOHYA: &str = "lora_kohya.safetensors";

/// The fact that names the digest of the image encoder that references were read by.
pub const IMAGE_ENCODER: &str = "image_encoder";

/// Writes an adapter's `values` into `folder`, in the type `dtype`, with facts such as the run's id; `lora_shape` are
/// rank and α of the base's update.
///
/// # Errors
/// Where a file is there already or cannot be written.
pub fn save(
    folder: &Path,
    values: &BTreeMap<String, Tensor>,
    facts: &BTreeMap<String, String>,
    dtype: DType,
    lora_shape: Option<(usize, f64)>,
) -> Result<()> {
    let mut facts = facts.clone();
    facts.insert("format".to_owned(), "pt".to_owned()); // diffusers takes nothing else
    let lora = of_stream(values, "lora");
    if let (Some(shape), false) = (lora_shape, lora.is_empty()) {
        save_for_diffusers(&folder.join(LORA), &lora, shape, &facts)?;
        save_for_kohya(&folder.join(LORA_KOHYA), &lora, shape, &facts)?;
    }
    for (stream, file) in [("body", BODY), ("reference", REFERENCE)] {
        let cast = |(name, value): (String, Tensor)| Ok((name, value.to_dtype(dtype)?));
        let of: BTreeMap<String, Tensor> =
            of_stream(values, stream).into_iter().map(cast).collect::<Result<_>>()?;
        tensors::save(&folder.join(file), &of, &facts)?;
    }
    Ok(())
}

/// An adapter that was read.
#[derive(Debug)]
pub struct SavedAdapter {
    /// Both streams, in f32, without gradients.
    pub adapter: Adapter,
    /// The facts of the body's file: run, snapshot, base, body-VAE.
    pub facts: BTreeMap<String, String>,
}

/// Reads an adapter from `folder` for `unet`.
///
/// # Errors
/// Where a file is missing, has other than four tokens, or does not fit the UNet.
pub fn load(folder: &Path, unet: &UNet, device: &Device) -> Result<SavedAdapter> {
    let stream = |name| read_stream(&folder.join(name), unet, device);
    Ok(SavedAdapter {
        adapter: Adapter { reference: stream(REFERENCE)?, body: stream(BODY)? },
        facts: facts(folder)?,
    })
}

fn read_stream(path: &Path, unet: &UNet, device: &Device) -> Result<TrainedStream> {
    let file = AdapterFile::read(path, device)?;
    let widths: Vec<usize> = unet.cross_attention().iter().map(|(_, width)| *width).collect();
    file.check(&path.display().to_string(), &widths, unet.config().cross_attention_dim)?;
    if file.projection.tokens() != TOKENS {
        let found = file.projection.tokens();
        return Err(Error::malformed(path, format!("it has {found} tokens; ours have {TOKENS}")));
    }
    TrainedStream::from_file(&file)
}

/// The values of the adapter in `folder` by the names that its training has for them: what another training
/// begins with.
///
/// # Errors
/// Where a file is missing or none, or the adapter is nothing without its update of the base.
pub fn values(folder: &Path, device: &Device) -> Result<BTreeMap<String, Tensor>> {
    let update = folder.join(LORA);
    if update.is_file() {
        let reason = "its streams were trained beside this update of the base, which no training begins with; take an \
                      adapter without one";
        return Err(Error::malformed(&update, reason));
    }
    let mut values = BTreeMap::new();
    for (stream, file) in [("body", BODY), ("reference", REFERENCE)] {
        let of = tensors::load(&folder.join(file), device)?;
        values.extend(of.into_iter().map(|(name, value)| (format!("{stream}.{name}"), value)));
    }
    Ok(values)
}

/// The facts of the adapter in `folder`.
///
/// # Errors
/// Where its body's file cannot be read.
pub fn facts(folder: &Path) -> Result<BTreeMap<String, String>> {
    Ok(TensorFile::open(&folder.join(BODY))?.metadata().clone())
}

/// Writes the adapter in the folder `from` into the folder `to`, which has none yet, in the type `dtype`. Gives its
/// facts and the names of its files.
///
/// # Errors
/// Where `from` holds no adapter, or `to` cannot be written.
pub fn export(from: &Path, to: &Path, dtype: DType) -> Result<(BTreeMap<String, String>, Vec<&'static str>)> {
    let facts = facts(from)?;
    let write = |cause: std::io::Error| Error::Write { path: to.to_owned(), cause };
    std::fs::create_dir_all(to).map_err(write)?;
    // Written aside: a disk that is full leaves no half of an adapter.
    let aside = TemporaryFolder::create(to, "adapter").map_err(|error| Error::malformed(to, error))?;
    let updates = [LORA, LORA_KOHYA].into_iter().filter(|name| from.join(name).is_file());
    let names: Vec<&str> = [BODY, REFERENCE].into_iter().chain(updates).collect();
    for name in &names {
        let facts = TensorFile::open(&from.join(name))?.metadata().clone();
        let cast = |(name, value): (String, Tensor)| Ok((name, value.to_dtype(dtype)?));
        let values = tensors::load(&from.join(name), &Device::Cpu)?.into_iter().map(cast);
        let values = values.collect::<Result<BTreeMap<_, _>>>()?;
        tensors::save(&aside.path().join(name), &values, &facts)?;
    }
    names
        .iter()
        .try_for_each(|name| std::fs::rename(aside.path().join(name), to.join(name)).map_err(write))?;
    Ok((facts, names))
}
