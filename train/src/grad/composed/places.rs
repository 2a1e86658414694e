use super::linear;
use crate::error::Result;
use candle_core::Tensor;
use std::ops::Range;

/// See [`grad::linear_by_place`](crate::grad::linear_by_place).
pub fn linear_by_place(x: &Tensor, weight: &Tensor) -> Result<Tensor> {
    let weight = weight.to_dtype(x.dtype())?;
    Ok(x.transpose(0, 1)?.contiguous()?.matmul(&weight)?.transpose(0, 1)?.contiguous()?)
}

/// See [`grad::linear_of_spans`](crate::grad::linear_of_spans).
pub fn linear_of_spans(x: &Tensor, maps: &[(Range<usize>, [&Tensor; 2])]) -> Result<Tensor> {
    let parts = maps.iter().map(|(span, [weight, bias])| {
        let places = x.narrow(1, span.start, span.len())?.contiguous()?;
        Ok(linear(&places, weight, Some(bias))?.flatten_from(1)?)
    });
    Ok(Tensor::cat(&parts.collect::<Result<Vec<_>>>()?, 1)?)
}

/// See [`grad::weighted_sum`](crate::grad::weighted_sum).
pub fn weighted_sum(x: &Tensor, weights: &Tensor) -> Result<Tensor> {
    Ok(weights.to_dtype(x.dtype())?.unsqueeze(1)?.matmul(x)?.squeeze(1)?)
}

/// See [`grad::assemble`](crate::grad::assemble).
pub fn assemble(parts: &[&Tensor], shared: &Tensor, place: &Tensor) -> Result<Tensor> {
    let place = place.to_dtype(shared.dtype())?;
    let shared = shared.unsqueeze(1)?;
    let count = parts.len();
    let added = parts
        .iter()
        .enumerate()
        .map(|(i, part)| if i + 1 < count { Ok(part.broadcast_add(&shared)?) } else { Ok((*part).clone()) });
    Ok(Tensor::cat(&added.collect::<Result<Vec<_>>>()?, 1)?.broadcast_add(&place)?)
}
