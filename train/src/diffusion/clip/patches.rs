//! Pixels to patches: a convolution whose stride is its kernel, as one matrix product.

use crate::diffusion::weights::Weights;
use crate::error::{Error, Result};
use crate::grad;
use candle_core::{DType, Tensor};

/// Weight `[width, channels, patch, patch]` and bias `[width]` of the patch convolution of square images.
#[derive(Debug)]
pub(crate) struct Patches {
    weight: Tensor,
    bias: Tensor,
    side: usize,
}

impl Patches {
    /// Patches of `patch` px of images of `side` px, three channels each.
    pub(crate) fn load(weights: &Weights, side: usize, patch: usize, width: usize) -> Result<Self> {
        Ok(Self {
            weight: weights.get((width, 3, patch, patch), "weight")?,
            bias: weights.get_as(width, "bias", DType::F32)?,
            side,
        })
    }

    /// `[n, 3, side, side]` to `[n, patches, width]`, row after row; `op` names the model in errors.
    pub(crate) fn forward(&self, pixels: &Tensor, op: &'static str) -> Result<Tensor> {
        let (width, channels, patch, _) = self.weight.dims4()?;
        let n = match pixels.dims4() {
            Ok((n, c, h, w)) if (c, h, w) == (channels, self.side, self.side) => n,
            _ => {
                return Err(Error::Shape {
                    op,
                    tensor: "pixels".to_owned(),
                    found: pixels.shape().clone(),
                    expected: format!("[n, {channels}, {0}, {0}]", self.side),
                });
            }
        };
        let across = self.side / patch;
        let used = pixels.narrow(2, 0, across * patch)?.narrow(3, 0, across * patch)?.contiguous()?;
        let cut = used.reshape(&[n, channels, across, patch, across, patch][..])?;
        let inputs = channels * patch * patch;
        let rows = cut.permute([0, 2, 4, 1, 3, 5])?.reshape((n, across * across, inputs))?;
        grad::linear(&rows, &self.weight.reshape((width, inputs))?, Some(&self.bias))
    }
}
