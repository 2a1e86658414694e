use crate::error::Result;
use candle_core::Tensor;

/// See [`grad::transpose`](crate::grad::transpose).
pub fn transpose(x: &Tensor) -> Result<Tensor> {
    Ok(x.transpose(1, 2)?.contiguous()?)
}
