use super::softmax;
use crate::error::Result;
use candle_core::Tensor;

/// See [`grad::attention`](crate::grad::attention).
pub fn attention(q: &Tensor, k: &Tensor, v: &Tensor, scale: f64, mask: Option<&Tensor>) -> Result<Tensor> {
    let mut scores = (q.contiguous()?.matmul(&k.transpose(2, 3)?.contiguous()?)? * scale)?;
    if let Some(mask) = mask {
        scores =
            scores.broadcast_add(&mask.detach().to_dtype(scores.dtype())?.broadcast_as(scores.shape())?)?;
    }
    Ok(softmax(&scores)?.matmul(&v.contiguous()?)?)
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
