//! The frozen networks of a cache.

use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use photo::Digest;

use super::spec::{CacheSpec, digest_of_files};
use crate::body::file::SavedBodyVae;
use crate::body::{BodyVae, Pose, Sets, Views};
use crate::diffusion::checkpoint::{Checkpoint, tensor_files};
use crate::diffusion::image_encoder::ImageEncoder;
use crate::diffusion::prompt::{EncodedPrompts, PromptEncoder};
use crate::diffusion::vae::{AutoencoderKl, LatentDistribution};
use crate::error::{Error, Result};

/// Autoencoder, text encoders, image encoder and body-VAE.
#[derive(Debug)]
pub struct Encoders {
    vae: AutoencoderKl,
    prompts: PromptEncoder,
    image: ImageEncoder,
    body: SavedBodyVae,
    spec: CacheSpec,
}

impl Encoders {
    /// Those of `base`, the image encoder in the folder `image`, and `body`, for pictures of `size_px`.
    ///
    /// # Errors
    /// Where a file is missing or does not fit, or `size_px` is no multiple of the autoencoder's cell.
    pub fn load(base: &Checkpoint, image: &Path, body: SavedBodyVae, size_px: usize) -> Result<Self> {
        let vae = base.vae()?;
        let cell = vae.config().downscale();
        if size_px == 0 || !size_px.is_multiple_of(cell) {
            return Err(Error::Config {
                file: "base".to_owned(),
                key: "size_px".to_owned(),
                value: size_px.to_string(),
                hint: format!("a multiple of {cell}, the px of a latent cell"),
            });
        }
        let spec = CacheSpec::new(
            size_px,
            digest(base, &["vae"])?,
            text_digest(base)?,
            image_digest(image)?,
            body.digest,
        );
        Ok(Self {
            vae,
            prompts: PromptEncoder::load(base)?,
            image: ImageEncoder::load(image, DType::F32, base.device())?,
            body,
            spec,
        })
    }

    /// What the cache is made with.
    pub fn spec(&self) -> &CacheSpec {
        &self.spec
    }

    /// Width of the image embeddings.
    pub fn image_width(&self) -> usize {
        self.image.width()
    }

    /// The body-VAE.
    pub fn body(&self) -> &SavedBodyVae {
        &self.body
    }

    /// The device that they are on.
    pub fn device(&self) -> &Device {
        self.vae.device()
    }

    /// The distributions of latents of pictures `[n, 3, h, w]` in −1..=1.
    pub fn latents(&self, pictures: &Tensor) -> Result<LatentDistribution> {
        self.vae.encode(pictures)
    }

    /// Embeddings `[n, width]` of the same pictures.
    pub fn images(&self, pictures: &Tensor) -> Result<Tensor> {
        self.image.embed(pictures)
    }

    /// How texts are read.
    pub fn prompts(&self) -> &PromptEncoder {
        &self.prompts
    }

    /// Text states.
    pub fn texts(&self, captions: &[&str]) -> Result<EncodedPrompts> {
        self.prompts.encode(captions)
    }
}

/// What each of some views says of c_body by itself, without a look at the others: mean and log-variance of its expert,
/// `[n, latent]` each. `weighted` are planes at the model's `view_px`.
///
/// # Errors
/// Where a shape does not fit.
pub fn bodies(model: &BodyVae, weighted: &[u8], poses: &[Pose]) -> Result<(Tensor, Tensor)> {
    let views = Views::new(weighted, model.config().view_px, poses, model.device())?;
    let each = vec![vec![0]; poses.len()];
    let sets = Sets::new(&views.poses, &each, 1, true, model.device())?;
    let experts = model.experts(&views, &sets, None)?;
    let flat = |t: &Tensor| -> Result<Tensor> { Ok(t.flatten(0, 1)?.detach()) };
    Ok((flat(&experts.mean)?, flat(&experts.precision)?.log()?.neg()?))
}

/// The digest over the weights and configurations of a checkpoint's components.
pub(crate) fn digest(base: &Checkpoint, components: &[&str]) -> Result<Digest> {
    let mut files = Vec::new();
    for component in components {
        let folder = base.folder().join(component);
        let stem = if component.starts_with("text") { "model" } else { "diffusion_pytorch_model" };
        files.push(folder.join("config.json"));
        files.extend(tensor_files(&folder, stem, false)?);
    }
    digest_of_files(&files)
}

/// The digest over text encoders and tokenizers.
pub(crate) fn text_digest(base: &Checkpoint) -> Result<Digest> {
    let (mut components, mut tokenizers) = (vec!["text_encoder"], vec!["tokenizer"]);
    if base.has_second_text_encoder() {
        components.push("text_encoder_2");
        tokenizers.push("tokenizer_2");
    }
    let names = ["tokenizer.json", "vocab.json", "merges.txt"];
    let in_folder = |folder: &&str| names.map(|name| base.folder().join(folder).join(name));
    let files: Vec<PathBuf> = tokenizers.iter().flat_map(in_folder).filter(|path| path.is_file()).collect();
    Ok(Digest::of(format!("{} {}", digest(base, &components)?, digest_of_files(&files)?)))
}

/// The digest over an image encoder's files.
pub(crate) fn image_digest(folder: &Path) -> Result<Digest> {
    digest_of_files(&ImageEncoder::files(folder)?)
}
