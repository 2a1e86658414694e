//! Half types: matrix products are computed in them, sums and norms in f32.

use crate::error::Result;
use candle_core::{DType, Tensor};

/// `x` in the type that sums over it are made in: f32 for bf16 and f16, which hold 3 digits of a sum of thousands.
pub(super) fn widened(x: &Tensor) -> Result<Tensor> {
    match x.dtype() {
        DType::BF16 | DType::F16 => Ok(x.to_dtype(DType::F32)?),
        _ => Ok(x.clone()),
    }
}
