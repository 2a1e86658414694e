//! A Stable Diffusion checkpoint as users have it: a folder in diffusers' layout, or a repository of such a folder.
//!
//! ```text
//! unet/         config.json  diffusion_pytorch_model[.fp16].safetensors, or shards and their index
//! vae/          the same
//! text_encoder[_2]/  config.json  model[.fp16].safetensors
//! tokenizer[_2]/     tokenizer.json, or vocab.json and merges.txt
//! scheduler/    scheduler_config.json
//! ```

mod files;
mod hub;

pub use files::tensor_files;
pub use hub::{Hub, wanted_files, wanted_of_model};

use super::clip::{Clip, ClipText, ClipTextConfig, ClipVision, ClipVisionConfig};
use super::json::Settings;
use super::lora::{Lora, Target, TrainedLora};
use super::scheduler::SchedulerConfig;
use super::tokenizer::ClipTokenizer;
use super::unet::{UNet, UnetConfig};
use super::vae::{AutoencoderKl, VaeConfig};
use super::weights::Weights;
use crate::error::{Error, Result};
use candle_core::{DType, Device};
use std::path::{Path, PathBuf};

/// A checkpoint's folder, what is laid over it, and how its models are to be loaded.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    folder: PathBuf,
    dtype: DType,
    compute: DType,
    device: Device,
    unet_overlay: Option<PathBuf>,
    loras: Vec<(Lora, f64)>,
}

impl Checkpoint {
    /// A folder on disk. Large weights are kept as `dtype`; with `F16` the `fp16` variant of a file is
    /// preferred where there is one.
    pub fn open(folder: &Path, dtype: DType, device: &Device) -> Result<Self> {
        if !folder.join("unet/config.json").is_file() {
            return Err(Error::NotFound {
                folder: folder.to_owned(),
                wanted: vec!["unet/config.json".to_owned()],
            });
        }
        let (folder, device) = (folder.to_owned(), device.clone());
        Ok(Self { folder, dtype, compute: DType::F32, device, unet_overlay: None, loras: Vec::new() })
    }

    /// The UNet computes in `compute`, and has its large weights in it where that is a half type. Autoencoder and text
    /// encoders compute in f32: their work is small beside the UNet's, and what they say is kept.
    #[must_use]
    pub fn with_compute(mut self, compute: DType) -> Self {
        self.compute = compute;
        self
    }

    /// The device that its networks are on.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Lays the tensors of one file over the UNet's: SDXL-Lightning's `sdxl_lightning_4step_unet.safetensors`.
    #[must_use]
    pub fn with_unet(mut self, path: &Path) -> Self {
        self.unet_overlay = Some(path.to_owned());
        self
    }

    /// Merges a LoRA file into UNet and text encoders, times `scale`. Several add up.
    pub fn with_lora(mut self, path: &Path, scale: f64) -> Result<Self> {
        self.loras.push((Lora::read(path)?, scale));
        Ok(self)
    }

    /// The checkpoint's folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether it is of the SDXL kind, with a second text encoder.
    pub fn has_second_text_encoder(&self) -> bool {
        self.folder.join("text_encoder_2/config.json").is_file()
    }

    /// Whether guidance leads away from zeros where no negative prompt is given, instead of from the empty
    /// prompt: SDXL does, diffusers notes it as `force_zeros_for_empty_prompt` in `model_index.json`.
    pub fn zeroes_empty_prompt(&self) -> Result<bool> {
        let path = self.folder.join("model_index.json");
        if !path.is_file() {
            return Ok(self.has_second_text_encoder());
        }
        Settings::read(&path)?.or("force_zeros_for_empty_prompt", self.has_second_text_encoder())
    }

    /// The UNet, with overlay and LoRAs.
    pub fn unet(&self) -> Result<UNet> {
        self.unet_with(None)
    }

    /// The UNet, with overlay and LoRAs, and with updates that are trained beside the layers of its attention.
    pub fn unet_with(&self, lora: Option<TrainedLora>) -> Result<UNet> {
        let path = self.folder.join("unet/config.json");
        let config = std::fs::read_to_string(&path).map_err(Error::read(&path))?;
        let dtype = if self.compute == DType::F32 { self.dtype } else { self.compute };
        let mut weights = self.weights_as("unet", "diffusion_pytorch_model", dtype)?;
        if let Some(overlay) = &self.unet_overlay {
            weights = weights.overlaid(&[overlay])?;
        }
        let weights = self.merged(Target::Unet, weights)?.with_trained(lora);
        let unet = UNet::load(&weights, UnetConfig::from_json(&config)?)?;
        weights.finish()?;
        Ok(unet.with_compute(self.compute))
    }

    /// The image autoencoder.
    pub fn vae(&self) -> Result<AutoencoderKl> {
        let config = VaeConfig::from_settings(&self.settings("vae")?)?;
        let weights = self.weights("vae", "diffusion_pytorch_model")?;
        let vae = AutoencoderKl::load(&weights, config)?;
        weights.finish()?;
        Ok(vae)
    }

    /// The (first) text encoder, with LoRAs.
    pub fn text_encoder(&self) -> Result<ClipText> {
        self.clip_text("text_encoder", Target::TextEncoder)
    }

    /// SDXL's second text encoder, with LoRAs.
    pub fn text_encoder_2(&self) -> Result<ClipText> {
        self.clip_text("text_encoder_2", Target::TextEncoder2)
    }

    /// The tokenizer of the (first) text encoder.
    pub fn tokenizer(&self) -> Result<ClipTokenizer> {
        ClipTokenizer::read(&self.folder.join("tokenizer"))
    }

    /// The tokenizer of SDXL's second text encoder.
    pub fn tokenizer_2(&self) -> Result<ClipTokenizer> {
        ClipTokenizer::read(&self.folder.join("tokenizer_2"))
    }

    /// The schedule it was trained with.
    pub fn scheduler(&self) -> Result<SchedulerConfig> {
        SchedulerConfig::read(&self.folder.join("scheduler/scheduler_config.json"))
    }

    fn clip_text(&self, name: &str, target: Target) -> Result<ClipText> {
        let config = ClipTextConfig::from_settings(&self.settings(name)?)?;
        let weights = self.merged(target, self.weights(name, "model")?)?;
        let encoder = ClipText::load(&weights, config)?;
        weights.finish()?;
        Ok(encoder)
    }

    fn settings(&self, component: &str) -> Result<Settings> {
        Settings::read(&self.folder.join(component).join("config.json"))
    }

    fn weights(&self, component: &str, stem: &str) -> Result<Weights> {
        self.weights_as(component, stem, self.dtype)
    }

    fn weights_as(&self, component: &str, stem: &str, dtype: DType) -> Result<Weights> {
        let files = tensor_files(&self.folder.join(component), stem, dtype == DType::F16)?;
        Weights::open(&files, dtype, &self.device)
    }

    fn merged(&self, target: Target, mut weights: Weights) -> Result<Weights> {
        for (lora, scale) in &self.loras {
            weights = lora.merge(target, &weights, *scale)?;
        }
        Ok(weights)
    }
}

/// An image encoder with projection from a folder with `config.json` and `model.safetensors`, as beside
/// published IP-Adapters.
pub fn load_image_encoder(folder: &Path, dtype: DType, device: &Device) -> Result<ClipVision> {
    let settings = Settings::read(&folder.join("config.json"))?;
    let weights = Weights::open(&tensor_files(folder, "model", dtype == DType::F16)?, dtype, device)?;
    let encoder = ClipVision::load(&weights, ClipVisionConfig::from_settings(&settings)?)?;
    weights.finish()?;
    Ok(encoder)
}

/// A whole CLIP model from a folder, such as a download of `openai/clip-vit-large-patch14`.
pub fn load_clip(folder: &Path, dtype: DType, device: &Device) -> Result<Clip> {
    let settings = Settings::read(&folder.join("config.json"))?;
    let weights = Weights::open(&tensor_files(folder, "model", dtype == DType::F16)?, dtype, device)?;
    let clip = Clip::load(&weights, &settings)?;
    weights.finish()?;
    Ok(clip)
}
