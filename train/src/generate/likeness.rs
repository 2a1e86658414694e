//! What CLIP makes of pictures and texts: vectors whose cosines say how alike they are.

use std::path::Path;

use candle_core::{DType, Device, Tensor};
use photo::Digest;

use crate::cache::encoders::image_digest;
use crate::diffusion::checkpoint::load_clip;
use crate::diffusion::clip::{Clip, to_clip_pixels};
use crate::diffusion::tokenizer::ClipTokenizer;
use crate::error::{Error, Result};
use crate::report::Picture;

/// A whole CLIP model with its tokenizer.
#[derive(Debug)]
pub struct Likeness {
    clip: Clip,
    tokenizer: ClipTokenizer,
    digest: Digest,
}

impl Likeness {
    /// The model in `folder`, in transformers' layout, on `device`.
    ///
    /// # Errors
    /// Where a file is missing or does not fit.
    pub fn load(folder: &Path, device: &Device) -> Result<Self> {
        Ok(Self {
            clip: load_clip(folder, DType::F32, device)?,
            tokenizer: ClipTokenizer::read(folder)?,
            digest: image_digest(folder)?,
        })
    }

    /// Over its files.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Embeddings of pictures of one size, each of length 1.
    ///
    /// # Errors
    /// Where the network fails.
    pub fn of_pictures(&self, pictures: &[Picture]) -> Result<Vec<Vec<f32>>> {
        let Some(first) = pictures.first() else {
            return Ok(Vec::new());
        };
        let bytes: Vec<u8> = pictures.iter().flat_map(|picture| picture.rgb.iter().copied()).collect();
        let shape = (pictures.len(), first.height, first.width, 3);
        let pixels = Tensor::from_vec(bytes, shape, self.clip.vision.device())?;
        let pixels = pixels.permute((0, 3, 1, 2))?.to_dtype(DType::F32)?.affine(2.0 / 255.0, -1.0)?;
        let pixels = to_clip_pixels(&pixels, self.clip.vision.config().image_size())?;
        let embeddings: Vec<Vec<f32>> = self.clip.vision.forward(&pixels)?.image_embeds.to_vec2()?;
        Ok(embeddings.into_iter().map(unit).collect())
    }

    /// The embedding of a text, of length 1.
    ///
    /// # Errors
    /// Where it cannot be tokenised, or the network fails.
    pub fn of_text(&self, text: &str) -> Result<Vec<f32>> {
        let ids = self.tokenizer.encode(text)?.ids;
        let embedded = self.clip.text.forward(&[ids])?.text_embeds;
        let embedded = embedded.ok_or_else(|| Error::Config {
            file: "config.json".into(),
            key: "projection_dim".to_owned(),
            value: "(absent)".to_owned(),
            hint: "a CLIP model that compares texts with pictures has a projection".to_owned(),
        })?;
        Ok(unit(embedded.flatten_all()?.to_vec1()?))
    }
}

/// Brings an embedding to length 1.
fn unit(mut values: Vec<f32>) -> Vec<f32> {
    let length = values.iter().map(|value| value * value).sum::<f32>().sqrt();
    values.iter_mut().for_each(|value| *value /= length.max(f32::MIN_POSITIVE));
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn embeddings_have_length_one_and_nothing_stays_nothing() {
        assert_eq!(unit(vec![3.0, 4.0]), [0.6, 0.8]);
        assert_eq!(unit(vec![0.0, 0.0]), [0.0, 0.0]);
    }
}
