//! Sums and extremes over slices, in many lanes at once so that they vectorise.

use super::real::Real;

/// Four AVX registers of f32: enough independent sums to hide the latency of an addition.
const LANES: usize = 32;
/// Elements summed in the float type itself before the sum goes on in f64.
const BLOCK: usize = 4096;

/// Each lane folds every 32nd element.
#[inline(always)]
fn lanes<T: Real>(xs: &[T], start: T, fold: impl Fn(T, T) -> T) -> [T; LANES] {
    let mut acc = [start; LANES];
    let mut chunks = xs.chunks_exact(LANES);
    for chunk in &mut chunks {
        for (a, x) in acc.iter_mut().zip(chunk) {
            *a = fold(*a, *x);
        }
    }
    for (a, x) in acc.iter_mut().zip(chunks.remainder()) {
        *a = fold(*a, *x);
    }
    acc
}

#[inline(always)]
fn total<T: Real>(lanes: [T; LANES]) -> f64 {
    let mut sum = 0.0;
    for lane in lanes {
        sum += lane.to_f64();
    }
    sum
}

/// Sum of all elements.
#[inline(always)]
pub(super) fn sum<T: Real>(xs: &[T]) -> f64 {
    let mut sum = 0.0;
    for block in xs.chunks(BLOCK) {
        sum += total(lanes(block, T::zero(), |a, x| a + x));
    }
    sum
}

/// Σ (x − mean)².
#[inline(always)]
pub(super) fn squares<T: Real>(xs: &[T], mean: T) -> f64 {
    let mut sum = 0.0;
    // A loop, since `Iterator::sum` is not inlined here and would lose the vector instructions.
    for block in xs.chunks(BLOCK) {
        sum += total(lanes(block, T::zero(), |a, x| (x - mean).fma(x - mean, a)));
    }
    sum
}

/// The largest element. A NaN may be passed over; the exponentials that follow keep it.
#[inline(always)]
pub(super) fn max<T: Real>(xs: &[T]) -> T {
    let lanes = lanes(xs, T::from_f64(f64::NEG_INFINITY), |a, x| if x > a { x } else { a });
    let mut max = lanes[0];
    for lane in lanes {
        max = if lane > max { lane } else { max };
    }
    max
}

/// Σ x·y.
#[inline(always)]
pub(super) fn dot<T: Real>(xs: &[T], ys: &[T]) -> f64 {
    dot_centred(xs, ys, T::zero())
}

/// Σ x·(y − mean), without the cancellation of doing the two parts apart.
#[inline(always)]
pub(super) fn dot_centred<T: Real>(xs: &[T], ys: &[T], mean: T) -> f64 {
    let mut sum = 0.0;
    for (xs, ys) in xs.chunks(BLOCK).zip(ys.chunks(BLOCK)) {
        let mut acc = [T::zero(); LANES];
        let (mut x_chunks, mut y_chunks) = (xs.chunks_exact(LANES), ys.chunks_exact(LANES));
        for (x, y) in (&mut x_chunks).zip(&mut y_chunks) {
            for ((a, x), y) in acc.iter_mut().zip(x).zip(y) {
                *a = x.fma(*y - mean, *a);
            }
        }
        for ((a, x), y) in acc.iter_mut().zip(x_chunks.remainder()).zip(y_chunks.remainder()) {
            *a = x.fma(*y - mean, *a);
        }
        sum += total(acc);
    }
    sum
}
