//! Loops over rows that lie one after another.

use crate::grad::cpu::gemm::{Into, Mat, MatMut, Threads, gemm};
use crate::grad::cpu::norm::moments;
use crate::grad::cpu::real::{Loop, Real, simd};
use crate::grad::cpu::reduce;
use crate::grad::cpu::softmax::{softmax, softmax_backward};

/// `y = x·weight + bias`, of a weight `[inputs, outputs]`.
pub(super) fn linear<T: Real>(y: &mut [T], x: &[T], [weight, bias]: [&[T]; 2]) {
    let (rows, inputs) = (y.len() / bias.len(), weight.len() / bias.len());
    for row in y.chunks_exact_mut(bias.len()) {
        row.copy_from_slice(bias);
    }
    add_linear(y, x, weight, (rows, inputs));
}

/// `y += x·weight + bias`.
pub(super) fn linear_onto<T: Real>(y: &mut [T], x: &[T], [weight, bias]: [&[T]; 2]) {
    let (rows, inputs) = (y.len() / bias.len(), weight.len() / bias.len());
    for row in y.chunks_exact_mut(bias.len()) {
        row.iter_mut().zip(bias).for_each(|(y, bias)| *y += *bias);
    }
    add_linear(y, x, weight, (rows, inputs));
}

fn add_linear<T: Real>(y: &mut [T], x: &[T], weight: &[T], (rows, inputs): (usize, usize)) {
    let outputs = weight.len() / inputs;
    let (x, weight) = (Mat::new(x, rows, inputs), Mat::new(weight, inputs, outputs));
    gemm(MatMut::new(y, rows, outputs), Into::Add, T::one(), x, weight, Threads::One);
}

/// The gradient of a linear map's input, from that of its result; of a weight `[outputs, inputs]`.
pub(super) fn by_input<T: Real>(dx: &mut [T], grad: &[T], weight: &[T], outputs: usize) {
    let (rows, inputs) = (grad.len() / outputs, weight.len() / outputs);
    let (grad, weight) = (Mat::new(grad, rows, outputs), Mat::new(weight, outputs, inputs));
    gemm(MatMut::new(dx, rows, inputs), Into::Replace, T::one(), grad, weight, Threads::One);
}

/// The gradients of a linear map's weight, `[outputs, inputs]`, and bias.
pub(super) fn by_weight<T: Real>([dw, db]: [&mut [T]; 2], x: &[T], grad: &[T]) {
    let (outputs, inputs) = (db.len(), dw.len() / db.len());
    let rows = grad.len() / outputs;
    let product = MatMut::new(dw, outputs, inputs);
    let (x, by) = (Mat::new(x, rows, inputs), Mat::new(grad, rows, outputs).t());
    gemm(product, Into::Replace, T::one(), by, x, Threads::One);
    simd::<SumRows, _>((db, grad));
}

enum SumRows {}

impl<T: Real> Loop<(&mut [T], &[T])> for SumRows {
    type Output = ();

    #[inline(always)]
    fn run((sum, rows): (&mut [T], &[T])) {
        sum.fill(T::zero());
        for row in rows.chunks_exact(sum.len()) {
            for (sum, x) in sum.iter_mut().zip(row) {
                *sum += *x;
            }
        }
    }
}

/// Layer normalisation; gain and bias are left out where there are none.
pub(super) fn normalise<T: Real>(y: &mut [T], x: &[T], width: usize, gain: Option<[&[T]; 2]>, eps: f64) {
    simd::<Normalise, _>((y, x, width, gain, eps));
}

enum Normalise {}

impl<T: Real> Loop<(&mut [T], &[T], usize, Option<[&[T]; 2]>, f64)> for Normalise {
    type Output = ();

    #[inline(always)]
    fn run((y, x, width, gain, eps): (&mut [T], &[T], usize, Option<[&[T]; 2]>, f64)) {
        for (y, x) in y.chunks_exact_mut(width).zip(x.chunks_exact(width)) {
            let (mean, scale) = moments(x, eps);
            match gain {
                Some([gain, bias]) => {
                    for (((y, x), gain), bias) in y.iter_mut().zip(x).zip(gain).zip(bias) {
                        *y = ((*x - mean) * scale).fma(*gain, *bias);
                    }
                }
                None => {
                    for (y, x) in y.iter_mut().zip(x) {
                        *y = (*x - mean) * scale;
                    }
                }
            }
        }
    }
}

/// A normalisation's gain, and sums of its gradient and of the bias's.
pub(super) type Gain<'a, T> = (&'a [T], &'a mut [T], &'a mut [T]);

/// Adds the gradient of a normalisation's input to `dx`; `grad`, that of its result, is used up.
pub(super) fn normalise_backward<T: Real>(
    dx: &mut [T],
    x: &[T],
    grad: &mut [T],
    width: usize,
    gain: Option<Gain<'_, T>>,
    eps: f64,
) {
    simd::<NormaliseBackward, _>((dx, x, grad, width, gain, eps));
}

enum NormaliseBackward {}

type NormaliseArgs<'a, 'b, T> = (&'a mut [T], &'a [T], &'a mut [T], usize, Option<Gain<'b, T>>, f64);

impl<T: Real> Loop<NormaliseArgs<'_, '_, T>> for NormaliseBackward {
    type Output = ();

    #[inline(always)]
    fn run((dx, x, grad, width, mut gain, eps): NormaliseArgs<'_, '_, T>) {
        let count = T::from_f64(1.0 / width as f64);
        let rows = dx.chunks_exact_mut(width).zip(x.chunks_exact(width)).zip(grad.chunks_exact_mut(width));
        for ((dx, x), grad) in rows {
            let (mean, scale) = moments(x, eps);
            if let Some((gain, d_gain, d_bias)) = &mut gain {
                let sums = d_gain.iter_mut().zip(d_bias.iter_mut());
                for (((g, x), gain), (d_gain, d_bias)) in grad.iter_mut().zip(x).zip(*gain).zip(sums) {
                    *d_gain = ((*x - mean) * scale).fma(*g, *d_gain);
                    *d_bias += *g;
                    *g *= *gain;
                }
            }
            let sum = T::from_f64(reduce::sum(grad)) * count;
            let along = T::from_f64(reduce::dot_centred(grad, x, mean)) * scale * count;
            for ((dx, x), g) in dx.iter_mut().zip(x).zip(grad.iter()) {
                *dx += scale * (*g - sum - (*x - mean) * scale * along);
            }
        }
    }
}

/// Rows of scores with a mask added to their softmax. `mask` has as many rows or one for all.
pub(super) fn masked_softmax<T: Real>(scores: &mut [T], mask: &[T], keys: usize) {
    simd::<Weigh, _>((scores, mask, keys));
}

enum Weigh {}

impl<T: Real> Loop<(&mut [T], &[T], usize)> for Weigh {
    type Output = ();

    #[inline(always)]
    fn run((scores, mask, keys): (&mut [T], &[T], usize)) {
        for (row, mask) in scores.chunks_exact_mut(keys).zip(mask.chunks_exact(keys).cycle()) {
            for (score, mask) in row.iter_mut().zip(mask) {
                *score += *mask;
            }
            softmax(row);
        }
    }
}

/// Gradients of softmax's results to those of its arguments.
pub(super) fn masked_softmax_backward<T: Real>(weights: &[T], grads: &mut [T], keys: usize) {
    simd::<WeighBackward, _>((weights, grads, keys));
}

enum WeighBackward {}

impl<T: Real> Loop<(&[T], &mut [T], usize)> for WeighBackward {
    type Output = ();

    #[inline(always)]
    fn run((weights, grads, keys): (&[T], &mut [T], usize)) {
        for (weights, grads) in weights.chunks_exact(keys).zip(grads.chunks_exact_mut(keys)) {
            softmax_backward(weights, grads);
        }
    }
}

/// `y = gain⊙x + bias`, row by row; without a bias where it is empty.
pub(super) fn affine<T: Real>(y: &mut [T], x: &[T], [gain, bias]: [&[T]; 2]) {
    for (y, x) in y.chunks_exact_mut(gain.len()).zip(x.chunks_exact(gain.len())) {
        y.iter_mut().zip(x).zip(gain).for_each(|((y, x), gain)| *y = *x * *gain);
        y.iter_mut().zip(bias).for_each(|(y, bias)| *y += *bias);
    }
}

/// Gradients of [`affine`]: that of its result becomes that of `x`, those of gain and bias are added.
pub(super) fn affine_backward<T: Real>(
    grad: &mut [T],
    x: &[T],
    gain: &[T],
    d_gain: &mut [T],
    d_bias: Option<&mut [T]>,
) {
    if let Some(d_bias) = d_bias {
        for row in grad.chunks_exact(gain.len()) {
            d_bias.iter_mut().zip(row).for_each(|(sum, g)| *sum += *g);
        }
    }
    for (grad, x) in grad.chunks_exact_mut(gain.len()).zip(x.chunks_exact(gain.len())) {
        for (((g, x), gain), d_gain) in grad.iter_mut().zip(x).zip(gain).zip(d_gain.iter_mut()) {
            *d_gain += *g * *x;
            *g *= *gain;
        }
    }
}
