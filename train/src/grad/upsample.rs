//! Nearest-neighbour upsampling.

use super::shape_error;
use crate::error::Result;
use candle_core::Tensor;

/// Doubles height and width of `x` `[n, c, h, w]`, each pixel becoming a 2×2 block.
pub fn upsample_nearest2x(x: &Tensor) -> Result<Tensor> {
    let Ok((n, c, h, w)) = x.dims4() else {
        return Err(shape_error("upsample_nearest2x", "x", x, "[n, c, h, w]"));
    };
    // Candle's own upsample_nearest2d overwrites the gradient where its input has a second consumer; broadcasting does not.
    let blocks = x.reshape((n, c, h, 1, w, 1))?.broadcast_as((n, c, h, 2, w, 2))?;
    Ok(blocks.reshape((n, c, 2 * h, 2 * w))?)
}
