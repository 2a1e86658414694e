//! One low-rank update of one weight.

use crate::error::Result;
use candle_core::{DType, Device, Shape, Tensor};

/// `factor · up · down`, or `factor · up · mid · down` for convolutions decomposed along their kernel (LoCon).
#[derive(Clone, Debug)]
pub(crate) struct Delta {
    pub(super) down: Tensor,
    pub(super) up: Tensor,
    pub(super) mid: Option<Tensor>,
    pub(super) factor: f64,
}

impl Delta {
    /// The update in the shape of its weight, `[out, in]` or `[out, in, kh, kw]`, in f32.
    pub(crate) fn dense(&self, shape: &Shape, device: &Device) -> Result<Tensor> {
        let flat = |t: &Tensor| -> Result<Tensor> {
            Ok(t.to_device(device)?.to_dtype(DType::F32)?.reshape((t.dim(0)?, ()))?)
        };
        let (up, down) = (flat(&self.up)?, flat(&self.down)?);
        let product = match &self.mid {
            None => up.matmul(&down)?,
            Some(mid) => {
                // [o, p]·[p, q·k] → [o, q, k] → [o·k, q]·[q, i] → [o, k, i] → [o, i, k]
                let (out, rank, kernel) =
                    (up.dim(0)?, down.dim(0)?, mid.elem_count() / mid.dim(0)? / mid.dim(1)?);
                let left = up.matmul(&flat(mid)?)?.reshape((out, rank, kernel))?.transpose(1, 2)?;
                let product = left.reshape((out * kernel, rank))?.matmul(&down)?;
                product.reshape((out, kernel, ()))?.transpose(1, 2)?.contiguous()?
            }
        };
        Ok((product * self.factor)?.reshape(shape)?)
    }

    /// The weight's shape, if the factors multiply to it.
    pub(super) fn shape_like(&self, weight: &[usize]) -> Option<()> {
        let rank = *self.down.dims().first()?;
        let per_row = self.down.elem_count() / rank.max(1);
        let kernel: usize = self.mid.as_ref().map_or(1, |mid| mid.dims().iter().skip(2).product());
        let through = match &self.mid {
            Some(mid) => mid.dims().get(1) == Some(&rank) && self.up.dims().get(1) == mid.dims().first(),
            None => self.up.dims().get(1) == Some(&rank),
        };
        let fits = through
            && self.up.dims().iter().skip(2).all(|&k| k == 1)
            && weight.first() == self.up.dims().first()
            && weight.iter().skip(1).product::<usize>() == per_row * kernel;
        fits.then_some(())
    }

    /// Output and input size of the product, for messages.
    pub(super) fn factors_shape(&self) -> Vec<usize> {
        let rows = self.up.dims().first().copied().unwrap_or_default();
        std::iter::once(rows).chain(self.down.dims().iter().skip(1).copied()).collect()
    }
}
