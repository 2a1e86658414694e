use super::wide::widened;
use crate::error::Result;
use candle_core::{D, Tensor};

/// See [`grad::softmax`](crate::grad::softmax).
pub fn softmax(x: &Tensor) -> Result<Tensor> {
    let wide = widened(x)?;
    // The maximum only keeps exp in range: the result does not depend on it, so it needs no gradient.
    let max = wide.detach().max_keepdim(D::Minus1)?;
    let e = wide.broadcast_sub(&max)?.exp()?;
    let sum = e.sum_keepdim(D::Minus1)?;
    Ok(e.broadcast_div(&sum)?.to_dtype(x.dtype())?)
}
