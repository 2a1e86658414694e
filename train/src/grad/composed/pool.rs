use crate::error::Result;
use candle_core::{D, Tensor};

/// See [`grad::pool_bytes`](crate::grad::pool_bytes).
pub fn pool_bytes(maps: &Tensor, weights: &Tensor, scale: f64, offset: f64) -> Result<Tensor> {
    let weights = weights.detach();
    let cells = maps.flatten_from(2)?.to_dtype(weights.dtype())?.affine(scale, offset)?;
    let sums = weights.matmul(&cells.transpose(1, 2)?.contiguous()?)?;
    Ok(Tensor::cat(&[&sums, &weights.sum_keepdim(D::Minus1)?], 2)?)
}
