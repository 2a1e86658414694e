//! Operations by position in a sequence: the rows of one position, one in each batch entry, are a strided
//! matrix, which is multiplied without a copy.

use super::gemm::{Into, Mat, MatMut, Threads, gemm};
use super::kernel::{Kernel, View};
use super::real::Real;
use candle_core::{Result, Shape};
use rayon::prelude::*;

/// Batch entries per task.
pub(super) const ENTRIES: usize = 32;

/// The rows of one place in entries of `places` rows of `width`.
pub(super) fn at<T>(x: &[T], place: usize, (places, width): (usize, usize)) -> Mat<'_, T> {
    let entries = x.len() / (places * width);
    Mat::strided(&x[place * width..], (entries, width), (places * width, 1))
}

pub(super) fn at_mut<T>(x: &mut [T], place: usize, (places, width): (usize, usize)) -> MatMut<'_, T> {
    let entries = x.len() / (places * width);
    MatMut::strided(&mut x[place * width..], (entries, width), (places * width, 1))
}

/// Arguments are the rows `[n, p, i]` and the weights `[p, i, o]`.
pub(in crate::grad) struct ByPlace;

impl Kernel<2> for ByPlace {
    const NAME: &'static str = "linear_by_place";

    fn forward<T: Real>(&self, [x, weight]: [View<'_, T>; 2]) -> Result<(Vec<T>, Shape)> {
        let (n, places, inputs, outputs) = (x.dims[0], x.dims[1], x.dims[2], weight.dims[2]);
        let mut y = vec![T::zero(); n * places * outputs];
        let tasks =
            y.par_chunks_mut(ENTRIES * places * outputs).zip(x.data.par_chunks(ENTRIES * places * inputs));
        tasks.for_each(|(y, x)| {
            for (place, weight) in weight.data.chunks_exact(inputs * outputs).enumerate() {
                let (of, by) = (at(x, place, (places, inputs)), Mat::new(weight, inputs, outputs));
                let product = at_mut(y, place, (places, outputs));
                gemm(product, Into::Replace, T::one(), of, by, Threads::One);
            }
        });
        Ok((y, (n, places, outputs).into()))
    }

    fn backward<T: Real>(
        &self,
        [x, weight]: [View<'_, T>; 2],
        _: View<'_, T>,
        grad: View<'_, T>,
        wanted: [bool; 2],
    ) -> Result<[Option<Vec<T>>; 2]> {
        let (places, inputs, outputs) = (x.dims[1], x.dims[2], weight.dims[2]);
        let dx = wanted[0].then(|| {
            let mut dx = vec![T::zero(); x.data.len()];
            let tasks = dx
                .par_chunks_mut(ENTRIES * places * inputs)
                .zip(grad.data.par_chunks(ENTRIES * places * outputs));
            tasks.for_each(|(dx, grad)| {
                for (place, weight) in weight.data.chunks_exact(inputs * outputs).enumerate() {
                    let (of, by) =
                        (at(grad, place, (places, outputs)), Mat::new(weight, inputs, outputs).t());
                    let product = at_mut(dx, place, (places, inputs));
                    gemm(product, Into::Replace, T::one(), of, by, Threads::One);
                }
            });
            dx
        });
        let dw = wanted[1].then(|| {
            let mut dw = vec![T::zero(); weight.data.len()];
            dw.par_chunks_mut(inputs * outputs).enumerate().for_each(|(place, dw)| {
                let of = at(x.data, place, (places, inputs)).t();
                let by = at(grad.data, place, (places, outputs));
                gemm(MatMut::new(dw, inputs, outputs), Into::Replace, T::one(), of, by, Threads::One);
            });
            dw
        });
        Ok([dx, dw])
    }
}

/// Arguments are the rows `[n, p, w]` and their weights `[n, p]`.
pub(in crate::grad) struct WeightedSum;

impl Kernel<2> for WeightedSum {
    const NAME: &'static str = "weighted_sum";

    fn forward<T: Real>(&self, [x, weights]: [View<'_, T>; 2]) -> Result<(Vec<T>, Shape)> {
        let (n, places, width) = (x.dims[0], x.dims[1], x.dims[2]);
        let mut y = vec![T::zero(); n * width];
        let read = x.data.par_chunks(places * width).zip(weights.data.par_chunks(places));
        y.par_chunks_mut(width).zip(read).for_each(|(y, (x, weights))| {
            for (x, weight) in x.chunks_exact(width).zip(weights) {
                y.iter_mut().zip(x).for_each(|(y, x)| *y += *weight * *x);
            }
        });
        Ok((y, (n, width).into()))
    }

    fn backward<T: Real>(
        &self,
        [x, weights]: [View<'_, T>; 2],
        _: View<'_, T>,
        grad: View<'_, T>,
        wanted: [bool; 2],
    ) -> Result<[Option<Vec<T>>; 2]> {
        let (places, width) = (x.dims[1], x.dims[2]);
        let dx = wanted[0].then(|| {
            let mut dx = vec![T::zero(); x.data.len()];
            let read = weights.data.par_chunks(places).zip(grad.data.par_chunks(width));
            dx.par_chunks_mut(places * width).zip(read).for_each(|(dx, (weights, grad))| {
                for (dx, weight) in dx.chunks_exact_mut(width).zip(weights) {
                    dx.iter_mut().zip(grad).for_each(|(dx, g)| *dx = *weight * *g);
                }
            });
            dx
        });
        let dw = wanted[1].then(|| {
            let rows = x.data.chunks_exact(width).enumerate();
            rows.map(|(i, x)| {
                let grad = &grad.data[i / places * width..][..width];
                x.iter().zip(grad).fold(T::zero(), |sum, (x, g)| sum + *x * *g)
            })
            .collect()
        });
        Ok([dx, dw])
    }
}
