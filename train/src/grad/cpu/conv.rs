//! Two-dimensional convolution: by columns and one matrix product, or by Winograd's algorithm where that
//! costs less; the gradient of the weight at stride 1 by `taps`.

use super::columns;
use super::kernel::{Kernel, View};
use super::real::Real;
use super::taps;
use super::weight::with_values;
use super::weight_cache::WeightCache;
use super::winograd;
use candle_core::{Result, Shape, Tensor};

/// Stride and padding in pixels, both axes alike.
#[derive(Clone, Copy)]
pub(in crate::grad) struct Window {
    pub stride: usize,
    pub padding: usize,
}

/// A convolution with weight and bias that get no gradient.
pub(in crate::grad) struct FrozenConv {
    /// `[o, i, kh, kw]`, in any float type.
    pub weight: Tensor,
    /// `[o]`, or `[n, o]`: one for each sample.
    pub bias: Option<Tensor>,
    pub window: Window,
    /// The cache of the transformed weight, if there is one.
    pub cache: Option<WeightCache>,
}

/// The same with arguments x, weight, and for three arguments bias `[o]`.
pub(in crate::grad) struct TrainedConv {
    pub window: Window,
}

/// All lengths of a convolution.
#[derive(Clone, Copy)]
pub(super) struct Sizes {
    pub n: usize,
    /// Input: channels, height, width.
    pub i: usize,
    pub h: usize,
    pub w: usize,
    /// Output: channels, height, width.
    pub o: usize,
    pub oh: usize,
    pub ow: usize,
    /// Weight: height, width.
    pub kh: usize,
    pub kw: usize,
    pub window: Window,
}

impl Sizes {
    fn new(x: &[usize], weight: &[usize], window: Window) -> Self {
        let (h, w, kh, kw) = (x[2], x[3], weight[2], weight[3]);
        let out = |len: usize, k: usize| (len + 2 * window.padding - k) / window.stride + 1;
        Self { n: x[0], i: x[1], h, w, o: weight[0], oh: out(h, kh), ow: out(w, kw), kh, kw, window }
    }

    /// Weights per output channel.
    pub(super) fn taps(&self) -> usize {
        self.i * self.kh * self.kw
    }

    /// 1×1 with neither stride nor padding: a matrix product as it stands.
    pub(super) fn is_pointwise(&self) -> bool {
        self.kh * self.kw * self.window.stride == 1 && self.window.padding == 0
    }

    /// The side of Winograd's output tiles where that is the cheapest way.
    fn tile(&self) -> Option<winograd::Side> {
        let suits = (self.kh, self.kw, self.window.stride, self.window.padding) == (3, 3, 1, 1);
        // With few channels the transformations are not made up for by products.
        if suits && self.i.min(self.o) >= 16 { winograd::cheapest(self.n, self.h, self.w) } else { None }
    }
}

fn result<T: Real>(
    x: View<'_, T>,
    weight: &[T],
    bias: Option<&[T]>,
    cache: Option<&WeightCache>,
    sizes: &Sizes,
) -> Result<(Vec<T>, Shape)> {
    let mut y = vec![T::zero(); sizes.n * sizes.o * sizes.oh * sizes.ow];
    match sizes.tile() {
        Some(side) => {
            let maps = winograd::Maps { n: sizes.n, h: sizes.h, w: sizes.w };
            let weight = winograd::Weight { values: weight, o: sizes.o, i: sizes.i, cache };
            winograd::convolve(side, x.data, maps, weight, winograd::Direction::Forward, bias, &mut y);
        }
        None => columns::convolve(x.data, weight, bias, sizes, &mut y),
    }
    Ok((y, (sizes.n, sizes.o, sizes.oh, sizes.ow).into()))
}

fn by_input<T: Real>(grad: View<'_, T>, weight: &[T], cache: Option<&WeightCache>, sizes: &Sizes) -> Vec<T> {
    let mut dx = vec![T::zero(); sizes.n * sizes.i * sizes.h * sizes.w];
    match sizes.tile() {
        Some(side) => {
            let maps = winograd::Maps { n: sizes.n, h: sizes.h, w: sizes.w };
            let weight = winograd::Weight { values: weight, o: sizes.o, i: sizes.i, cache };
            winograd::convolve(side, grad.data, maps, weight, winograd::Direction::Backward, None, &mut dx);
        }
        None => columns::by_input(grad.data, weight, sizes, &mut dx),
    }
    dx
}

fn by_weight<T: Real>(x: View<'_, T>, grad: View<'_, T>, sizes: &Sizes) -> Vec<T> {
    if sizes.is_pointwise() {
        columns::by_pointwise_weight(x.data, grad.data, sizes)
    } else if taps::suits(sizes) {
        taps::by_weight(x.data, grad.data, sizes)
    } else {
        columns::by_weight(x.data, grad.data, sizes)
    }
}

fn by_bias<T: Real>(grad: View<'_, T>) -> Vec<T> {
    let (o, area) = (grad.dims[1], grad.dims[2] * grad.dims[3]);
    let mut sum = vec![0f64; o];
    for (i, map) in grad.data.chunks_exact(area).enumerate() {
        sum[i % o] += super::reduce::sum(map);
    }
    sum.into_iter().map(T::from_f64).collect()
}

impl Kernel<1> for FrozenConv {
    const NAME: &'static str = "conv2d";

    fn forward<T: Real>(&self, [x]: [View<'_, T>; 1]) -> Result<(Vec<T>, Shape)> {
        let sizes = Sizes::new(x.dims, self.weight.dims(), self.window);
        with_values(&self.weight, |weight: &[T]| match &self.bias {
            None => result(x, weight, None, self.cache.as_ref(), &sizes),
            Some(bias) => {
                with_values(bias, |bias: &[T]| result(x, weight, Some(bias), self.cache.as_ref(), &sizes))
            }
        })
    }

    fn backward<T: Real>(
        &self,
        [x]: [View<'_, T>; 1],
        _: View<'_, T>,
        grad: View<'_, T>,
        _: [bool; 1],
    ) -> Result<[Option<Vec<T>>; 1]> {
        let sizes = Sizes::new(x.dims, self.weight.dims(), self.window);
        with_values(&self.weight, |weight: &[T]| {
            Ok([Some(by_input(grad, weight, self.cache.as_ref(), &sizes))])
        })
    }
}

impl Kernel<2> for TrainedConv {
    const NAME: &'static str = "conv2d";

    fn forward<T: Real>(&self, [x, weight]: [View<'_, T>; 2]) -> Result<(Vec<T>, Shape)> {
        result(x, weight.data, None, None, &Sizes::new(x.dims, weight.dims, self.window))
    }

    fn backward<T: Real>(
        &self,
        [x, weight]: [View<'_, T>; 2],
        _: View<'_, T>,
        grad: View<'_, T>,
        wanted: [bool; 2],
    ) -> Result<[Option<Vec<T>>; 2]> {
        let sizes = Sizes::new(x.dims, weight.dims, self.window);
        let dx = wanted[0].then(|| by_input(grad, weight.data, None, &sizes));
        Ok([dx, wanted[1].then(|| by_weight(x, grad, &sizes))])
    }
}

impl Kernel<3> for TrainedConv {
    const NAME: &'static str = "conv2d";

    fn forward<T: Real>(&self, [x, weight, bias]: [View<'_, T>; 3]) -> Result<(Vec<T>, Shape)> {
        result(x, weight.data, Some(bias.data), None, &Sizes::new(x.dims, weight.dims, self.window))
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
