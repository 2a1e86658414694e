//! Scaled dot-product attention.

use super::cpu::attention::{Attention, Mask};
use super::cpu::kernel::{apply3, takes};
use super::{card, composed, shape_error};
use crate::error::Result;
use candle_core::{DType, Tensor};

/// `softmax(q·kᵀ·scale + mask)·v`.
///
/// `q` is `[b, h, n, d]`, `k` `[b, h, m, d]`, `v` `[b, h, m, e]`, the result `[b, h, n, e]`; `mask` is added
/// to the scores and broadcasts to `[b, h, n, m]` (it gets no gradient).
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use train::grad::attention;
///
/// let device = &Device::Cpu;
/// let q = Tensor::ones((1, 2, 5, 8), DType::F32, device)?; // two heads, five queries of width 8
/// let k = Tensor::ones((1, 2, 3, 8), DType::F32, device)?;
/// let v = Tensor::new(&[[1f32], [10.0], [100.0]], device)?.broadcast_as((1, 2, 3, 1))?;
/// let mask = Tensor::new(&[0f32, 0.0, -1e4], device)?.reshape((1, 1, 1, 3))?; // hides the third key
/// let out = attention(&q, &k, &v, 8f64.sqrt().recip(), Some(&mask))?;
/// assert_eq!(out.dims(), [1, 2, 5, 1]);
/// // The two other keys are alike, so every query gets the mean of their values.
/// assert_eq!(out.flatten_all()?.to_vec1::<f32>()?, [5.5; 10]);
/// # Ok::<(), train::Error>(())
/// ```
pub fn attention(q: &Tensor, k: &Tensor, v: &Tensor, scale: f64, mask: Option<&Tensor>) -> Result<Tensor> {
    let Ok((b, h, n, d)) = q.dims4() else {
        return Err(shape_error("attention", "q", q, "[b, h, n, d]"));
    };
    let Ok((kb, kh, m, kd)) = k.dims4() else {
        return Err(shape_error("attention", "k", k, "[b, h, m, d]"));
    };
    if (kb, kh, kd) != (b, h, d) {
        return Err(shape_error("attention", "k", k, format!("[{b}, {h}, m, {d}]")));
    }
    let e = match v.dims4() {
        Ok((vb, vh, vm, e)) if (vb, vh, vm) == (b, h, m) => e,
        _ => return Err(shape_error("attention", "v", v, format!("[{b}, {h}, {m}, d]"))),
    };
    if let Some(mask) = mask
        && mask.broadcast_as((b, h, n, m)).is_err()
    {
        let expected = format!("broadcastable to [{b}, {h}, {n}, {m}]");
        return Err(shape_error("attention", "mask", mask, expected));
    }
    if !takes(&[q, k, v]) {
        if mask.is_none()
            && let Some(out) = card::attention(q, k, v, None, scale)?
        {
            return Ok(out);
        }
        return composed::attention(q, k, v, scale, mask);
    }
    // Each head as a batch entry of its own.
    let mask = mask.map(|mask| expand(mask, (b, h, n, m))).transpose()?;
    let kernel = Attention { heads: 1, scale, runs: vec![m], mask };
    let flat = |t: &Tensor, rows: usize, width: usize| t.reshape((b * h, rows, width));
    let out = apply3(kernel, &flat(q, n, d)?, &flat(k, m, d)?, &flat(v, m, e)?)?;
    Ok(out.reshape((b, h, n, e))?)
}

/// The mask once, if it is the same for all heads of all samples, else for each.
fn expand(mask: &Tensor, (b, h, n, m): (usize, usize, usize, usize)) -> Result<Mask> {
    let leading: usize = mask.dims().iter().rev().skip(2).product();
    let groups = if leading == 1 { 1 } else { b * h };
    let whole = mask.detach().to_dtype(DType::F64)?.broadcast_as((b, h, n, m))?;
    let whole = if groups == 1 { whole.narrow(0, 0, 1)?.narrow(1, 0, 1)? } else { whole };
    Ok(Mask { values: whole.flatten_all()?.to_vec1()?, groups })
}

/// Attention of `q` `[b, n, heads·d]` on `k` and `v` `[b, m, heads·d]`, the heads side by side in the last
/// dimension, as linear layers give and take them. `runs` cuts the `m` tokens into runs that each have a
/// softmax of their own; the results are summed.
pub fn attention_heads(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    heads: usize,
    scale: f64,
    runs: &[usize],
) -> Result<Tensor> {
    let Ok((b, _, c)) = q.dims3() else {
        return Err(shape_error("attention_heads", "q", q, "[b, n, heads·d]"));
    };
    if heads == 0 || !c.is_multiple_of(heads) {
        let expected = format!("[b, n, c] with c divisible by {heads} heads");
        return Err(shape_error("attention_heads", "q", q, expected));
    }
    let m: usize = runs.iter().sum();
    for (name, t) in [("k", k), ("v", v)] {
        if t.dims() != [b, m, c] || m == 0 {
            return Err(shape_error("attention_heads", name, t, format!("[{b}, {m} ≥ 1, {c}]")));
        }
    }
    if !takes(&[q, k, v]) {
        if let Some(out) = card::attention_of_runs(q, k, v, heads, scale, runs)? {
            return Ok(out);
        }
        return composed::attention_heads(q, k, v, heads, scale, runs);
    }
    Ok(apply3(Attention { heads, scale, runs: runs.to_vec(), mask: None }, q, k, v)?)
}
