use crate::error::Result;
use candle_core::Tensor;

/// See [`grad::upsample_nearest2x`](crate::grad::upsample_nearest2x).
pub fn upsample_nearest2x(x: &Tensor) -> Result<Tensor> {
    let (n, c, h, w) = x.dims4()?;
    // Candle's own upsample_nearest2d overwrites the gradient where its input has a second consumer;
    // broadcasting does not.
    let blocks = x.reshape((n, c, h, 1, w, 1))?.broadcast_as((n, c, h, 2, w, 2))?;
    Ok(blocks.reshape((n, c, 2 * h, 2 * w))?)
}
