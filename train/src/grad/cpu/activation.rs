//! SiLU, GELU and gated GELU.

use super::kernel::{Kernel, View};
use super::real::{Real, simd};
use candle_core::{Result, Shape};
use rayon::prelude::*;

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

/// `f` of every element.
fn map<T: Real>(x: &[T], f: impl Fn(T) -> T + Sync) -> Vec<T> {
    let mut y = vec![T::zero(); x.len()];
    y.par_chunks_mut(CHUNK).zip(x.par_chunks(CHUNK)).for_each(|(y, x)| {
        simd(|| {
            for (y, x) in y.iter_mut().zip(x) {
                *y = f(*x);
            }
        });
    });
    y
}

/// `grad · slope(x)` of every element.
fn scale<T: Real>(x: &[T], grad: &[T], slope: impl Fn(T) -> T + Sync) -> Vec<T> {
    let mut dx = grad.to_vec();
    dx.par_chunks_mut(CHUNK).zip(x.par_chunks(CHUNK)).for_each(|(dx, x)| {
        simd(|| {
            for (dx, x) in dx.iter_mut().zip(x) {
                *dx *= slope(*x);
            }
        });
    });
    dx
}

pub(in crate::grad) struct Silu;

impl Kernel<1> for Silu {
    const NAME: &'static str = "silu";

    fn forward<T: Real>(&self, [x]: [View<'_, T>; 1]) -> Result<(Vec<T>, Shape)> {
        Ok((map(x.data, |x| silu(x)), x.dims.into()))
    }

    fn backward<T: Real>(
        &self,
        [x]: [View<'_, T>; 1],
        _: View<'_, T>,
        grad: View<'_, T>,
        _: [bool; 1],
    ) -> Result<[Option<Vec<T>>; 1]> {
        Ok([Some(scale(x.data, grad.data, |x| silu_slope(x)))])
    }
}

pub(in crate::grad) struct Gelu;

impl Kernel<1> for Gelu {
    const NAME: &'static str = "gelu";

    fn forward<T: Real>(&self, [x]: [View<'_, T>; 1]) -> Result<(Vec<T>, Shape)> {
        Ok((map(x.data, |x| x * normal(x)), x.dims.into()))
    }

    fn backward<T: Real>(
        &self,
        [x]: [View<'_, T>; 1],
        _: View<'_, T>,
        grad: View<'_, T>,
        _: [bool; 1],
    ) -> Result<[Option<Vec<T>>; 1]> {
        Ok([Some(scale(x.data, grad.data, |x| gelu_slope(x, normal(x))))])
    }
}

/// Rows of values and gates side by side to rows of value · gelu(gate).
pub(in crate::grad) struct Geglu;

impl Kernel<1> for Geglu {
    const NAME: &'static str = "geglu";

    fn forward<T: Real>(&self, [x]: [View<'_, T>; 1]) -> Result<(Vec<T>, Shape)> {
        let width = x.width() / 2;
        let mut dims = x.dims.to_vec();
        if let Some(last) = dims.last_mut() {
            *last = width;
        }
        let mut y = vec![T::zero(); x.data.len() / 2];
        y.par_chunks_mut(width).zip(x.data.par_chunks(2 * width)).for_each(|(y, x)| {
            let (value, gate) = x.split_at(width);
            simd(|| {
                for ((y, v), g) in y.iter_mut().zip(value).zip(gate) {
                    *y = *v * *g * normal(*g);
                }
            });
        });
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
            .zip(x.data.par_chunks(2 * width))
            .zip(grad.data.par_chunks(width))
            .for_each(|((dx, x), grad)| {
                let (value, gate) = x.split_at(width);
                let (d_value, d_gate) = dx.split_at_mut(width);
                simd(|| {
                    for i in 0..width.min(value.len()).min(gate.len()).min(grad.len()) {
                        let normal = normal(gate[i]);
                        d_value[i] = grad[i] * gate[i] * normal;
                        d_gate[i] = grad[i] * value[i] * gelu_slope(gate[i], normal);
                    }
                });
            });
        Ok([Some(dx)])
    }
}
