//! Kernels for GPUs, where this program is built for them: see [`kernels`]. `None` where there is none for
//! what is given.

use candle_core::Tensor;

use crate::error::Result;

/// Softmax of `q·kᵀ·scale` times `v`, without a mask; with `heads`, these lie side by side in the last dimension.
pub(super) fn attention(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    heads: Option<usize>,
    scale: f64,
) -> Result<Option<Tensor>> {
    when_built::attention(q, k, v, heads, scale)
}

/// The same for each of the runs of keys, summed.
pub(super) fn attention_of_runs(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    heads: usize,
    scale: f64,
    runs: &[usize],
) -> Result<Option<Tensor>> {
    let mut sum: Option<Tensor> = None;
    let mut start = 0;
    for &run in runs.iter().filter(|&&run| run > 0) {
        let of = |t: &Tensor| t.narrow(1, start, run);
        let Some(part) = attention(q, &of(k)?, &of(v)?, Some(heads), scale)? else { return Ok(None) };
        sum = Some(match sum {
            Some(sum) => (sum + part)?,
            None => part,
        });
        start += run;
    }
    Ok(sum)
}

/// See [`grad::layer_norm`](super::layer_norm).
pub(super) fn layer_norm(x: &Tensor, weight: &Tensor, bias: &Tensor, eps: f64) -> Result<Option<Tensor>> {
    when_built::layer_norm(x, weight, bias, eps)
}

/// See [`grad::group_norm`](super::group_norm), and [`grad::group_norm_silu`](super::group_norm_silu) with `silu`.
pub(super) fn group_norm(
    x: &Tensor,
    groups: usize,
    weights: [&Tensor; 2],
    eps: f64,
    silu: bool,
) -> Result<Option<Tensor>> {
    when_built::group_norm(x, groups, weights, eps, silu)
}

/// See [`grad::geglu`](super::geglu).
pub(super) fn geglu(x: &Tensor) -> Result<Option<Tensor>> {
    when_built::geglu(x)
}

#[cfg(feature = "cuda")]
mod when_built {
    use super::{Result, Tensor};
    use crate::grad::backward::hand_over;
    use crate::grad::choice::is_composed_only;
    use kernels::cuda;

    pub fn attention(
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
        heads: Option<usize>,
        scale: f64,
    ) -> Result<Option<Tensor>> {
        if is_composed_only() {
            return Ok(None);
        }
        Ok(cuda::attention(q, k, v, heads, scale, hand_over)?)
    }

    pub fn layer_norm(x: &Tensor, weight: &Tensor, bias: &Tensor, eps: f64) -> Result<Option<Tensor>> {
        if is_composed_only() {
            return Ok(None);
        }
        Ok(cuda::layer_norm(x, weight, bias, eps, hand_over)?)
    }

    pub fn group_norm(
        x: &Tensor,
        groups: usize,
        weights: [&Tensor; 2],
        eps: f64,
        silu: bool,
    ) -> Result<Option<Tensor>> {
        if is_composed_only() {
            return Ok(None);
        }
        Ok(cuda::group_norm(x, groups, weights, eps, silu, hand_over)?)
    }

    pub fn geglu(x: &Tensor) -> Result<Option<Tensor>> {
        if is_composed_only() {
            return Ok(None);
        }
        Ok(cuda::geglu(x, hand_over)?)
    }
}

#[cfg(not(feature = "cuda"))]
mod when_built {
    use super::{Result, Tensor};

    pub fn attention(_: &Tensor, _: &Tensor, _: &Tensor, _: Option<usize>, _: f64) -> Result<Option<Tensor>> {
        Ok(None)
    }

    pub fn layer_norm(_: &Tensor, _: &Tensor, _: &Tensor, _: f64) -> Result<Option<Tensor>> {
        Ok(None)
    }

    pub fn group_norm(_: &Tensor, _: usize, _: [&Tensor; 2], _: f64, _: bool) -> Result<Option<Tensor>> {
        Ok(None)
    }

    pub fn geglu(_: &Tensor) -> Result<Option<Tensor>> {
        Ok(None)
    }
}
