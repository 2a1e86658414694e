//! Layer and group normalisation.

use super::cpu::kernel::{apply3, takes};
use super::cpu::norm::{GroupNorm, LayerNorm};
use super::{card, composed, shape_error};
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
    if takes(&[x, weight, bias]) {
        Ok(apply3(LayerNorm { eps }, x, weight, bias)?)
    } else if let Some(y) = card::layer_norm(x, weight, bias, eps)? {
        Ok(y)
    } else {
        composed::layer_norm(x, weight, bias, eps)
    }
}

/// Group normalisation of `x` `[n, c, h, w]` over `groups` groups of channels; `weight` and `bias` are `[c]`.
pub fn group_norm(x: &Tensor, groups: usize, weight: &Tensor, bias: &Tensor, eps: f64) -> Result<Tensor> {
    check(x, groups, weight, bias)?;
    if takes(&[x, weight, bias]) {
        Ok(apply3(GroupNorm { groups, eps, silu: false }, x, weight, bias)?)
    } else if let Some(y) = card::group_norm(x, groups, [weight, bias], eps, false)? {
        Ok(y)
    } else {
        composed::group_norm(x, groups, weight, bias, eps)
    }
}

/// [`group_norm`] followed by SiLU, as in every residual block.
pub fn group_norm_silu(
    x: &Tensor,
    groups: usize,
    weight: &Tensor,
    bias: &Tensor,
    eps: f64,
) -> Result<Tensor> {
    check(x, groups, weight, bias)?;
    if takes(&[x, weight, bias]) {
        Ok(apply3(GroupNorm { groups, eps, silu: true }, x, weight, bias)?)
    } else if let Some(y) = card::group_norm(x, groups, [weight, bias], eps, true)? {
        Ok(y)
    } else {
        composed::group_norm_silu(x, groups, weight, bias, eps)
    }
}

fn check(x: &Tensor, groups: usize, weight: &Tensor, bias: &Tensor) -> Result<()> {
    let Ok((_, c, _, _)) = x.dims4() else {
        return Err(shape_error("group_norm", "x", x, "[n, c, h, w]"));
    };
    if groups == 0 || !c.is_multiple_of(groups) || x.elem_count() == 0 {
        return Err(shape_error("group_norm", "x", x, format!("channels divisible into {groups} groups")));
    }
    for (name, t) in [("weight", weight), ("bias", bias)] {
        if t.dims() != [c] {
            return Err(shape_error("group_norm", name, t, format!("[{c}]")));
        }
    }
    Ok(())
}
