//! Activations: SiLU, GELU with the error function, the gated GELU of the transformer blocks, and a bounded
//! exponential.

use super::cpu::activation::{Each, ExpWithin, Geglu, Gelu, Silu};
use super::cpu::kernel::{apply1, takes};
use super::{card, composed, shape_error};
use crate::error::Result;
use candle_core::{D, Tensor};

/// `x · σ(x)`, any shape.
pub fn silu(x: &Tensor) -> Result<Tensor> {
    if takes(&[x]) { Ok(apply1(Each::<Silu>::new(), x)?) } else { composed::silu(x) }
}

/// `x · Φ(x)` with the error function (not the tanh approximation), any shape.
pub fn gelu(x: &Tensor) -> Result<Tensor> {
    if takes(&[x]) { Ok(apply1(Each::<Gelu>::new(), x)?) } else { composed::gelu(x) }
}

/// Gated GELU of diffusers' `GEGLU`: `x` is `[…, 2c]`, the result `x[…, ..c] · gelu(x[…, c..])`.
pub fn geglu(x: &Tensor) -> Result<Tensor> {
    let width = x.dim(D::Minus1)?;
    if width == 0 || !width.is_multiple_of(2) {
        return Err(shape_error("geglu", "x", x, "an even last dimension"));
    }
    if takes(&[x]) {
        Ok(apply1(Geglu, x)?)
    } else if let Some(y) = card::geglu(x)? {
        Ok(y)
    } else {
        composed::geglu(x)
    }
}

/// `exp(range · tanh(x / range))`: the exponential of about `x` near 0, and never beyond `exp(±range)`.
pub fn exp_within(x: &Tensor, range: f64) -> Result<Tensor> {
    if takes(&[x]) { Ok(apply1(ExpWithin { range }, x)?) } else { composed::exp_within(x, range) }
}
