use super::silu;
use super::wide::widened;
use crate::error::Result;
use candle_core::{D, Tensor};

/// See [`grad::layer_norm`](crate::grad::layer_norm).
pub fn layer_norm(x: &Tensor, weight: &Tensor, bias: &Tensor, eps: f64) -> Result<Tensor> {
    let wide = widened(x)?;
    let of = |parameter: &Tensor| parameter.to_dtype(wide.dtype());
    let centred = wide.broadcast_sub(&wide.mean_keepdim(D::Minus1)?)?;
    let variance = centred.sqr()?.mean_keepdim(D::Minus1)?;
    let normed = centred.broadcast_div(&(variance + eps)?.sqrt()?)?;
    Ok(normed.broadcast_mul(&of(weight)?)?.broadcast_add(&of(bias)?)?.to_dtype(x.dtype())?)
}

/// See [`grad::group_norm`](crate::grad::group_norm).
pub fn group_norm(x: &Tensor, groups: usize, weight: &Tensor, bias: &Tensor, eps: f64) -> Result<Tensor> {
    Ok(wide_group_norm(x, groups, weight, bias, eps)?.to_dtype(x.dtype())?)
}

/// See [`grad::group_norm_silu`](crate::grad::group_norm_silu).
pub fn group_norm_silu(
    x: &Tensor,
    groups: usize,
    weight: &Tensor,
    bias: &Tensor,
    eps: f64,
) -> Result<Tensor> {
    Ok(silu(&wide_group_norm(x, groups, weight, bias, eps)?)?.to_dtype(x.dtype())?)
}

/// The same in the type that it is computed in.
fn wide_group_norm(x: &Tensor, groups: usize, weight: &Tensor, bias: &Tensor, eps: f64) -> Result<Tensor> {
    let (n, c, h, w) = x.dims4()?;
    let wide = widened(x)?;
    let of = |parameter: &Tensor| parameter.to_dtype(wide.dtype())?.reshape((1, c, 1, 1));
    let grouped = wide.reshape((n, groups, c / groups * h * w))?;
    let centred = grouped.broadcast_sub(&grouped.mean_keepdim(2)?)?;
    let variance = centred.sqr()?.mean_keepdim(2)?;
    let normed = centred.broadcast_div(&(variance + eps)?.sqrt()?)?.reshape((n, c, h, w))?;
    Ok(normed.broadcast_mul(&of(weight)?)?.broadcast_add(&of(bias)?)?)
}
