//! Pooling of pictures as they are stored.

use super::cpu::pool;
use super::{composed, has_kernels, shape_error};
use crate::error::Result;
use candle_core::{DType, Tensor};

/// Weighted sums over the cells of `maps`, u8 `[n, c, h, w]` read as `scale · byte + offset`, by `weights`, f32
/// `[n, p, h·w]`: `[n, p, c + 1]`, of which the last is the sum of the weights. Neither has a gradient.
///
/// Pooling commutes with a 1×1 convolution: applied to these sums instead of every cell, the convolution
/// costs a fraction, and its backward pass needs none of the cells.
pub fn pool_bytes(maps: &Tensor, weights: &Tensor, scale: f64, offset: f64) -> Result<Tensor> {
    let Ok((n, _, h, w)) = maps.dims4() else {
        return Err(shape_error("pool_bytes", "maps", maps, "[n, c, h, w]"));
    };
    match weights.dims3() {
        Ok((wn, _, cells)) if (wn, cells) == (n, h * w) => {}
        _ => return Err(shape_error("pool_bytes", "weights", weights, format!("[{n}, p, {}]", h * w))),
    }
    let has_kernels = has_kernels(maps.device()) && has_kernels(weights.device());
    if has_kernels && maps.dtype() == DType::U8 && weights.dtype() == DType::F32 {
        Ok(pool::pool_bytes(maps, weights, scale as f32, offset as f32)?)
    } else {
        composed::pool_bytes(maps, weights, scale, offset)
    }
}
