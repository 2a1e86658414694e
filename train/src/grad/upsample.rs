//! Nearest-neighbour upsampling.

use super::cpu::kernel::{apply1, takes};
use super::cpu::upsample::Nearest2x;
use super::{composed, shape_error};
use crate::error::Result;
use candle_core::Tensor;

/// Doubles height and width of `x` `[n, c, h, w]`, each pixel becoming a 2×2 block.
pub fn upsample_nearest2x(x: &Tensor) -> Result<Tensor> {
    if x.rank() != 4 {
        return Err(shape_error("upsample_nearest2x", "x", x, "[n, c, h, w]"));
    }
    if takes(&[x]) { Ok(apply1(Nearest2x, x)?) } else { composed::upsample_nearest2x(x) }
}
