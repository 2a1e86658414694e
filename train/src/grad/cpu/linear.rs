//! Linear layers.

use super::few;
use super::gemm::{self, Mat};
use super::kernel::{Kernel, View};
use super::real::Real;
use super::scratch::Scratch;
use super::transpose::transpose_to;
use super::weight::with_values;
use candle_core::{Result, Shape, Tensor};

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
    let y = if rows <= few::ROWS {
        few::product(x.data, weight, bias, inputs)
    } else {
        // `gemm` would transpose the weight too, but on one thread, and again for each block of the product.
        let mut turned = Scratch::<T>::take(weight.len());
        transpose_to(&mut turned, weight, outputs, inputs);
        gemm::product(Mat::new(x.data, rows, inputs), Mat::new(&turned, inputs, outputs), bias)
    };
    let mut dims = x.dims.to_vec();
    if let Some(last) = dims.last_mut() {
        *last = outputs;
    }
    (y, dims.into())
}

fn by_input<T: Real>(grad: View<'_, T>, weight: &[T], inputs: usize) -> Vec<T> {
    let outputs = grad.width();
    let rows = grad.data.len() / outputs;
    if rows <= few::ROWS {
        return few::by_input(grad.data, weight, inputs);
    }
    gemm::product(Mat::new(grad.data, rows, outputs), Mat::new(weight, outputs, inputs), None)
}

fn by_weight<T: Real>(x: View<'_, T>, grad: View<'_, T>) -> Vec<T> {
    let (inputs, outputs) = (x.width(), grad.width());
    let rows = x.data.len() / inputs;
    gemm::product(Mat::new(grad.data, rows, outputs).t(), Mat::new(x.data, rows, inputs), None)
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
