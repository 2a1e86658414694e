//! Evidence of pairs of Gaussians, pair by pair: no intermediate tensor `[n, m, d]` exists.

use super::kernel::View;
use super::nary::{NaryKernel, Output};
use super::real::{Loop, Real, simd};
use super::scratch::Scratch;
use candle_core::{Result, Shape};
use rayon::prelude::*;

/// Arguments are precisions and shifts `[n, d]` of one side, and those `[m, d]` of the other.
pub(in crate::grad) struct Evidence;

/// Sums side by side.
const LANES: usize = 16;
/// Precisions that are multiplied before one logarithm is taken: up to 10¹⁹ each, the product stays within f64.
const FACTORS: usize = 16;

/// A Gaussian: precisions and shifts.
type Gaussian<'a, T> = [&'a [T]; 2];

/// Row `i` of both.
fn row<'a, T>(precision: View<'a, T>, shift: View<'a, T>, i: usize) -> Gaussian<'a, T> {
    let width = precision.width();
    [precision, shift].map(|view| &view.data[i * width..(i + 1) * width])
}

/// Twice A(h, a), summed; of two Gaussians' product over the prior where there are two.
enum Partition {}

impl<T: Real> Loop<(Gaussian<'_, T>, Option<Gaussian<'_, T>>)> for Partition {
    type Output = f64;

    #[inline(always)]
    fn run(([precision, shift], other): (Gaussian<'_, T>, Option<Gaussian<'_, T>>)) -> f64 {
        let mut total = 0.0;
        // A block is one logarithm per lane.
        for start in (0..precision.len()).step_by(LANES * FACTORS) {
            let end = precision.len().min(start + LANES * FACTORS);
            let mut quadratic = [T::zero(); LANES];
            let mut product = [1f64; LANES];
            for at in (start..end).step_by(LANES) {
                let to = end.min(at + LANES);
                let (mut a, mut h) = ([T::one(); LANES], [T::zero(); LANES]);
                a[..to - at].copy_from_slice(&precision[at..to]);
                h[..to - at].copy_from_slice(&shift[at..to]);
                if let Some([precision, shift]) = other {
                    for ((a, h), (b, g)) in
                        a.iter_mut().zip(&mut h).zip(precision[at..to].iter().zip(&shift[at..to]))
                    {
                        *a += *b - T::one();
                        *h += *g;
                    }
                }
                for ((sum, product), (a, h)) in quadratic.iter_mut().zip(&mut product).zip(a.iter().zip(&h)) {
                    *sum += *h * *h / *a;
                    *product *= a.to_f64();
                }
            }
            for (quadratic, product) in quadratic.iter().zip(product) {
                total += quadratic.to_f64() - product.ln();
            }
        }
        total
    }
}

/// Adds `weight` times the gradients of A by precision and shift to both sums.
enum Slopes {}

type SlopesArgs<'a, T> = (Gaussian<'a, T>, Option<Gaussian<'a, T>>, T, [&'a mut [T]; 2]);

impl<T: Real> Loop<SlopesArgs<'_, T>> for Slopes {
    type Output = ();

    #[inline(always)]
    fn run(([precision, shift], other, weight, [by_precision, by_shift]): SlopesArgs<'_, T>) {
        let half = T::from_f64(-0.5) * weight;
        let sums = by_precision.iter_mut().zip(by_shift.iter_mut()).zip(precision.iter().zip(shift));
        match other {
            Some([others, shifts]) => {
                for (((da, dh), (a, h)), (b, g)) in sums.zip(others.iter().zip(shifts)) {
                    let inverse = T::one() / (*a + *b - T::one());
                    let mean = (*h + *g) * inverse;
                    *dh += weight * mean;
                    *da += half * (mean * mean + inverse);
                }
            }
            None => {
                for ((da, dh), (a, h)) in sums {
                    let inverse = T::one() / *a;
                    let mean = *h * inverse;
                    *dh += weight * mean;
                    *da += half * (mean * mean + inverse);
                }
            }
        }
    }
}

/// Gradients of one side, `[n, d]` each; `grad(i, j)` is that of the result for row `i` of it and row `j` of the other.
fn of_side<T: Real>(
    [precision, shift]: [View<'_, T>; 2],
    other: [View<'_, T>; 2],
    grad: impl Fn(usize, usize) -> T + Sync,
) -> [Vec<T>; 2] {
    let width = precision.width();
    let mut by = [vec![T::zero(); precision.data.len()], vec![T::zero(); precision.data.len()]];
    let [by_precision, by_shift] = &mut by;
    let rows = by_precision.par_chunks_mut(width).zip(by_shift.par_chunks_mut(width));
    rows.enumerate().for_each(|(i, (by_precision, by_shift))| {
        let own = row(precision, shift, i);
        let mut sum = T::zero();
        for j in 0..other[0].dims[0] {
            let g = grad(i, j);
            sum += g;
            let pair = Some(row(other[0], other[1], j));
            simd::<Slopes, _>((own, pair, g, [&mut *by_precision, &mut *by_shift]));
        }
        simd::<Slopes, _>((own, None, -sum, [by_precision, by_shift]));
    });
    by
}

impl NaryKernel for Evidence {
    const NAME: &'static str = "evidence";

    fn forward<T: Real>(&self, args: &[View<'_, T>]) -> Result<Output<T>> {
        let (n, m) = (args[0].dims[0], args[2].dims[0]);
        let own = |precision: View<'_, T>, shift: View<'_, T>| -> Vec<f64> {
            let of = |i| simd::<Partition, _>((row(precision, shift, i), None));
            (0..precision.dims[0]).map(of).collect()
        };
        let (a, b) = (own(args[0], args[1]), own(args[2], args[3]));
        let mut out = vec![T::zero(); n * m];
        out.par_chunks_mut(m).enumerate().for_each(|(i, out)| {
            for (j, out) in out.iter_mut().enumerate() {
                let pair = (row(args[0], args[1], i), Some(row(args[2], args[3], j)));
                *out = T::from_f64(0.5 * (simd::<Partition, _>(pair) - a[i] - b[j]));
            }
        });
        Ok((out, Shape::from((n, m)), Scratch::none()))
    }

    fn backward<T: Real>(
        &self,
        args: &[View<'_, T>],
        _: &[T],
        grad: View<'_, T>,
        wanted: &[bool],
    ) -> Result<Vec<Option<Vec<T>>>> {
        let m = args[2].dims[0];
        let (a, b) = ([args[0], args[1]], [args[2], args[3]]);
        let of_a = of_side(a, b, |i, j| grad.data[i * m + j]);
        let of_b = of_side(b, a, |j, i| grad.data[i * m + j]);
        let all = of_a.into_iter().chain(of_b).zip(wanted).map(|(grad, wanted)| wanted.then_some(grad));
        Ok(all.collect())
    }
}
