//! What pictures are made with, loaded and checked before the first step.

use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use photo::Digest;

use super::embedding::Embedding;
use super::settings::{ModelName, ModelNames};
use crate::adapter::file::{self, BODY, IMAGE_ENCODER, LORA, REFERENCE, SavedAdapter};
use crate::adapter::{Adapter, Pipeline};
use crate::cache::CachedText;
use crate::cache::encoders::{digest, image_digest, text_digest};
use crate::cache::spec::digest_of_files;
use crate::device::compute_type;
use crate::diffusion::checkpoint::Checkpoint;
use crate::diffusion::image_encoder::{self, ImageEncoder};
use crate::diffusion::prompt::PromptEncoder;
use crate::diffusion::sampling::Sampling;
use crate::diffusion::scheduler::SchedulerConfig;
use crate::diffusion::unet::UNet;
use crate::diffusion::vae::AutoencoderKl;
use crate::error::{Error, Result};

/// Where the models are.
#[derive(Clone, Debug)]
pub struct ModelFiles {
    /// What the base is called: a folder or a repository.
    pub base_name: String,
    /// The base's folder.
    pub base: PathBuf,
    /// A UNet's file laid over the base's, such as SDXL-Lightning's.
    pub unet: Option<PathBuf>,
    /// LoRAs of the base, each with its weight.
    pub loras: Vec<(PathBuf, f64)>,
    /// An adapter's folder.
    pub adapter: Option<PathBuf>,
    /// An image encoder's folder; `image_encoder` in the base's where there is none. Loaded only where it is needed.
    pub image_encoder: Option<PathBuf>,
}

/// The models.
#[derive(Debug)]
pub struct Models {
    files: ModelFiles,
    names: ModelNames,
    unet: UNet,
    vae: AutoencoderKl,
    scheduler: SchedulerConfig,
    prompts: PromptEncoder,
    zeroes_empty_prompt: bool,
    adapter: Option<SavedAdapter>,
}

impl Models {
    /// Loads them onto `device`. On a GPU the UNet computes in bf16.
    ///
    /// # Errors
    /// Where a file is missing or does not fit; an adapter of another base is refused by the first width that differs.
    pub fn load(files: ModelFiles, device: &Device) -> Result<Self> {
        let mut base = Checkpoint::open(&files.base, DType::F32, device)?.with_compute(compute_type(device));
        let name = ModelName { path: files.base_name.clone(), sha256: base_digest(&base)? };
        let mut names = ModelNames::of_base(name);
        if let Some(path) = &files.unet {
            base = base.with_unet(path);
            names.unet = Some(named(path, std::slice::from_ref(path))?);
        }
        for (path, scale) in &files.loras {
            base = base.with_lora(path, *scale)?;
            names.loras.push((named(path, std::slice::from_ref(path))?, *scale));
        }
        if let Some(folder) = &files.adapter {
            // Streams that were trained beside an update of the base are nothing without it.
            let update = Some(folder.join(LORA)).filter(|path| path.is_file());
            let all = [folder.join(BODY), folder.join(REFERENCE)].into_iter().chain(update.clone());
            names.adapter = Some(named(folder, &all.collect::<Vec<_>>())?);
            if let Some(path) = update {
                base = base.with_lora(&path, 1.0)?;
            }
        }
        let unet = base.unet()?;
        let adapter = files.adapter.as_ref().map(|folder| file::load(folder, &unet, device)).transpose()?;
        Ok(Self {
            vae: base.vae()?,
            scheduler: base.scheduler()?,
            prompts: PromptEncoder::load(&base)?,
            zeroes_empty_prompt: base.zeroes_empty_prompt()?,
            adapter,
            unet,
            names,
            files,
        })
    }

    /// What they are called.
    pub fn names(&self) -> &ModelNames {
        &self.names
    }

    /// The adapter, where there is one.
    pub fn adapter(&self) -> Option<&Adapter> {
        self.adapter.as_ref().map(|saved| &saved.adapter)
    }

    /// The base's schedule.
    pub fn scheduler(&self) -> &SchedulerConfig {
        &self.scheduler
    }

    /// The side of the pictures that the autoencoder was trained on, in px.
    pub fn size_px(&self) -> usize {
        self.vae.config().sample_size
    }

    /// Sides of pictures are multiples of this, in px.
    pub fn cell_px(&self) -> usize {
        self.vae.config().downscale()
    }

    /// How a text is read.
    ///
    /// # Errors
    /// Where it cannot be tokenised.
    pub fn text(&self, text: &str) -> Result<CachedText> {
        CachedText::read(&self.prompts, text)
    }

    /// What guidance leads away from: a text, or where that is empty what the base takes for none.
    ///
    /// # Errors
    /// As [`text`](Self::text).
    pub fn negative(&self, text: &str) -> Result<CachedText> {
        CachedText::negative(&self.prompts, text, self.zeroes_empty_prompt)
    }

    /// The digest of the image encoder.
    ///
    /// # Errors
    /// Where there is none, or a file of it cannot be read.
    pub fn image_encoder(&self) -> Result<Digest> {
        image_digest(&self.image_encoder_folder()?)
    }

    fn image_encoder_folder(&self) -> Result<PathBuf> {
        let folder =
            self.files.image_encoder.clone().unwrap_or_else(|| self.files.base.join("image_encoder"));
        match image_encoder::is_image_encoder(&folder) {
            true => Ok(folder),
            false => Err(Error::NotFound { folder, wanted: vec!["config.json".to_owned()] }),
        }
    }

    /// The embedding of a picture: interleaved RGB of `width` × `height`. Its middle square is looked at.
    ///
    /// # Errors
    /// Where there is no image encoder, or its embeddings are not what the adapter was trained with.
    pub fn embed(&self, name: &str, rgb: &[u8], width: usize, height: usize) -> Result<Embedding> {
        let folder = self.image_encoder_folder()?;
        let encoder = ImageEncoder::load(&folder, DType::F32, self.unet.device())?;
        let digest = image_digest(&folder)?;
        let trained_with = self.adapter.as_ref().and_then(|saved| saved.facts.get(IMAGE_ENCODER));
        if let Some(trained_with) = trained_with.filter(|trained_with| **trained_with != digest.to_string()) {
            let reason = format!(
                "the adapter's references were read by the image encoder {}, this is {}; name that one \
                 (`--image-encoder`)",
                trained_with.get(..12).unwrap_or(trained_with),
                digest.short()
            );
            return Err(Error::malformed(&folder, reason));
        }
        let wanted = self.adapter().map(|adapter| adapter.reference.embed_dim());
        let found = encoder.width();
        if let Some(wanted) = wanted.filter(|wanted| *wanted != found) {
            let reason =
                format!("its embeddings have {found} numbers, the adapter's reference stream takes {wanted}");
            return Err(Error::malformed(&folder, reason));
        }
        let pixels = Tensor::from_slice(rgb, (1, height, width, 3), encoder.device())?;
        let pixels = pixels.permute((0, 3, 1, 2))?.to_dtype(DType::F32)?.affine(2.0 / 255.0, -1.0)?;
        Ok(Embedding {
            name: format!("{name} (image encoder {})", digest.short()),
            values: encoder.embed(&pixels)?.flatten_all()?.to_vec1()?,
        })
    }

    /// What draws pictures of this size in this way; `scheduler` is the base's, or a changed one.
    pub fn pipeline<'a>(
        &'a self,
        scheduler: &'a SchedulerConfig,
        sampling: Sampling,
        size_px: (usize, usize),
    ) -> Pipeline<'a> {
        Pipeline { unet: &self.unet, vae: &self.vae, scheduler, size_px, sampling }
    }
}

fn named(path: &Path, files: &[PathBuf]) -> Result<ModelName> {
    Ok(ModelName { path: path.display().to_string(), sha256: digest_of_files(files)? })
}

/// Over the files of all networks, the schedule, and what no negative prompt is.
fn base_digest(base: &Checkpoint) -> Result<Digest> {
    let scheduler = digest_of_files(&[base.folder().join("scheduler/scheduler_config.json")])?;
    let negative = if base.zeroes_empty_prompt()? { " zeros" } else { "" };
    let (networks, text) = (digest(base, &["unet", "vae"])?, text_digest(base)?);
    Ok(Digest::of(format!("{networks} {text} {scheduler}{negative}")))
}
