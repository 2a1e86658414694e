//! Softmax over rows.

use super::kernel::{Kernel, View};
use super::real::{Loop, Real, simd};
use super::reduce;
use candle_core::{Result, Shape};
use rayon::prelude::*;

pub(in crate::grad) struct Softmax;

/// Replaces a row by its softmax.
#[inline(always)]
pub(super) fn softmax<T: Real>(row: &mut [T]) {
    let max = reduce::max(row);
    for x in row.iter_mut() {
        *x = (*x - max).exp();
    }
    let scale = T::from_f64(reduce::sum(row).recip());
    for x in row.iter_mut() {
        *x *= scale;
    }
}

/// Replaces `grad`, the gradient of a softmax, by that of its argument; `y` is the softmax.
#[inline(always)]
pub(super) fn softmax_backward<T: Real>(y: &[T], grad: &mut [T]) {
    let mean = T::from_f64(reduce::dot(y, grad));
    for (g, y) in grad.iter_mut().zip(y) {
        *g = *y * (*g - mean);
    }
}

enum Forward {}

impl<T: Real> Loop<&mut [T]> for Forward {
    type Output = ();

    #[inline(always)]
    fn run(row: &mut [T]) {
        softmax(row);
    }
}

enum Backward {}

impl<T: Real> Loop<(&[T], &mut [T])> for Backward {
    type Output = ();

    #[inline(always)]
    fn run((y, grad): (&[T], &mut [T])) {
        softmax_backward(y, grad);
    }
}

impl Kernel<1> for Softmax {
    const NAME: &'static str = "softmax";

    fn forward<T: Real>(&self, [x]: [View<'_, T>; 1]) -> Result<(Vec<T>, Shape)> {
        let mut y = x.data.to_vec();
        y.par_chunks_mut(x.width()).for_each(simd::<Forward, _>);
        Ok((y, x.dims.into()))
    }

    fn backward<T: Real>(
        &self,
        _: [View<'_, T>; 1],
        y: View<'_, T>,
        grad: View<'_, T>,
        _: [bool; 1],
    ) -> Result<[Option<Vec<T>>; 1]> {
        let mut dx = grad.data.to_vec();
        dx.par_chunks_mut(y.width())
            .zip(y.data.par_chunks(y.width()))
            .for_each(|(dx, y)| simd::<Backward, _>((y, dx)));
        Ok([Some(dx)])
    }
}
