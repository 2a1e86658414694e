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
            return Err(shape_error("attention", "mask", mask, format!("broadcastable to [{b}, {h}, {n}, {m}]")));
        };
        scores = (scores + mask.detach())?;
    }
    Ok(softmax(&scores)?.matmul(&v.contiguous()?)?)
}
