//! Products of at most four rows with a weight `[outputs, inputs]`. Each number of the weight is used only
//! once per row, so the time is that of reading it: it is read once, in its layout. `gemm` would pack a copy
//! first.

use super::real::{Loop, Real, simd};
use super::reduce;
use super::scratch::Scratch;
use rayon::prelude::*;

/// The most rows for which this is faster than `gemm`.
pub(super) const ROWS: usize = 4;

/// Outputs of a task, whose sums are added in order: the same on any number of threads.
const OUTPUTS: usize = 128;

/// `x·weightᵀ + bias`.
pub(super) fn product<T: Real>(x: &[T], weight: &[T], bias: Option<&[T]>, inputs: usize) -> Vec<T> {
    let (rows, outputs) = (x.len() / inputs, weight.len() / inputs);
    let mut by_output = Scratch::<T>::take(outputs * rows);
    let tasks = by_output.par_chunks_mut((OUTPUTS * rows).max(1)).zip(weight.par_chunks(OUTPUTS * inputs));
    tasks.for_each(|(y, weight)| simd::<Dots, _>((y, x, weight, inputs)));
    let mut y = Vec::with_capacity(rows * outputs);
    for row in 0..rows {
        let of_row = by_output.iter().skip(row).step_by(rows);
        match bias {
            Some(bias) => y.extend(of_row.zip(bias).map(|(y, bias)| *y + *bias)),
            None => y.extend(of_row.copied()),
        }
    }
    y
}

/// Products of all rows with some outputs' weights, `[outputs, rows]`.
enum Dots {}

impl<T: Real> Loop<(&mut [T], &[T], &[T], usize)> for Dots {
    type Output = ();

    #[inline(always)]
    fn run((y, x, weight, inputs): (&mut [T], &[T], &[T], usize)) {
        for (y, weight) in y.chunks_exact_mut(x.len() / inputs).zip(weight.chunks_exact(inputs)) {
            for (y, x) in y.iter_mut().zip(x.chunks_exact(inputs)) {
                *y = T::from_f64(reduce::dot(x, weight));
            }
        }
    }
}

/// `grad·weight`.
pub(super) fn by_input<T: Real>(grad: &[T], weight: &[T], inputs: usize) -> Vec<T> {
    let outputs = weight.len() / inputs;
    let rows = grad.len() / outputs;
    if rows == 0 {
        return Vec::new();
    }
    let weights = weight.par_chunks(OUTPUTS * inputs).enumerate();
    let parts = weights.map(|(task, weight)| {
        let mut dx = vec![T::zero(); rows * inputs];
        simd::<Sums, _>((&mut dx[..], &grad[task * OUTPUTS..], outputs, weight));
        dx
    });
    let mut parts = parts.collect::<Vec<Vec<T>>>().into_iter();
    let mut dx = parts.next().unwrap_or_else(|| vec![T::zero(); rows * inputs]);
    for part in parts {
        dx.iter_mut().zip(&part).for_each(|(dx, part)| *dx += *part);
    }
    dx
}

/// Adds some outputs' weights, each times its gradient, to the rows; gradients of a row are `outputs` apart.
enum Sums {}

impl<T: Real> Loop<(&mut [T], &[T], usize, &[T])> for Sums {
    type Output = ();

    #[inline(always)]
    fn run((dx, grad, outputs, weight): (&mut [T], &[T], usize, &[T])) {
        let rows = grad.len().div_ceil(outputs);
        let inputs = dx.len() / rows;
        for (output, weight) in weight.chunks_exact(inputs).enumerate() {
            for (row, dx) in dx.chunks_exact_mut(inputs).enumerate() {
                let factor = grad[row * outputs + output];
                for (dx, weight) in dx.iter_mut().zip(weight) {
                    *dx = factor.fma(*weight, *dx);
                }
            }
        }
    }
}
