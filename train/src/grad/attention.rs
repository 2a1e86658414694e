//! Scaled dot-product attention.

use super::{shape_error, softmax};
use crate::error::Result;
use candle_core::Tensor;

/// `softmax(q·kᵀ·scale + mask)·v`.
///
/// `q` is `[b, h, n, d]`, `k` `[b, h, m, d]`, `v` `[b, h, m, e]`, the result `[b, h, n, e]`; `mask` is added to the scores and
/// broadcasts to `[b, h, n, m]` (it gets no gradient).
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
    match v.dims4() {
        Ok((vb, vh, vm, _)) if (vb, vh, vm) == (b, h, m) => {}
        _ => return Err(shape_error("attention", "v", v, format!("[{b}, {h}, {m}, d]"))),
    }
    let mut scores = (q.contiguous()?.matmul(&k.transpose(2, 3)?.contiguous()?)? * scale)?;
    if let Some(mask) = mask {
        let Ok(mask) = mask.broadcast_as((b, h, n, m)) else {
            return Err(shape_error(
                "attention",
                "mask",
                mask,
                format!("broadcastable to [{b}, {h}, {n}, {m}]"),
            ));
        };
        scores = (scores + mask.detach())?;
    }
    Ok(softmax(&scores)?.matmul(&v.contiguous()?)?)
}

/// Attention of `q` `[b, n, heads·d]` on `k` and `v` `[b, m, heads·d]`, the heads side by side in the last dimension, as linear layers
/// give and take them. `runs` cuts the `m` tokens into runs that each have a softmax of their own; the results are summed.
pub fn attention_heads(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    heads: usize,
    scale: f64,
    runs: &[usize],
) -> Result<Tensor> {
    let Ok((b, n, c)) = q.dims3() else {
        return Err(shape_error("attention_heads", "q", q, "[b, n, heads·d]"));
    };
    if heads == 0 || !c.is_multiple_of(heads) {
        return Err(shape_error(
            "attention_heads",
            "q",
            q,
            format!("[b, n, c] with c divisible by {heads} heads"),
        ));
    }
    let m: usize = runs.iter().sum();
    for (name, t) in [("k", k), ("v", v)] {
        if t.dims() != [b, m, c] {
            return Err(shape_error("attention_heads", name, t, format!("[{b}, {m}, {c}]")));
        }
    }
    let split = |t: &Tensor| t.reshape((b, (), heads, c / heads))?.transpose(1, 2);
    let (qs, ks, vs) = (split(q)?, split(k)?, split(v)?);
    let mut sum: Option<Tensor> = None;
    let mut start = 0;
    for &run in runs {
        let part = attention(&qs, &ks.narrow(2, start, run)?, &vs.narrow(2, start, run)?, scale, None)?;
        sum = Some(match sum {
            Some(sum) => (sum + part)?,
            None => part,
        });
        start += run;
    }
    let Some(sum) = sum else {
        return Err(shape_error("attention_heads", "k", k, "at least one run of tokens"));
    };
    Ok(sum.transpose(1, 2)?.reshape((b, n, c))?)
}
