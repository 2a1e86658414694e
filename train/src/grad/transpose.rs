//! From maps to rows of pixels, and back.

use super::cpu::kernel::{apply1, takes};
use super::cpu::transpose::Transpose;
use super::{composed, shape_error};
use crate::error::Result;
use candle_core::Tensor;

/// `[b, r, c]` to `[b, c, r]`, laid out anew.
pub fn transpose(x: &Tensor) -> Result<Tensor> {
    if x.rank() != 3 || x.elem_count() == 0 {
        return Err(shape_error("transpose", "x", x, "[b, r, c]"));
    }
    if takes(&[x]) { Ok(apply1(Transpose, x)?) } else { composed::transpose(x) }
}
