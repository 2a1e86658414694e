//! What follows attention: the map back to the layer's width, and two linear maps with GELU between them, each added to what
//! the layer was given.

use super::rows::{by_input, by_weight, linear, linear_onto, normalise, normalise_backward};
use super::weights::{Share, Weights};
use crate::grad::cpu::activation::{Each, Gelu};
use crate::grad::cpu::real::{Real, simd};
use crate::grad::cpu::scratch::Scratch;

/// What the backward pass reads again, per row.
pub(super) struct Kept<'a, T> {
    /// What attention gathered, `width`.
    pub gathered: &'a [T],
    /// The sum after attention, `width`.
    pub attended: &'a [T],
    /// Before GELU, `wide`.
    pub widened: &'a [T],
}

/// `out` from the layer's input `x` and what attention gathered, by [turned](super::weights::Turned) weights; fills what is
/// kept.
pub(super) fn forward<T: Real>(
    weights: &Weights<'_, T>,
    eps: f64,
    x: &[T],
    gathered: &[T],
    (attended, widened): (&mut [T], &mut [T]),
    out: &mut [T],
) {
    let width = weights.width();
    attended.copy_from_slice(x);
    linear_onto(attended, gathered, weights.out);
    // `out` holds the normalised rows until they are widened.
    normalise(out, attended, width, Some(weights.feed_norm), eps);
    linear(widened, out, weights.widen);
    let mut active = Scratch::<T>::take(widened.len());
    simd::<Each<Gelu>, _>((&mut active[..], &*widened));
    out.copy_from_slice(attended);
    linear_onto(out, &active, weights.narrow);
}

/// From the gradient of `out` to those of the layer's input, as far as it does not come through attention (`dx`, replaced),
/// and of what attention gathered (`d_gathered`).
pub(super) fn backward<T: Real>(
    weights: &Weights<'_, T>,
    eps: f64,
    kept: &Kept<'_, T>,
    grad: &[T],
    share: &mut Share<'_, T>,
    (dx, d_gathered): (&mut [T], &mut [T]),
) {
    let (width, wide) = (weights.width(), weights.wide());
    let mut active = Scratch::<T>::take(kept.widened.len());
    simd::<Each<Gelu>, _>((&mut active[..], kept.widened));
    let [dw, db] = &mut share.narrow;
    by_weight([dw, db], &active, grad);
    let mut d_active = Scratch::<T>::take(kept.widened.len());
    by_input(&mut d_active, grad, weights.narrow[0], width);
    // What GELU was given gets its gradient in the place of what it gave.
    simd::<Each<Gelu>, _>((&mut active[..], kept.widened, &d_active[..]));
    // `d_gathered` holds the normalised rows, then their gradient, until it is computed itself.
    normalise(d_gathered, kept.attended, width, Some(weights.feed_norm), eps);
    let [dw, db] = &mut share.widen;
    by_weight([dw, db], d_gathered, &active);
    by_input(d_gathered, &active, weights.widen[0], wide);
    dx.copy_from_slice(grad);
    let [d_gain, d_bias] = &mut share.feed_norm;
    let gain = (weights.feed_norm[0], &mut **d_gain, &mut **d_bias);
    normalise_backward(dx, kept.attended, d_gathered, width, Some(gain), eps);
    let [dw, db] = &mut share.out;
    by_weight([dw, db], kept.gathered, dx);
    by_input(d_gathered, dx, weights.out[0], width);
}
