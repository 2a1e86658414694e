//! The convolutions of the encoder and the pooling around joints.

use candle_core::{DType, Tensor};
use candle_nn::VarBuilder;

use super::config::BodyVaeConfig;
use crate::error::Result;
use crate::grad;
use crate::layers::{Conv, Residual};

/// Features on the grid.
#[derive(Clone, Debug)]
pub(super) struct Backbone {
    stem: Conv,
    blocks: Vec<Residual>,
}

impl Backbone {
    pub fn new(config: &BodyVaeConfig, builder: &VarBuilder) -> Result<Self> {
        let block = |i: usize| Residual::new(config.channels, &builder.pp(format!("blocks.{i}")));
        Ok(Self {
            stem: Conv::new(config.folded_channels(), config.channels, 1, &builder.pp("stem"))?,
            blocks: (0..config.blocks).map(block).collect::<Result<_>>()?,
        })
    }

    /// Every parameter, in the order in which [`with`](Self::with) takes them.
    fn parameters(&self) -> Vec<&Tensor> {
        let mut all = self.stem.parameters();
        all.extend(self.blocks.iter().flat_map(Residual::parameters));
        all
    }

    /// The same layers with other parameters.
    fn with(&self, parameters: &[Tensor]) -> Self {
        let mut parameters = parameters.iter().cloned();
        let stem = self.stem.with(&mut parameters);
        Self { stem, blocks: self.blocks.iter().map(|block| block.with(&mut parameters)).collect() }
    }

    /// `pixels` u8 `[n, folded, 16, 16]` pooled by `[n, POOLS, 16²]`; the result is `[n, POOLS, channels]`.
    fn forward(&self, pixels: &Tensor, pooling: &Tensor) -> Result<Tensor> {
        let (scale, offset) = (2.0 / 255.0, -1.0);
        if self.blocks.is_empty() {
            return self.stem.of_pooled(&grad::pool_bytes(pixels, pooling, scale, offset)?);
        }
        let x = pixels.to_dtype(DType::F32)?.affine(scale, offset)?;
        let mut x = self.stem.forward(&x)?;
        for block in &self.blocks {
            x = block.forward(&x)?;
        }
        pool(&x, pooling)
    }
}

/// `[n, POOLS, h·w]` · `[n, c, h, w]` over the cells.
fn pool(features: &Tensor, pooling: &Tensor) -> Result<Tensor> {
    let cells = features.flatten_from(2)?;
    Ok(pooling.matmul(&grad::transpose(&cells)?)?)
}

/// [`Backbone::forward`] of all views at once, or of `chunk` views at a time: then only the pixels and
/// the pooled features are kept, whatever the number of views, and each chunk is run again in the
/// backward pass. The result and the gradients are the same.
pub(super) fn pooled(
    backbone: &Backbone,
    pixels: &Tensor,
    pooling: &Tensor,
    chunk: Option<usize>,
) -> Result<Tensor> {
    let count = pixels.dim(0)?;
    let Some(chunk) = chunk.filter(|&chunk| chunk > 0 && chunk < count) else {
        return backbone.forward(pixels, pooling);
    };
    let mut parts = Vec::with_capacity(count.div_ceil(chunk));
    for start in (0..count).step_by(chunk) {
        let length = chunk.min(count - start);
        let part = |tensor: &Tensor| tensor.narrow(0, start, length)?.contiguous();
        let (pixels, pooling) = (part(pixels)?, part(pooling)?);
        let layers = backbone.clone();
        let run = move |parameters: &[Tensor]| layers.with(parameters).forward(&pixels, &pooling);
        parts.push(grad::checkpoint(&backbone.parameters(), run)?);
    }
    Ok(Tensor::cat(&parts, 0)?)
}
