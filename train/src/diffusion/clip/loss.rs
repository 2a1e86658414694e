//! The distance between an image and a text in CLIP's space.

use crate::error::Result;
use candle_core::{D, Tensor};

/// Norms below this are taken as this, as in `torch.nn.functional.cosine_similarity`.
const MIN_NORM: f64 = 1e-8;

/// L_CLIP = 1 − cos(image, text) per pair: `[n, d]` and `[n, d]` to `[n]` (the paper, sec. 4.4).
/// Differentiable in both.
pub fn clip_loss(image_embeds: &Tensor, text_embeds: &Tensor) -> Result<Tensor> {
    let unit = |x: &Tensor| -> Result<Tensor> {
        let norm = x.sqr()?.sum_keepdim(D::Minus1)?.sqrt()?.maximum(MIN_NORM)?;
        Ok(x.broadcast_div(&norm)?)
    };
    let cosine = (unit(image_embeds)? * unit(text_embeds)?)?.sum(D::Minus1)?;
    Ok((1.0 - cosine)?)
}
