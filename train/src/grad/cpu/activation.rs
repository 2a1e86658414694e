//! SiLU, GELU, gated GELU, and the exponential within a range.

use super::kernel::{Kernel, View};
use super::real::{Loop, Real, simd};
use candle_core::{Result, Shape};
use rayon::prelude::*;
use std::marker::PhantomData;

/// Elements per task: some tens of microseconds of work.
const CHUNK: usize = 1 << 14;

/// `x · σ(x)`.
#[inline(always)]
pub(super) fn silu<T: Real>(x: T) -> T {
    x / (T::one() + (-x).exp())
}

/// Derivative of [`silu`].
#[inline(always)]
pub(super) fn silu_slope<T: Real>(x: T) -> T {
    let gate = T::one() / (T::one() + (-x).exp());
    gate * (T::one() - gate).fma(x, T::one())
}

/// Φ, the distribution function of the standard normal.
#[inline(always)]
fn normal<T: Real>(x: T) -> T {
    let half = T::from_f64(0.5);
    (x * T::from_f64(std::f64::consts::FRAC_1_SQRT_2)).erf().fma(half, half)
}

/// Derivative of `x·Φ(x)`, given Φ(x).
#[inline(always)]
fn gelu_slope<T: Real>(x: T, normal: T) -> T {
    /// 1/√(2π).
    const DENSITY: f64 = 0.398_942_280_401_432_7;
    (x * T::from_f64(DENSITY)).fma((x * x * T::from_f64(-0.5)).exp(), normal)
}

/// A function of one number, and its derivative.
pub(in crate::grad) trait Activation: Send + Sync + 'static {
    const NAME: &'static str;

    fn value<T: Real>(x: T) -> T;
    fn slope<T: Real>(x: T) -> T;
}

pub(in crate::grad) enum Silu {}

impl Activation for Silu {
    const NAME: &'static str = "silu";

    #[inline(always)]
    fn value<T: Real>(x: T) -> T {
        silu(x)
    }

    #[inline(always)]
    fn slope<T: Real>(x: T) -> T {
        silu_slope(x)
    }
}

pub(in crate::grad) enum Gelu {}

impl Activation for Gelu {
    const NAME: &'static str = "gelu";

    #[inline(always)]
    fn value<T: Real>(x: T) -> T {
        x * normal(x)
    }

    #[inline(always)]
    fn slope<T: Real>(x: T) -> T {
        gelu_slope(x, normal(x))
    }
}

/// An activation as an operation.
pub(in crate::grad) struct Each<A>(PhantomData<A>);

impl<A> Each<A> {
    pub(in crate::grad) fn new() -> Self {
        Self(PhantomData)
    }
}

impl<T: Real, A: Activation> Loop<(&mut [T], &[T])> for Each<A> {
    type Output = ();

    #[inline(always)]
    fn run((y, x): (&mut [T], &[T])) {
        for (y, x) in y.iter_mut().zip(x) {
            *y = A::value(*x);
        }
    }
}

impl<T: Real, A: Activation> Loop<(&mut [T], &[T], &[T])> for Each<A> {
    type Output = ();

    #[inline(always)]
    fn run((dx, x, grad): (&mut [T], &[T], &[T])) {
        for ((dx, x), g) in dx.iter_mut().zip(x).zip(grad) {
            *dx = *g * A::slope(*x);
        }
    }
}

impl<A: Activation> Kernel<1> for Each<A> {
    const NAME: &'static str = A::NAME;

    fn forward<T: Real>(&self, [x]: [View<'_, T>; 1]) -> Result<(Vec<T>, Shape)> {
        let mut y = vec![T::zero(); x.data.len()];
        y.par_chunks_mut(CHUNK).zip(x.data.par_chunks(CHUNK)).for_each(simd::<Self, _>);
        Ok((y, x.dims.into()))
    }

    fn backward<T: Real>(
        &self,
        [x]: [View<'_, T>; 1],
        _: View<'_, T>,
        grad: View<'_, T>,
        _: [bool; 1],
    ) -> Result<[Option<Vec<T>>; 1]> {
        let mut dx = vec![T::zero(); x.data.len()];
        dx.par_chunks_mut(CHUNK)
            .zip(x.data.par_chunks(CHUNK).zip(grad.data.par_chunks(CHUNK)))
            .for_each(|(dx, (x, grad))| simd::<Self, _>((dx, x, grad)));
        Ok([Some(dx)])
    }
}

/// Rows of values and gates side by side to rows of value · gelu(gate).
pub(in crate::grad) struct Geglu;

enum GatedRow {}

impl<T: Real> Loop<(&mut [T], &[T])> for GatedRow {
    type Output = ();

    #[inline(always)]
    fn run((y, x): (&mut [T], &[T])) {
        let (value, gate) = x.split_at(y.len());
        for ((y, v), g) in y.iter_mut().zip(value).zip(gate) {
            *y = *v * *g * normal(*g);
        }
    }
}

enum GatedRowBackward {}

impl<T: Real> Loop<(&mut [T], &[T], &[T])> for GatedRowBackward {
    type Output = ();

    #[inline(always)]
    fn run((dx, x, grad): (&mut [T], &[T], &[T])) {
        let (value, gate) = x.split_at(grad.len());
        let (d_value, d_gate) = dx.split_at_mut(grad.len());
        for ((d, gate), g) in d_value.iter_mut().zip(gate).zip(grad) {
            *d = *g * *gate * normal(*gate);
        }
        for (((d, value), gate), g) in d_gate.iter_mut().zip(value).zip(gate).zip(grad) {
            *d = *g * *value * gelu_slope(*gate, normal(*gate));
        }
    }
}

impl Kernel<1> for Geglu {
    const NAME: &'static str = "geglu";

    fn forward<T: Real>(&self, [x]: [View<'_, T>; 1]) -> Result<(Vec<T>, Shape)> {
        let width = x.width() / 2;
        let mut dims = x.dims.to_vec();
        if let Some(last) = dims.last_mut() {
            *last = width;
        }
        let mut y = vec![T::zero(); x.data.len() / 2];
        y.par_chunks_mut(width).zip(x.data.par_chunks(2 * width)).for_each(simd::<GatedRow, _>);
        Ok((y, dims.into()))
    }

    fn backward<T: Real>(
        &self,
        [x]: [View<'_, T>; 1],
        _: View<'_, T>,
        grad: View<'_, T>,
        _: [bool; 1],
    ) -> Result<[Option<Vec<T>>; 1]> {
        let width = x.width() / 2;
        let mut dx = vec![T::zero(); x.data.len()];
        dx.par_chunks_mut(2 * width)
            .zip(x.data.par_chunks(2 * width).zip(grad.data.par_chunks(width)))
            .for_each(|(dx, (x, grad))| simd::<GatedRowBackward, _>((dx, x, grad)));
        Ok([Some(dx)])
    }
}

/// `exp(range · tanh(x / range))`.
pub(in crate::grad) struct ExpWithin {
    pub range: f64,
}

/// tanh, by the exponential: e²ˣ runs to infinity or 0, and the quotient to its limits.
#[inline(always)]
fn tanh<T: Real>(x: T) -> T {
    let two = T::from_f64(2.0);
    T::one() - two / ((x * two).exp() + T::one())
}

impl<T: Real> Loop<(&mut [T], &[T], T)> for ExpWithin {
    type Output = ();

    #[inline(always)]
    fn run((y, x, range): (&mut [T], &[T], T)) {
        let inverse = T::one() / range;
        for (y, x) in y.iter_mut().zip(x) {
            *y = (range * tanh(*x * inverse)).exp();
        }
    }
}

impl<T: Real> Loop<(&mut [T], &[T], &[T], &[T], T)> for ExpWithin {
    type Output = ();

    #[inline(always)]
    fn run((dx, x, y, grad, range): (&mut [T], &[T], &[T], &[T], T)) {
        let inverse = T::one() / range;
        for ((dx, x), (y, g)) in dx.iter_mut().zip(x).zip(y.iter().zip(grad)) {
            let t = tanh(*x * inverse);
            *dx = *g * *y * (T::one() - t * t);
        }
    }
}

impl Kernel<1> for ExpWithin {
    const NAME: &'static str = "exp_within";

    fn forward<T: Real>(&self, [x]: [View<'_, T>; 1]) -> Result<(Vec<T>, Shape)> {
        let range = T::from_f64(self.range);
        let mut y = vec![T::zero(); x.data.len()];
        y.par_chunks_mut(CHUNK)
            .zip(x.data.par_chunks(CHUNK))
            .for_each(|(y, x)| simd::<Self, _>((y, x, range)));
        Ok((y, x.dims.into()))
    }

    fn backward<T: Real>(
        &self,
        [x]: [View<'_, T>; 1],
        y: View<'_, T>,
        grad: View<'_, T>,
        _: [bool; 1],
    ) -> Result<[Option<Vec<T>>; 1]> {
        let range = T::from_f64(self.range);
        let mut dx = vec![T::zero(); x.data.len()];
        let read = x.data.par_chunks(CHUNK).zip(y.data.par_chunks(CHUNK).zip(grad.data.par_chunks(CHUNK)));
        dx.par_chunks_mut(CHUNK)
            .zip(read)
            .for_each(|(dx, (x, (y, grad)))| simd::<Self, _>((dx, x, y, grad, range)));
        Ok([Some(dx)])
    }
}
