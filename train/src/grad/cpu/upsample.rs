//! Nearest-neighbour upsampling by two.

use super::kernel::{Kernel, View};
use super::real::Real;
use candle_core::{Result, Shape};
use rayon::prelude::*;

/// `[n, c, h, w]` to `[n, c, 2h, 2w]`.
pub(in crate::grad) struct Nearest2x;

impl Kernel<1> for Nearest2x {
    const NAME: &'static str = "upsample_nearest2x";

    fn forward<T: Real>(&self, [x]: [View<'_, T>; 1]) -> Result<(Vec<T>, Shape)> {
        let (w, mut dims) = (x.width(), x.dims.to_vec());
        let mut y = vec![T::zero(); 4 * x.data.len()];
        y.par_chunks_mut(4 * w).zip(x.data.par_chunks(w)).for_each(|(y, x)| {
            let (first, second) = y.split_at_mut(2 * w);
            for (pair, x) in first.chunks_exact_mut(2).zip(x) {
                pair.fill(*x);
            }
            second.copy_from_slice(first);
        });
        dims.iter_mut().rev().take(2).for_each(|d| *d *= 2);
        Ok((y, dims.into()))
    }

    fn backward<T: Real>(
        &self,
        [x]: [View<'_, T>; 1],
        _: View<'_, T>,
        grad: View<'_, T>,
        _: [bool; 1],
    ) -> Result<[Option<Vec<T>>; 1]> {
        let w = x.width();
        let mut dx = vec![T::zero(); x.data.len()];
        dx.par_chunks_mut(w).zip(grad.data.par_chunks(4 * w)).for_each(|(dx, grad)| {
            let (first, second) = grad.split_at(2 * w);
            for ((dx, a), b) in dx.iter_mut().zip(first.chunks_exact(2)).zip(second.chunks_exact(2)) {
                *dx = (a[0] + a[1]) + (b[0] + b[1]);
            }
        });
        Ok([Some(dx)])
    }
}
