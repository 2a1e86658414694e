//! Low-rank updates (LoRA, arXiv:2106.09685) merged into weights when they are read.

use crate::error::Result;
use candle_core::{DType, Device, Shape, Tensor};

/// One low-rank update of one weight: `factor · up · down`.
#[derive(Clone, Debug)]
pub struct Delta {
    down: Tensor,
    up: Tensor,
    mid: Option<Tensor>,
    factor: f64,
}

impl Delta {
    /// The update in the shape of its weight, `[out, in]` or `[out, in, kh, kw]`, in f32.
    pub(crate) fn dense(&self, shape: &Shape, device: &Device) -> Result<Tensor> {
        let two = |t: &Tensor| t.to_device(device)?.to_dtype(DType::F32)?.flatten_from(1);
        let (up, down) = (two(&self.up)?, two(&self.down)?);
        let _ = &self.mid;
        Ok((up.matmul(&down)? * self.factor)?.reshape(shape)?)
    }
}
