//! Layer and group normalisation; the statistics are computed again in the backward pass instead of kept.

use super::activation::{silu, silu_slope};
use super::kernel::{Kernel, View};
use super::real::{Loop, Real, simd};
use super::reduce;
use candle_core::{Result, Shape};
use rayon::prelude::*;

/// Mean and reciprocal standard deviation.
#[inline(always)]
pub(super) fn moments<T: Real>(xs: &[T], eps: f64) -> (T, T) {
    let count = xs.len() as f64;
    let mean = T::from_f64(reduce::sum(xs) / count);
    let variance = reduce::squares(xs, mean) / count;
    (mean, T::from_f64((variance + eps).sqrt().recip()))
}

/// Rows of the last dimension; arguments are the rows, weight and bias.
pub(in crate::grad) struct LayerNorm {
    pub eps: f64,
}

/// Rows whose weight gradients one task adds up.
const ROWS_PER_BLOCK: usize = 64;

impl Kernel<3> for LayerNorm {
    const NAME: &'static str = "layer_norm";

    fn forward<T: Real>(&self, [x, weight, bias]: [View<'_, T>; 3]) -> Result<(Vec<T>, Shape)> {
        let width = x.width();
        let mut y = vec![T::zero(); x.data.len()];
        y.par_chunks_mut(width).zip(x.data.par_chunks(width)).for_each(|(y, x)| {
            simd::<LayerRow, _>((y, x, weight.data, bias.data, self.eps));
        });
        Ok((y, x.dims.into()))
    }

    fn backward<T: Real>(
        &self,
        [x, weight, _]: [View<'_, T>; 3],
        _: View<'_, T>,
        grad: View<'_, T>,
        wanted: [bool; 3],
    ) -> Result<[Option<Vec<T>>; 3]> {
        let width = x.width();
        let dx = wanted[0].then(|| {
            let mut dx = vec![T::zero(); x.data.len()];
            let rows = x.data.par_chunks(width).zip(grad.data.par_chunks(width));
            dx.par_chunks_mut(width).zip(rows).for_each(|(dx, (x, grad))| {
                simd::<LayerRowBackward, _>((dx, x, grad, weight.data, self.eps));
            });
            dx
        });
        let (mut dw, mut db) = (None, None);
        if wanted[1] || wanted[2] {
            // Blocks of a fixed size, added in order: rayon splits at random places, and the last bits of
            // sums would be random too.
            let block = width * ROWS_PER_BLOCK;
            let parts: Vec<(Vec<T>, Vec<T>)> = (x.data.par_chunks(block))
                .zip(grad.data.par_chunks(block))
                .map(|(x, grad)| {
                    let mut sums = (vec![T::zero(); width], vec![T::zero(); width]);
                    for (x, grad) in x.chunks(width).zip(grad.chunks(width)) {
                        simd::<LayerRowSums, _>((&mut sums, x, grad, self.eps));
                    }
                    sums
                })
                .collect();
            let mut sums = (vec![T::zero(); width], vec![T::zero(); width]);
            for part in &parts {
                for (sum, value) in sums.0.iter_mut().chain(&mut sums.1).zip(part.0.iter().chain(&part.1)) {
                    *sum += *value;
                }
            }
            (dw, db) = (wanted[1].then_some(sums.0), wanted[2].then_some(sums.1));
        }
        Ok([dx, dw, db])
    }
}

enum LayerRow {}

impl<T: Real> Loop<(&mut [T], &[T], &[T], &[T], f64)> for LayerRow {
    type Output = ();

    #[inline(always)]
    fn run((y, x, weight, bias, eps): (&mut [T], &[T], &[T], &[T], f64)) {
        let (mean, scale) = moments(x, eps);
        for (((y, x), w), b) in y.iter_mut().zip(x).zip(weight).zip(bias) {
            *y = ((*x - mean) * scale).fma(*w, *b);
        }
    }
}

enum LayerRowBackward {}

impl<T: Real> Loop<(&mut [T], &[T], &[T], &[T], f64)> for LayerRowBackward {
    type Output = ();

    #[inline(always)]
    fn run((dx, x, grad, weight, eps): (&mut [T], &[T], &[T], &[T], f64)) {
        let (mean, scale) = moments(x, eps);
        for ((dx, g), w) in dx.iter_mut().zip(grad).zip(weight) {
            *dx = *g * *w;
        }
        let count = x.len() as f64;
        let sum = T::from_f64(reduce::sum(dx) / count);
        let along = T::from_f64(reduce::dot_centred(dx, x, mean) * scale.to_f64() / count);
        for (dx, x) in dx.iter_mut().zip(x) {
            let normed = (*x - mean) * scale;
            *dx = scale * (*dx - sum - normed * along);
        }
    }
}

/// Gradients of weight and bias, added to the sums.
enum LayerRowSums {}

impl<T: Real> Loop<(&mut (Vec<T>, Vec<T>), &[T], &[T], f64)> for LayerRowSums {
    type Output = ();

    #[inline(always)]
    fn run((sums, x, grad, eps): (&mut (Vec<T>, Vec<T>), &[T], &[T], f64)) {
        let (mean, scale) = moments(x, eps);
        for (((dw, db), x), g) in sums.0.iter_mut().zip(&mut sums.1).zip(x).zip(grad) {
            *dw = ((*x - mean) * scale).fma(*g, *dw);
            *db += *g;
        }
    }
}

/// `[n, c, …]` in groups of channels, followed by SiLU where asked; arguments are the maps, weight and bias.
pub(in crate::grad) struct GroupNorm {
    pub groups: usize,
    pub eps: f64,
    pub silu: bool,
}

impl GroupNorm {
    /// Channels per group, elements per channel.
    fn sizes(&self, dims: &[usize]) -> (usize, usize) {
        (dims[1] / self.groups, dims[2..].iter().product())
    }
}

impl Kernel<3> for GroupNorm {
    const NAME: &'static str = "group_norm";

    fn forward<T: Real>(&self, [x, weight, bias]: [View<'_, T>; 3]) -> Result<(Vec<T>, Shape)> {
        let (channels, area) = self.sizes(x.dims);
        let size = (channels * area).max(1);
        let mut y = vec![T::zero(); x.data.len()];
        y.par_chunks_mut(size).zip(x.data.par_chunks(size)).enumerate().for_each(|(i, (y, x))| {
            let first = i % self.groups * channels;
            let range = first..first + channels;
            simd::<Group, _>((self, y, x, &weight.data[range.clone()], &bias.data[range]));
        });
        Ok((y, x.dims.into()))
    }

    fn backward<T: Real>(
        &self,
        [x, weight, bias]: [View<'_, T>; 3],
        _: View<'_, T>,
        grad: View<'_, T>,
        wanted: [bool; 3],
    ) -> Result<[Option<Vec<T>>; 3]> {
        let (channels, area) = self.sizes(x.dims);
        let size = (channels * area).max(1);
        let mut dx = vec![T::zero(); x.data.len()];
        // Per channel: Σ of the gradient before SiLU, and that along the normalised values.
        let sums: Vec<(f64, f64)> = dx
            .par_chunks_mut(size)
            .zip(x.data.par_chunks(size).zip(grad.data.par_chunks(size)))
            .enumerate()
            .flat_map_iter(|(i, (dx, (x, grad)))| {
                let first = i % self.groups * channels;
                let (weight, bias) =
                    (&weight.data[first..first + channels], &bias.data[first..first + channels]);
                simd::<GroupBackward, _>((self, dx, x, grad, weight, bias))
            })
            .collect();
        Ok([
            wanted[0].then_some(dx),
            wanted[1].then(|| sum_per_channel(&sums, x.dims[1], |s| s.1)),
            wanted[2].then(|| sum_per_channel(&sums, x.dims[1], |s| s.0)),
        ])
    }
}

fn sum_per_channel<T: Real>(sums: &[(f64, f64)], channels: usize, of: fn(&(f64, f64)) -> f64) -> Vec<T> {
    let mut total = vec![0f64; channels];
    for (i, pair) in sums.iter().enumerate() {
        total[i % channels] += of(pair);
    }
    total.into_iter().map(T::from_f64).collect()
}

enum Group {}

impl<T: Real> Loop<(&GroupNorm, &mut [T], &[T], &[T], &[T])> for Group {
    type Output = ();

    #[inline(always)]
    fn run((norm, y, x, weight, bias): (&GroupNorm, &mut [T], &[T], &[T], &[T])) {
        let (mean, scale) = moments(x, norm.eps);
        let area = x.len() / weight.len();
        let maps = y.chunks_exact_mut(area).zip(x.chunks_exact(area));
        for ((y, x), (&w, &b)) in maps.zip(weight.iter().zip(bias)) {
            let w = w * scale;
            let b = b - mean * w;
            if norm.silu {
                for (y, x) in y.iter_mut().zip(x) {
                    *y = silu(x.fma(w, b));
                }
            } else {
                for (y, x) in y.iter_mut().zip(x) {
                    *y = x.fma(w, b);
                }
            }
        }
    }
}

enum GroupBackward {}

type GroupArgs<'a, T> = (&'a GroupNorm, &'a mut [T], &'a [T], &'a [T], &'a [T], &'a [T]);

impl<T: Real> Loop<GroupArgs<'_, T>> for GroupBackward {
    type Output = Vec<(f64, f64)>;

    #[inline(always)]
    fn run((norm, dx, x, grad, weight, bias): GroupArgs<'_, T>) -> Self::Output {
        let (mean, scale) = moments(x, norm.eps);
        let area = x.len() / weight.len();
        let mut sums = Vec::with_capacity(weight.len());
        let (mut sum, mut along) = (0.0, 0.0);
        let parts = dx.chunks_exact_mut(area).zip(x.chunks_exact(area)).zip(grad.chunks_exact(area));
        for (((dx, x), grad), (&w, &b)) in parts.zip(weight.iter().zip(bias)) {
            let (factor, offset) = (w * scale, b - mean * w * scale);
            if norm.silu {
                for ((dx, x), g) in dx.iter_mut().zip(x).zip(grad) {
                    *dx = *g * silu_slope(x.fma(factor, offset));
                }
            } else {
                dx.copy_from_slice(grad);
            }
            let plain = reduce::sum(dx);
            let normed = reduce::dot_centred(dx, x, mean) * scale.to_f64();
            sum += plain * w.to_f64();
            along += normed * w.to_f64();
            sums.push((plain, normed));
        }
        let count = x.len() as f64;
        let (sum, along) = (T::from_f64(sum / count), T::from_f64(along / count));
        for ((dx, x), &w) in dx.chunks_exact_mut(area).zip(x.chunks_exact(area)).zip(weight) {
            for (dx, x) in dx.iter_mut().zip(x) {
                let normed = (*x - mean) * scale;
                *dx = scale * (*dx * w - sum - normed * along);
            }
        }
        sums
    }
}
