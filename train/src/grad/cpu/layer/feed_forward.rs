//! The second half of a layer: attention's output projection, added to the layer's input, and the
//! feed-forward part (two linear maps with GELU between them), added to that.

use super::rows::{by_input, by_weight, linear, linear_onto, normalise, normalise_backward};
use super::weights::{Share, Weights};
use crate::grad::cpu::activation::{Each, Gelu};
use crate::grad::cpu::real::{Real, simd};
use crate::grad::cpu::scratch::Scratch;

/// What is saved for the backward pass, per row.
pub(super) struct Activations<'a, T> {
    /// Attention's result before its output projection, `width`.
    pub gathered: &'a [T],
    /// The sum after attention, `width`.
    pub attended: &'a [T],
    /// Before GELU, `wide`.
    pub widened: &'a [T],
}

/// `out` from the layer's input `x` and attention's result `gathered`, with
/// [transposed](super::weights::Transposed) weights. Fills `attended` and `widened`, which are saved for the
/// backward pass.
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

/// From the gradient of `out` to those of the layer's input, as far as it does not come through attention
/// (`dx`, replaced), and of what attention gathered (`d_gathered`).
pub(super) fn backward<T: Real>(
    weights: &Weights<'_, T>,
    eps: f64,
    kept: &Activations<'_, T>,
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
    // `active` becomes the gradient of GELU's argument.
    simd::<Each<Gelu>, _>((&mut active[..], kept.widened, &d_active[..]));
    // `d_gathered` serves as a buffer first: for the normalised rows, then for their gradient.
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
