//! Linear layers.

use super::gemm::{Into, Mat, MatMut, Threads, gemm};
use super::kernel::{Kernel, View};
use super::real::Real;
use super::weight::with_values;
use candle_core::{Result, Shape, Tensor};
use rayon::prelude::*;

/// Rows per task where rows are filled or summed.
const ROWS: usize = 64;

/// `x·weightᵀ + bias` with a weight and bias that get no gradient.
pub(in crate::grad) struct FrozenLinear {
    /// `[o, i]`, in any float type.
    pub weight: Tensor,
    /// `[o]`.
    pub bias: Option<Tensor>,
}

/// The same with arguments x, weight, and for three arguments bias.
pub(in crate::grad) struct TrainedLinear;

fn product<T: Real>(x: View<'_, T>, weight: &[T], bias: Option<&[T]>) -> (Vec<T>, Shape) {
    let inputs = x.width();
    let (rows, outputs) = (x.data.len() / inputs, weight.len() / inputs);
    let mut y = vec![T::zero(); rows * outputs];
    let (x_rows, transposed) = (Mat::new(x.data, rows, inputs), Mat::new(weight, outputs, inputs).t());
    if let Some(bias) = bias {
        y.par_chunks_mut(ROWS * outputs).for_each(|y| {
            y.chunks_exact_mut(outputs).for_each(|row| row.copy_from_slice(bias));
        });
    }
    let into = if bias.is_some() { Into::Add } else { Into::Replace };
    gemm(MatMut::new(&mut y, rows, outputs), into, T::one(), x_rows, transposed, Threads::All);
    let mut dims = x.dims.to_vec();
    if let Some(last) = dims.last_mut() {
        *last = outputs;
    }
    (y, dims.into())
}

fn by_input<T: Real>(grad: View<'_, T>, weight: &[T], inputs: usize) -> Vec<T> {
    let outputs = grad.width();
    let rows = grad.data.len() / outputs;
    let mut dx = vec![T::zero(); rows * inputs];
    let (grad, weight) = (Mat::new(grad.data, rows, outputs), Mat::new(weight, outputs, inputs));
    gemm(MatMut::new(&mut dx, rows, inputs), Into::Replace, T::one(), grad, weight, Threads::All);
    dx
}

fn by_weight<T: Real>(x: View<'_, T>, grad: View<'_, T>) -> Vec<T> {
    let (inputs, outputs) = (x.width(), grad.width());
    let rows = x.data.len() / inputs;
    let mut dw = vec![T::zero(); outputs * inputs];
    let (x, grad) = (Mat::new(x.data, rows, inputs), Mat::new(grad.data, rows, outputs));
    gemm(MatMut::new(&mut dw, outputs, inputs), Into::Replace, T::one(), grad.t(), x, Threads::All);
    dw
}

fn by_bias<T: Real>(grad: View<'_, T>) -> Vec<T> {
    let mut sum = vec![T::zero(); grad.width()];
    for row in grad.data.chunks_exact(grad.width()) {
        for (sum, g) in sum.iter_mut().zip(row) {
            *sum += *g;
        }
    }
    sum
}

impl Kernel<1> for FrozenLinear {
    const NAME: &'static str = "linear";

    fn forward<T: Real>(&self, [x]: [View<'_, T>; 1]) -> Result<(Vec<T>, Shape)> {
        with_values(&self.weight, |weight: &[T]| match &self.bias {
            None => Ok(product(x, weight, None)),
            Some(bias) => with_values(bias, |bias: &[T]| Ok(product(x, weight, Some(bias)))),
        })
    }

    fn backward<T: Real>(
        &self,
        [x]: [View<'_, T>; 1],
        _: View<'_, T>,
        grad: View<'_, T>,
        _: [bool; 1],
    ) -> Result<[Option<Vec<T>>; 1]> {
        with_values(&self.weight, |weight: &[T]| Ok([Some(by_input(grad, weight, x.width()))]))
    }
}

impl Kernel<2> for TrainedLinear {
    const NAME: &'static str = "linear";

    fn forward<T: Real>(&self, [x, weight]: [View<'_, T>; 2]) -> Result<(Vec<T>, Shape)> {
        Ok(product(x, weight.data, None))
    }

    fn backward<T: Real>(
        &self,
        [x, weight]: [View<'_, T>; 2],
        _: View<'_, T>,
        grad: View<'_, T>,
        wanted: [bool; 2],
    ) -> Result<[Option<Vec<T>>; 2]> {
        let dx = wanted[0].then(|| by_input(grad, weight.data, x.width()));
        Ok([dx, wanted[1].then(|| by_weight(x, grad))])
    }
}

impl Kernel<3> for TrainedLinear {
    const NAME: &'static str = "linear";

    fn forward<T: Real>(&self, [x, weight, bias]: [View<'_, T>; 3]) -> Result<(Vec<T>, Shape)> {
        Ok(product(x, weight.data, Some(bias.data)))
    }

    fn backward<T: Real>(
        &self,
        [x, weight, _]: [View<'_, T>; 3],
        y: View<'_, T>,
        grad: View<'_, T>,
        wanted: [bool; 3],
    ) -> Result<[Option<Vec<T>>; 3]> {
        let [dx, dw] = Kernel::<2>::backward(self, [x, weight], y, grad, [wanted[0], wanted[1]])?;
        Ok([dx, dw, wanted[2].then(|| by_bias(grad))])
    }
}
