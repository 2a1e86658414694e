use super::{attention, gelu, linear};
use crate::error::Result;
use crate::grad::{LayerWeights, card};
use candle_core::Tensor;

/// See [`grad::attention_layer`](crate::grad::attention_layer).
pub fn attention_layer(x: &Tensor, mask: &Tensor, weights: &LayerWeights) -> Result<Tensor> {
    let (b, n, _) = x.dims3()?;
    let normed = norm(x, &weights.norm, weights.eps)?;
    layer(x, &normed, &normed, &mask.reshape((b, 1, 1, n))?, weights)
}

/// See [`grad::cross_attention_layer`](crate::grad::cross_attention_layer).
pub fn cross_attention_layer(
    x: &Tensor,
    others: &Tensor,
    mask: &Tensor,
    weights: &LayerWeights,
) -> Result<Tensor> {
    let normed = |rows: &Tensor| norm(rows, &weights.norm, weights.eps);
    layer(x, &normed(x)?, &normed(others)?, &mask.unsqueeze(1)?, weights)
}

/// Layer normalisation is the only part of a layer with a kernel for GPUs: that of attention takes no mask.
fn norm(x: &Tensor, [weight, bias]: &[Tensor; 2], eps: f64) -> Result<Tensor> {
    match card::layer_norm(x, weight, bias, eps)? {
        Some(y) => Ok(y),
        None => super::layer_norm(x, weight, bias, eps),
    }
}

/// `normed` attends to `source`; `mask` broadcasts to `[b, heads, n, m]`.
fn layer(
    x: &Tensor,
    normed: &Tensor,
    source: &Tensor,
    mask: &Tensor,
    weights: &LayerWeights,
) -> Result<Tensor> {
    let (b, n, width) = x.dims3()?;
    let apply = |[weight, bias]: &[Tensor; 2], x: &Tensor| linear(x, weight, Some(bias));
    let split = |t: Tensor| -> Result<Tensor> {
        Ok(t.reshape((b, (), weights.heads, width / weights.heads))?.transpose(1, 2)?.contiguous()?)
    };
    let query = split(apply(&weights.query, normed)?)?;
    let (key, value) = (split(apply(&weights.key, source)?)?, split(apply(&weights.value, source)?)?);
    let scale = 1.0 / ((width / weights.heads) as f64).sqrt();
    let gathered = attention(&query, &key, &value, scale, Some(mask))?;
    let gathered = gathered.transpose(1, 2)?.reshape((b, n, width))?;
    let x = (x + apply(&weights.out, &gathered)?)?;
    let normed = norm(&x, &weights.feed_norm, weights.eps)?;
    Ok((&x + apply(&weights.narrow, &gelu(&apply(&weights.widen, &normed)?)?)?)?)
}
