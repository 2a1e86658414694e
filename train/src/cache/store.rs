//! A filled cache, read for batches.

use std::path::Path;

use candle_core::{DType, Tensor};
use snapshot::KeptPhoto;

use super::spec::{photo_key, text_key};
use super::table::Table;
use crate::diffusion::prompt::PromptEncoder;
use crate::error::{Error, Result};

/// The table of photos.
pub(super) const PHOTOS: &str = "photos";
/// The table of captions.
pub(super) const TEXTS: &str = "texts";

/// What the text encoders made of one caption.
#[derive(Clone, Debug)]
pub struct CachedText {
    /// `[tokens, cross]`.
    pub states: Tensor,
    /// SDXL's pooled text, `[width]`.
    pub pooled: Option<Tensor>,
}

impl CachedText {
    /// How `prompts` read a text.
    ///
    /// # Errors
    /// Where it cannot be tokenised.
    pub fn read(prompts: &PromptEncoder, text: &str) -> Result<Self> {
        let encoded = prompts.encode(&[text])?;
        let pooled = encoded.pooled.map(|pooled| pooled.squeeze(0)).transpose()?;
        Ok(Self { states: encoded.states.squeeze(0)?, pooled })
    }

    /// What guidance leads away from: a text, or where that is empty and the base `takes_zeros` for it, zeros
    /// ([`Checkpoint::zeroes_empty_prompt`](crate::diffusion::checkpoint::Checkpoint::zeroes_empty_prompt)).
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn negative(prompts: &PromptEncoder, text: &str, takes_zeros: bool) -> Result<Self> {
        let read = Self::read(prompts, text)?;
        if !text.is_empty() || !takes_zeros {
            return Ok(read);
        }
        let pooled = read.pooled.map(|pooled| pooled.zeros_like()).transpose()?;
        Ok(Self { states: read.states.zeros_like()?, pooled })
    }
}

/// Photos and captions of a cache.
#[derive(Debug)]
pub struct CacheStore {
    photos: Table,
    texts: Table,
}

impl CacheStore {
    /// The cache in `folder`, which has to hold `photos` and `captions`.
    ///
    /// # Errors
    /// Naming how many are missing.
    pub fn open<'a>(
        folder: &Path,
        photos: impl Iterator<Item = &'a KeptPhoto>,
        captions: impl Iterator<Item = &'a str>,
    ) -> Result<Self> {
        let store = Self { photos: Table::open(folder, PHOTOS)?, texts: Table::open(folder, TEXTS)? };
        let photo_keys: Vec<String> = photos.map(photo_key).collect();
        let text_keys: Vec<String> = captions.map(text_key).collect();
        let missing = (store.photos.missing(&photo_keys).len(), store.texts.missing(&text_keys).len());
        if missing != (0, 0) {
            let reason = format!(
                "{} photos and {} captions are missing; `bolid train cache` with the same configuration fills it",
                missing.0, missing.1
            );
            return Err(Error::malformed(folder, reason));
        }
        Ok(store)
    }

    /// Mean and log-variance of a photo's latents, `[c, h, w]`, as the encoder gives them (not scaled).
    pub fn latents(&self, photo: &KeptPhoto) -> Result<(Tensor, Tensor)> {
        let key = photo_key(photo);
        Ok((self.photos.read(&key, "latent_mean")?, self.photos.read(&key, "latent_logvar")?))
    }

    /// CLIP's embedding of a photo, `[width]`.
    pub fn image(&self, photo: &KeptPhoto) -> Result<Tensor> {
        self.photos.read(&photo_key(photo), "image")
    }

    /// A caption's row, in f32.
    pub fn text(&self, caption: &str) -> Result<CachedText> {
        let key = text_key(caption);
        let pooled = self.texts.has("pooled").then(|| self.texts.read(&key, "pooled")).transpose()?;
        Ok(CachedText { states: self.texts.read(&key, "states")?.to_dtype(DType::F32)?, pooled })
    }

    /// What a view says of c_body: mean and log-variance.
    pub fn body(&self, photo: &KeptPhoto) -> Result<(Vec<f32>, Vec<f32>)> {
        let key = photo_key(photo);
        let read = |name: &str| -> Result<Vec<f32>> { Ok(self.photos.read(&key, name)?.to_vec1()?) };
        Ok((read("body_mean")?, read("body_log_variance")?))
    }
}
