//! Operations on sequences `[n, positions, width]`: linear maps by position, sums over positions,
//! concatenation. A *place* is a position.

use super::cpu::assemble::Assemble;
use super::cpu::kernel::{apply2, takes};
use super::cpu::nary::apply;
use super::cpu::places::{ByPlace, WeightedSum};
use super::cpu::spans::OfSpans;
use super::{composed, shape_error};
use crate::error::Result;
use candle_core::Tensor;
use std::ops::Range;

/// A linear map of its own for each place: `x` `[n, p, i]` by `weight` `[p, i, o]` to `[n, p, o]`.
pub fn linear_by_place(x: &Tensor, weight: &Tensor) -> Result<Tensor> {
    const OP: &str = "linear_by_place";
    let Ok((places, inputs, _)) = weight.dims3() else {
        return Err(shape_error(OP, "weight", weight, "[places, in, out]"));
    };
    match x.dims3() {
        Ok((_, p, i)) if (p, i) == (places, inputs) && x.elem_count() > 0 => {}
        _ => return Err(shape_error(OP, "x", x, format!("[n, {places}, {inputs}], not empty"))),
    }
    if takes(&[x, weight]) { Ok(apply2(ByPlace, x, weight)?) } else { composed::linear_by_place(x, weight) }
}

/// Linear maps of some places, each map with a run of them: `x` `[n, p, i]`, weights `[oₖ, i]` and biases
/// `[oₖ]`; the result `[n, Σ lengthₖ·oₖ]` has place after place.
pub fn linear_of_spans(x: &Tensor, maps: &[(Range<usize>, [&Tensor; 2])]) -> Result<Tensor> {
    const OP: &str = "linear_of_spans";
    let (places, inputs) = match x.dims3() {
        Ok((_, p, i)) if x.elem_count() > 0 => (p, i),
        _ => return Err(shape_error(OP, "x", x, "[n, places, in], not empty")),
    };
    for (span, [weight, bias]) in maps {
        let outputs = bias.elem_count();
        if weight.dims() != [outputs, inputs] {
            return Err(shape_error(OP, "weight", weight, format!("[{outputs}, {inputs}]")));
        }
        if span.end > places || span.is_empty() {
            return Err(shape_error(OP, "x", x, format!("the places {span:?}")));
        }
    }
    let parameters = maps.iter().flat_map(|(_, parameters)| *parameters);
    let args: Vec<&Tensor> = [x].into_iter().chain(parameters).collect();
    if takes(&args) {
        let spans = maps.iter().map(|(span, _)| span.clone()).collect();
        Ok(apply(OfSpans { spans }, &args)?)
    } else {
        composed::linear_of_spans(x, maps)
    }
}

/// The sum over places by `weights` `[n, p]`, which get a gradient as `x` `[n, p, w]` does: `[n, w]`.
pub fn weighted_sum(x: &Tensor, weights: &Tensor) -> Result<Tensor> {
    let (n, places) = match x.dims3() {
        Ok((n, places, _)) if x.elem_count() > 0 => (n, places),
        _ => return Err(shape_error("weighted_sum", "x", x, "[n, places, width], not empty")),
    };
    if weights.dims() != [n, places] {
        return Err(shape_error("weighted_sum", "weights", weights, format!("[{n}, {places}]")));
    }
    if takes(&[x, weights]) {
        Ok(apply2(WeightedSum, x, weights)?)
    } else {
        composed::weighted_sum(x, weights)
    }
}

/// The places of `parts`, `[n, pₖ, w]` each, one part after the other: `[n, Σ pₖ, w]`. `shared` `[n, w]` is
/// added to those of all parts but the last, `place` `[1, Σ pₖ, w]` to all.
pub fn assemble(parts: &[&Tensor], shared: &Tensor, place: &Tensor) -> Result<Tensor> {
    const OP: &str = "assemble";
    let (n, width) = match shared.dims2() {
        Ok(dims) if shared.elem_count() > 0 => dims,
        _ => return Err(shape_error(OP, "shared", shared, "[n, width], not empty")),
    };
    let mut places = 0;
    for part in parts {
        match part.dims3() {
            Ok((pn, p, pw)) if (pn, pw) == (n, width) => places += p,
            _ => return Err(shape_error(OP, "part", part, format!("[{n}, places, {width}]"))),
        }
    }
    if place.dims() != [1, places, width] {
        return Err(shape_error(OP, "place", place, format!("[1, {places}, {width}]")));
    }
    let args = [&[shared, place], parts].concat();
    if takes(&args) { Ok(apply(Assemble, &args)?) } else { composed::assemble(parts, shared, place) }
}
