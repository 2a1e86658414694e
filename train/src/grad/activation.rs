//! Activations: SiLU, GELU with the error function, and the gated GELU of the transformer blocks.

use super::shape_error;
use crate::error::Result;
use candle_core::{D, Tensor};

/// `x · σ(x)`, any shape.
pub fn silu(x: &Tensor) -> Result<Tensor> {
    Ok(x.silu()?)
}

/// `x · Φ(x)` with the error function (not the tanh approximation), any shape.
pub fn gelu(x: &Tensor) -> Result<Tensor> {
    let distribution = ((x * std::f64::consts::FRAC_1_SQRT_2)?.erf()?.affine(0.5, 0.5))?;
    Ok((x * distribution)?)
}

/// Gated GELU of diffusers' `GEGLU`: `x` is `[…, 2c]`, the result `x[…, ..c] · gelu(x[…, c..])`.
pub fn geglu(x: &Tensor) -> Result<Tensor> {
    let width = x.dim(D::Minus1)?;
    if !width.is_multiple_of(2) {
        return Err(shape_error("geglu", "x", x, "an even last dimension"));
    }
    let value = x.narrow(D::Minus1, 0, width / 2)?;
    let gate = x.narrow(D::Minus1, width / 2, width / 2)?;
    Ok((value * gelu(&gate)?)?)
}
