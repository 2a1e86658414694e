//! Attention that computes its scores again in the backward pass, for a few heads at a time.
//!
//! At 64 × 64 latents a head's scores are 4096²: kept for all heads of a batch of 16 in f32 they would take 8.6 GB a
//! layer. Gradients as of softmax and two products (Dao et al. 2022, arXiv:2205.14135, appendix B.2).

use super::node::node3;
use super::softmax;
use super::wide::widened;
use crate::error::Result;
use candle_core::{D, Tensor};

/// Elements of one tensor of scores: 1 GiB in f32, a few heads of the largest maps, all heads of most layers.
/// The backward pass holds four of them at once (the weights, their gradient, and two products on the way to
/// the gradient of the scores), and with half types one of half the size besides: 4 to 4.5 GiB.
const SCORES: usize = 1 << 28;

/// See [`grad::attention`](crate::grad::attention).
pub fn attention(q: &Tensor, k: &Tensor, v: &Tensor, scale: f64, mask: Option<&Tensor>) -> Result<Tensor> {
    let (b, h, n, d) = q.dims4()?;
    let (m, e) = (k.dim(2)?, v.dim(3)?);
    let flat = |t: &Tensor, rows: usize, width: usize| t.contiguous()?.reshape((b * h, rows, width));
    let (q, k, v) = (flat(q, n, d)?, flat(k, m, d)?, flat(v, m, e)?);
    let mask = mask.map(|mask| Mask::new(&mask.to_dtype(q.dtype())?, (b, h))).transpose()?;
    let heads = Heads { scale, mask, at_once: (SCORES / (n * m).max(1)).max(1) };
    let parts = [q.detach(), k.detach(), v.detach()];
    let y = heads.forward(&parts)?;
    let wanted = [&q, &k, &v].map(Tensor::track_op);
    let backward = move |grad: &Tensor| Ok(heads.backward(&parts, grad, wanted)?);
    Ok(node3("attention", [&q, &k, &v], &y, Box::new(backward))?.reshape((b, h, n, e))?)
}

/// Heads of all samples, `[heads, rows, width]`.
struct Heads {
    scale: f64,
    /// Added to the scores.
    mask: Option<Mask>,
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
            scores = scores.broadcast_add(&mask.of(at, q.dim(0)?)?)?;
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

/// A mask of the shape it was given in: `[b or 1, h or 1, n or 1, m or 1]`. It is broadcast for a few heads
/// at a time: for all heads it would take the memory that computing the scores again saves.
struct Mask {
    /// `[groups, n or 1, m or 1]`
    values: Tensor,
    /// The group of each head of all samples; `None` where all have the same.
    groups: Option<Vec<u32>>,
}

impl Mask {
    fn new(mask: &Tensor, (b, h): (usize, usize)) -> Result<Self> {
        let mut dims = [1; 4];
        dims[4 - mask.rank()..].copy_from_slice(mask.dims());
        let [of_samples, of_heads, rows, columns] = dims;
        let values = mask.detach().reshape((of_samples * of_heads, rows, columns))?;
        let group = |at: usize| {
            let (sample, head) = (at / h % of_samples, at % h % of_heads);
            (sample * of_heads + head) as u32
        };
        let groups = (of_samples * of_heads > 1).then(|| (0..b * h).map(group).collect());
        Ok(Self { values, groups })
    }

    /// That of `count` heads from `at` on, `[count or 1, n or 1, m or 1]`.
    fn of(&self, at: usize, count: usize) -> Result<Tensor> {
        let Some(groups) = &self.groups else { return Ok(self.values.clone()) };
        let groups = Tensor::from_slice(&groups[at..at + count], count, self.values.device())?;
        Ok(self.values.index_select(&groups, 0)?)
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

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn a_mask_is_the_same_for_heads_one_by_one_as_broadcast_whole() {
        let (b, h, n, m) = (2, 3, 4, 5);
        let tensor = |shape: &[usize], scale: f32| {
            let count = shape.iter().product::<usize>();
            let values: Vec<f32> = (0..count).map(|i| scale * ((i * 37 % 101) as f32 / 50.0 - 1.0)).collect();
            Tensor::from_vec(values, shape, &Device::Cpu).expect("a tensor")
        };
        let parts = [tensor(&[b * h, n, 2], 1.0), tensor(&[b * h, m, 2], 1.5), tensor(&[b * h, m, 3], 2.0)];
        for dims in [&[m][..], &[n, m], &[1, 1, 1, m], &[b, 1, n, 1], &[1, h, n, m], &[b, h, n, m]] {
            let mask = tensor(dims, 3.0);
            let whole = mask.broadcast_as((b, h, n, m)).and_then(|mask| mask.contiguous()).expect("a mask");
            let values = |mask: &Tensor, at_once: usize| -> Vec<f32> {
                let mask = Some(Mask::new(mask, (b, h)).expect("a mask"));
                let y = Heads { scale: 0.4, mask, at_once }.forward(&parts).expect("attention");
                y.flatten_all().and_then(|y| y.to_vec1()).expect("numbers")
            };
            let expected = values(&whole, b * h);
            for at_once in [1, 4, b * h] {
                assert_eq!(values(&mask, at_once), expected, "{dims:?}, {at_once} at once");
            }
        }
    }
}
