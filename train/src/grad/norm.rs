//! Layer and group normalisation.

use super::{shape_error, silu};
use crate::error::Result;
use candle_core::{D, Tensor};

/// Layer normalisation over the last dimension; `weight` and `bias` are `[c]`.
pub fn layer_norm(x: &Tensor, weight: &Tensor, bias: &Tensor, eps: f64) -> Result<Tensor> {
    let width = x.dim(D::Minus1)?;
    for (name, t) in [("weight", weight), ("bias", bias)] {
        if t.dims() != [width] {
            return Err(shape_error("layer_norm", name, t, format!("[{width}]")));
        }
    }
    let centred = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
    let variance = centred.sqr()?.mean_keepdim(D::Minus1)?;
    let normed = centred.broadcast_div(&(variance + eps)?.sqrt()?)?;
    Ok(normed.broadcast_mul(weight)?.broadcast_add(bias)?)
}

/// Group normalisation of `x` `[n, c, h, w]` over `groups` groups of channels; `weight` and `bias` are `[c]`.
pub fn group_norm(x: &Tensor, groups: usize, weight: &Tensor, bias: &Tensor, eps: f64) -> Result<Tensor> {
    let Ok((n, c, h, w)) = x.dims4() else {
        return Err(shape_error("group_norm", "x", x, "[n, c, h, w]"));
    };
    if groups == 0 || !c.is_multiple_of(groups) {
        return Err(shape_error("group_norm", "x", x, format!("channels divisible into {groups} groups")));
    }
    for (name, t) in [("weight", weight), ("bias", bias)] {
        if t.dims() != [c] {
            return Err(shape_error("group_norm", name, t, format!("[{c}]")));
        }
    }
    let grouped = x.reshape((n, groups, c / groups * h * w))?;
    let centred = grouped.broadcast_sub(&grouped.mean_keepdim(2)?)?;
    let variance = centred.sqr()?.mean_keepdim(2)?;
    let normed = centred.broadcast_div(&(variance + eps)?.sqrt()?)?.reshape((n, c, h, w))?;
    Ok(normed.broadcast_mul(&weight.reshape((1, c, 1, 1))?)?.broadcast_add(&bias.reshape((1, c, 1, 1))?)?)
}

/// [`group_norm`] followed by SiLU, as in every residual block.
pub fn group_norm_silu(
    x: &Tensor,
    groups: usize,
    weight: &Tensor,
    bias: &Tensor,
    eps: f64,
) -> Result<Tensor> {
    silu(&group_norm(x, groups, weight, bias, eps)?)
}
