use crate::error::Result;
use candle_core::{D, Tensor};

/// See [`grad::silu`](crate::grad::silu).
pub fn silu(x: &Tensor) -> Result<Tensor> {
    Ok(x.silu()?)
}

/// See [`grad::gelu`](crate::grad::gelu).
pub fn gelu(x: &Tensor) -> Result<Tensor> {
    let distribution = ((x * std::f64::consts::FRAC_1_SQRT_2)?.erf()?.affine(0.5, 0.5))?;
    Ok((x * distribution)?)
}

/// See [`grad::geglu`](crate::grad::geglu).
pub fn geglu(x: &Tensor) -> Result<Tensor> {
    let width = x.dim(D::Minus1)? / 2;
    let (value, gate) = (x.narrow(D::Minus1, 0, width)?, x.narrow(D::Minus1, width, width)?);
    Ok((value * gelu(&gate)?)?)
}

/// See [`grad::exp_within`](crate::grad::exp_within).
pub fn exp_within(x: &Tensor, range: f64) -> Result<Tensor> {
    Ok(((x / range)?.tanh()? * range)?.exp()?)
}
