//! CLIP (arXiv:2103.00020), as transformers' `CLIPTextModel`, `CLIPTextModelWithProjection`,
//! `CLIPVisionModelWithProjection` and `CLIPModel`, and the image tower of EVA02-CLIP. Differentiable.

mod encoder;
mod eva;
mod loss;
pub(crate) mod patches;
pub(crate) mod pixels;
mod text;
mod vision;

pub use eva::{EvaVision, EvaVisionConfig, EvaVisionOutput};
pub use loss::clip_loss;
pub use pixels::to_clip_pixels;
pub use text::{ClipText, ClipTextConfig, TextOutput};
pub use vision::{ClipVision, ClipVisionConfig, VisionOutput};

use super::json::Settings;
use super::weights::Weights;
use crate::error::Result;

/// A whole CLIP model, whose two projections share a space: the judge of "does this image show that text".
#[derive(Debug)]
pub struct Clip {
    /// The text half.
    pub text: ClipText,
    /// The image half.
    pub vision: ClipVision,
}

impl Clip {
    /// From a checkpoint such as `openai/clip-vit-large-patch14` (`text_config`, `vision_config`, `projection_dim`).
    pub fn load(weights: &Weights, settings: &Settings) -> Result<Self> {
        let text = ClipTextConfig::from_settings(settings)?.projected();
        weights.ignore("logit_scale");
        Ok(Self {
            text: ClipText::load(weights, text)?,
            vision: ClipVision::load(weights, ClipVisionConfig::from_settings(settings)?)?,
        })
    }
}
