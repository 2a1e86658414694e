//! Attention whose scores are made anew in the backward pass, of a few heads at a time.
//!
//! At 64 × 64 latents a head's scores are 4096²: kept for all heads of a batch of 16 in f32 they would take 8.6 GB a
//! layer. Gradients as of softmax and two products (Dao et al. 2022, arXiv:2205.14135, appendix B.2).

use super::node::node3;
use super::softmax;
use super::wide::widened;
use crate::error::Result;
use candle_core::{D, Tensor};

/// Scores that are held at once: 1 GiB in f32, a few heads of the largest maps, all heads of most layers.
const SCORES: usize = 1 << 28;

/// See [`grad::attention`](crate::grad::attention).
pub fn attention(q: &Tensor, k: &Tensor, v: &Tensor, scale: f64, mask: Option<&Tensor>) -> Result<Tensor> {
    let (b, h, n, d) = q.dims4()?;
    let (m, e) = (k.dim(2)?, v.dim(3)?);
    let flat = |t: &Tensor, rows: usize, width: usize| t.contiguous()?.reshape((b * h, rows, width));
    let (q, k, v) = (flat(q, n, d)?, flat(k, m, d)?, flat(v, m, e)?);
    // A mask is as small as the texts and views that have one.
    let mask = mask.map(|mask| {
        mask.detach().to_dtype(q.dtype())?.broadcast_as((b, h, n, m))?.contiguous()?.reshape((b * h, n, m))
    });
    let heads = Heads { scale, mask: mask.transpose()?, at_once: (SCORES / (n * m).max(1)).max(1) };
    let parts = [q.detach(), k.detach(), v.detach()];
    let y = heads.forward(&parts)?;
    let wanted = [&q, &k, &v].map(Tensor::track_op);
    let backward = move |grad: &Tensor| Ok(heads.backward(&parts, grad, wanted)?);
    Ok(node3("attention", [&q, &k, &v], &y, Box::new(backward))?.reshape((b, h, n, e))?)
}

/// Heads of all samples, `[heads, rows, width]`.
struct Heads {
    scale: f64,
    /// `[heads, n, m]`, added to the scores.
    mask: Option<Tensor>,
    at_once: usize,
}

impl Heads {
    fn forward(&self, parts: &[Tensor; 3]) -> Result<Tensor> {
        let each = |at: usize, count: usize| -> Result<Tensor> {
            let [q, k, v] = some(parts, at, count)?;
            Ok(self.shares(&q, &k, at)?.matmul(&v)?)
        };
        self.joined(parts[0].dim(0)?, each)
    }

    /// The gradients of queries, keys and values, where they are wanted.
    fn backward(
        &self,
        parts: &[Tensor; 3],
        grad: &Tensor,
        [of_q, of_k, of_v]: [bool; 3],
    ) -> Result<[Option<Tensor>; 3]> {
        let heads = parts[0].dim(0)?;
        let mut found: [Vec<Tensor>; 3] = Default::default();
        for at in (0..heads).step_by(self.at_once) {
            let count = self.at_once.min(heads - at);
            let [q, k, v] = some(parts, at, count)?;
            let grad = grad.narrow(0, at, count)?.contiguous()?;
            let shares = self.shares(&q, &k, at)?;
            if of_v {
                found[2].push(shares.t()?.matmul(&grad)?);
            }
            if !of_q && !of_k {
                continue;
            }
            let of_shares = widened(&grad.matmul(&v.t()?)?)?;
            let wide = widened(&shares)?;
            let mean = (&of_shares * &wide)?.sum_keepdim(D::Minus1)?;
            let of_scores = ((of_shares.broadcast_sub(&mean)? * wide)? * self.scale)?.to_dtype(q.dtype())?;
            if of_q {
                found[0].push(of_scores.matmul(&k)?);
            }
            if of_k {
                found[1].push(of_scores.t()?.matmul(&q)?);
            }
        }
        let [q, k, v] = found.map(|found| match found.len() {
            0 => Ok(None),
            1 => Ok(found.into_iter().next()),
            _ => Tensor::cat(&found, 0).map(Some),
        });
        Ok([q?, k?, v?])
    }

    /// softmax(q·kᵀ·scale + mask) of the heads from `at` on.
    fn shares(&self, q: &Tensor, k: &Tensor, at: usize) -> Result<Tensor> {
        let mut scores = (q.matmul(&k.t()?)? * self.scale)?;
        if let Some(mask) = &self.mask {
            scores = (scores + mask.narrow(0, at, q.dim(0)?)?)?;
        }
        softmax(&scores)
    }

    fn joined(&self, heads: usize, each: impl Fn(usize, usize) -> Result<Tensor>) -> Result<Tensor> {
        if heads <= self.at_once {
            return each(0, heads);
        }
        let parts = (0..heads).step_by(self.at_once).map(|at| each(at, self.at_once.min(heads - at)));
        Ok(Tensor::cat(&parts.collect::<Result<Vec<_>>>()?, 0)?)
    }
}

fn some(parts: &[Tensor; 3], at: usize, count: usize) -> candle_core::Result<[Tensor; 3]> {
    let [q, k, v] = parts;
    let of = |t: &Tensor| t.narrow(0, at, count)?.contiguous();
    Ok([of(q)?, of(k)?, of(v)?])
}

/// See [`grad::attention_heads`](crate::grad::attention_heads).
pub fn attention_heads(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    heads: usize,
    scale: f64,
    runs: &[usize],
) -> Result<Tensor> {
    let (b, n, c) = q.dims3()?;
    let split = |t: &Tensor| t.reshape((b, (), heads, c / heads))?.transpose(1, 2);
    let (q, k, v) = (split(q)?, split(k)?, split(v)?);
    let mut sum: Option<Tensor> = None;
    let mut start = 0;
    for &run in runs {
        let part = attention(&q, &k.narrow(2, start, run)?, &v.narrow(2, start, run)?, scale, None)?;
        sum = Some(match sum {
            Some(sum) => (sum + part)?,
            None => part,
        });
        start += run;
    }
    match sum {
        Some(sum) => Ok(sum.transpose(1, 2)?.reshape((b, n, c))?),
        None => Ok(q.zeros_like()?.reshape((b, n, c))?),
    }
}
