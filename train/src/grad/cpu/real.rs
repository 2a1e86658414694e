//! The two float types the kernels are written for, and the dispatch to the widest vector instructions at hand.

use super::weight::FromHalf;
use candle_core::WithDType;
use std::marker::PhantomData;
use std::ops::Neg;
use std::sync::Mutex;

/// f32 in use; f64 for checks against difference quotients.
pub(in crate::grad) trait Real: WithDType + Neg<Output = Self> + FromHalf {
    fn exp(self) -> Self;
    fn erf(self) -> Self;
    /// `self · a + b`.
    fn fma(self, a: Self, b: Self) -> Self;
    /// Buffers to be used again.
    fn pool() -> &'static Mutex<Vec<Vec<Self>>>;
}

/// A loop to be compiled for the vector extensions of the machine. A trait and no closure, because `run` has to be
/// marked `#[inline(always)]`: code that is not inlined keeps the instructions every machine has.
pub(crate) trait Loop<A> {
    type Output;

    fn run(args: A) -> Self::Output;
}

struct Call<L, A>(A, PhantomData<L>);

impl<L: Loop<A>, A> pulp::NullaryFnOnce for Call<L, A> {
    type Output = L::Output;

    #[inline(always)]
    fn call(self) -> L::Output {
        L::run(self.0)
    }
}

/// Runs a loop with the widest vector instructions at hand.
#[inline(always)]
pub(crate) fn simd<L: Loop<A>, A>(args: A) -> L::Output {
    pulp::Arch::new().dispatch(Call::<L, A>(args, PhantomData))
}

impl Real for f32 {
    /// Cody–Waite reduction and a polynomial of degree 6 (Cephes' `expf`), about 1 ulp; branch-free, so that
    /// it vectorises.
    #[inline(always)]
    fn exp(self) -> Self {
        /// 1.5·2²³: added to a small number it leaves the nearest integer in the lowest bits.
        const ROUND: f32 = 12_582_912.0;
        const LN2_HIGH: f32 = 0.693_359_4;
        const LN2_LOW: f32 = -2.121_944_4e-4;
        // Comparisons instead of clamp: NaN stays NaN.
        let x = if self > 88.3 { 88.3 } else { self };
        let x = if x < -87.3 { -87.3 } else { x };
        let shifted = x.fma(std::f32::consts::LOG2_E, ROUND);
        let n = shifted - ROUND;
        let r = n.fma(-LN2_LOW, n.fma(-LN2_HIGH, x));
        let p = 1.987_569_2e-4_f32;
        let p = p.fma(r, 1.398_199_9e-3);
        let p = p.fma(r, 8.333_452e-3);
        let p = p.fma(r, 4.166_579_6e-2);
        let p = p.fma(r, 1.666_666_5e-1);
        let p = p.fma(r, 0.5);
        let p = p.fma(r * r, r + 1.0);
        let power = Self::from_bits(shifted.to_bits().wrapping_add(127) << 23);
        // What is below the range is zero, as a masked score has to be.
        if self < -87.3 { 0.0 } else { p * power }
    }

    /// Rational approximation on [−4, 4] (Eigen's `generic_fast_erf_float`), a few ulp.
    #[inline(always)]
    fn erf(self) -> Self {
        let x = if self > 4.0 { 4.0 } else { self };
        let x = if x < -4.0 { -4.0 } else { x };
        let s = x * x;
        let p = -2.726_142_3e-10_f32;
        let p = p.fma(s, 2.770_681_4e-8);
        let p = p.fma(s, -2.101_024_1e-6);
        let p = p.fma(s, -5.692_506_4e-5);
        let p = p.fma(s, -7.349_906_3e-4);
        let p = p.fma(s, -2.954_6e-3);
        let p = p.fma(s, -1.609_603_4e-2);
        let q = -1.456_607_2e-5_f32;
        let q = q.fma(s, -2.133_740_6e-4);
        let q = q.fma(s, -1.682_827e-3);
        let q = q.fma(s, -7.373_329_2e-3);
        let q = q.fma(s, -1.426_473_9e-2);
        x * p / q
    }

    #[inline(always)]
    fn fma(self, a: Self, b: Self) -> Self {
        self.mul_add(a, b)
    }

    fn pool() -> &'static Mutex<Vec<Vec<Self>>> {
        static POOL: Mutex<Vec<Vec<f32>>> = Mutex::new(Vec::new());
        &POOL
    }
}

impl Real for f64 {
    fn exp(self) -> Self {
        Self::exp(self)
    }

    fn erf(self) -> Self {
        candle_core::cpu::erf::erf_f64(self)
    }

    #[inline(always)]
    fn fma(self, a: Self, b: Self) -> Self {
        self.mul_add(a, b)
    }

    fn pool() -> &'static Mutex<Vec<Vec<Self>>> {
        static POOL: Mutex<Vec<Vec<f64>>> = Mutex::new(Vec::new());
        &POOL
    }
}

#[cfg(test)]
mod tests {
    use super::Real;

    fn grid() -> impl Iterator<Item = f32> {
        (-90_000..88_000).map(|i| i as f32 * 1e-3)
    }

    #[test]
    fn exp_is_that_of_the_standard_library() {
        for x in grid().filter(|x| *x > -87.0) {
            let (found, expected) = (f64::from(Real::exp(x)), f64::from(x).exp());
            assert!((found - expected).abs() <= 2.5e-7 * expected, "exp({x}) = {found}, expected {expected}");
        }
        assert_eq!(Real::exp(f32::NEG_INFINITY), 0.0);
        assert_eq!(Real::exp(0f32), 1.0);
        assert!(Real::exp(f32::NAN).is_nan());
    }

    #[test]
    fn erf_is_that_of_libm() {
        for x in grid().map(|x| x * 0.1) {
            let (found, expected) = (f64::from(Real::erf(x)), candle_core::cpu::erf::erf_f64(f64::from(x)));
            assert!((found - expected).abs() <= 4e-7, "erf({x}) = {found}, expected {expected}");
        }
        assert!(Real::erf(f32::NAN).is_nan());
    }
}
