//! Convolution whose gradients are forward convolutions and matrix products.
//!
//! Candle's own backward pass runs a transposed convolution, on a GPU one thread per element, and computes
//! weight gradients also where weights are frozen. With stride 1, padding p and a kernel of k px the gradient
//! of the input is the convolution of the result's gradient with the weights turned by 180° and their
//! channels exchanged, with padding k − 1 − p (Dumoulin & Visin 2016, arXiv:1603.07285, sec. 4). A longer
//! stride puts zeros between the gradient's elements.

use super::node::{node1, node3};
use super::wide::widened;
use crate::error::Result;
use crate::grad::WeightCache;
use candle_core::Tensor;

/// See [`grad::conv2d`](crate::grad::conv2d).
pub fn conv2d(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    stride: usize,
    padding: usize,
) -> Result<Tensor> {
    convolve(x, weight, bias, [stride, padding], None)
}

/// The same; a frozen weight rotated by 180° is kept in `cache`, if there is one.
pub(in crate::grad) fn convolve(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    [stride, padding]: [usize; 2],
    cache: Option<&WeightCache>,
) -> Result<Tensor> {
    let (o, _, kh, kw) = weight.dims4()?;
    let window = Window { kernel: [kh, kw], input: [x.dim(2)?, x.dim(3)?], stride, padding };
    let w = weight.detach().to_dtype(x.dtype())?.contiguous()?;
    let maps = x.detach().contiguous()?;
    let y = maps.conv2d(&w, padding, stride, 1, 1)?;
    let shaped = |bias: &Tensor| bias.to_dtype(x.dtype())?.reshape(((), o, 1, 1));
    if let Some(bias) = bias.filter(|bias| bias.rank() == 2 && bias.track_op()) {
        // A trained bias for each sample is added outside: its gradient is no sum over samples.
        let y = tied(x, weight, None, [maps, w], window, cache, &y)?;
        return Ok(y.broadcast_add(&shaped(bias)?)?);
    }
    let y = match bias {
        Some(bias) => y.broadcast_add(&shaped(&bias.detach())?)?,
        None => y,
    };
    tied(x, weight, bias, [maps, w], window, cache, &y)
}

/// `y` in the graph. `maps` and `w` are input and weight as they were convolved.
fn tied(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    [maps, w]: [Tensor; 2],
    window: Window,
    cache: Option<&WeightCache>,
    y: &Tensor,
) -> Result<Tensor> {
    if !weight.track_op() && !bias.is_some_and(Tensor::track_op) {
        // Rotated when the first gradient is asked for: a network that is only sampled from never needs it.
        let (cache, kind) = (cache.cloned().unwrap_or_default(), w.dtype());
        let backward = move |grad: &Tensor| {
            let turned = cache.turned(kind, || turned(&w))?;
            Ok([Some(window.of_input(grad, &turned)?)])
        };
        return Ok(node1("conv2d", x, y, Box::new(backward))?);
    }
    let bias = bias.cloned().map_or_else(|| Tensor::zeros(1, x.dtype(), x.device()), Ok)?;
    let wanted = [x.track_op(), weight.track_op(), bias.track_op()];
    let operands = [maps, w];
    let backward = move |grad: &Tensor| backpropagate(grad, window, &operands, wanted);
    Ok(node3("conv2d", [x, weight, &bias], y, Box::new(backward))?)
}

fn backpropagate(
    grad: &Tensor,
    window: Window,
    [maps, w]: &[Tensor; 2],
    wanted: [bool; 3],
) -> candle_core::Result<[Option<Tensor>; 3]> {
    Ok([
        wanted[0].then(|| window.of_input(grad, &turned(w)?)).transpose()?,
        wanted[1].then(|| window.of_weight(grad, maps)).transpose()?,
        wanted[2].then(|| widened(grad)?.sum((0, 2, 3))).transpose()?,
    ])
}

/// `[o, i, kh, kw]` to `[i, o, kh, kw]`, turned by 180°.
fn turned(weight: &Tensor) -> candle_core::Result<Tensor> {
    weight.flip(&[2, 3])?.transpose(0, 1)?.contiguous()
}

/// Where a kernel goes on its input, in px.
#[derive(Clone, Copy)]
struct Window {
    kernel: [usize; 2],
    input: [usize; 2],
    stride: usize,
    padding: usize,
}

impl Window {
    /// The gradient of the input.
    fn of_input(self, grad: &Tensor, turned: &Tensor) -> candle_core::Result<Tensor> {
        let Self { kernel: [kh, kw], stride, padding, .. } = self;
        if stride == 1 && kh == kw && padding < kh {
            return grad.conv2d(turned, kh - 1 - padding, 1, 1, 1);
        }
        let spread = self.spread(&self.spread(grad, 0)?, 1)?;
        spread.contiguous()?.conv2d(turned, 0, 1, 1, 1)
    }

    /// The gradient along an axis as the turned kernel reads it: `stride` apart, with zeros between and
    /// around, as long as the input and the kernel, less one.
    fn spread(self, grad: &Tensor, axis: usize) -> candle_core::Result<Tensor> {
        let (dim, kernel, stride) = (axis + 2, self.kernel[axis], self.stride);
        let length = self.input[axis] + kernel - 1;
        let mut apart = grad.clone();
        if stride > 1 {
            let mut dims = grad.dims().to_vec();
            dims[dim] *= stride;
            let between = grad.unsqueeze(dim + 1)?.pad_with_zeros(dim + 1, 0, stride - 1)?.reshape(dims)?;
            apart = between.narrow(dim, 0, (grad.dim(dim)? - 1) * stride + 1)?;
        }
        // With more padding than kernel, outermost results see padding only, and have no gradient for the
        // input.
        let before = (kernel - 1).saturating_sub(self.padding);
        let cut = self.padding.saturating_sub(kernel - 1);
        let held = apart.dim(dim)?.saturating_sub(cut).min(length - before);
        apart.narrow(dim, cut, held)?.pad_with_zeros(dim, before, length - before - held)
    }

    /// The gradient of the weight: one matrix product over samples and places for each px of the kernel.
    fn of_weight(self, grad: &Tensor, input: &Tensor) -> candle_core::Result<Tensor> {
        let Self { kernel: [kh, kw], stride, padding, .. } = self;
        let (n, o, oh, ow) = grad.dims4()?;
        let i = input.dim(1)?;
        let by_channel = grad.transpose(0, 1)?.contiguous()?.reshape((o, n * oh * ow))?;
        // Rows and columns padded to whole strides, so that every px of the kernel meets a run of them.
        let length = |out: usize, kernel: usize| (out + (kernel - 1) / stride) * stride;
        let mut padded = input.permute((0, 2, 3, 1))?;
        for (dim, (out, kernel)) in [(1, (oh, kh)), (2, (ow, kw))] {
            let (length, have) = (length(out, kernel), padded.dim(dim)?);
            let before = padding.min(length);
            let kept = have.min(length - before);
            padded = padded.narrow(dim, 0, kept)?.pad_with_zeros(dim, before, length - before - kept)?;
        }
        let strided = (n, length(oh, kh) / stride, stride, length(ow, kw) / stride, stride * i);
        let padded = padded.contiguous()?.reshape(strided)?;
        let mut products = Vec::with_capacity(kh * kw);
        for y in 0..kh {
            let rows = padded.narrow(1, y / stride, oh)?.narrow(2, y % stride, 1)?;
            for x in 0..kw {
                let met = rows.narrow(3, x / stride, ow)?.narrow(4, (x % stride) * i, i)?;
                let met = met.contiguous()?.reshape((n * oh * ow, i))?;
                products.push(by_channel.matmul(&met)?);
            }
        }
        // [kh·kw, o, i] → [o, i, kh, kw]
        Tensor::stack(&products, 0)?.permute((1, 2, 0))?.contiguous()?.reshape((o, i, kh, kw))
    }
}
