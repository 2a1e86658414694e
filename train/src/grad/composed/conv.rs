use super::node::node1;
use crate::error::Result;
use candle_core::Tensor;

/// See [`grad::conv2d`](crate::grad::conv2d).
pub fn conv2d(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    stride: usize,
    padding: usize,
) -> Result<Tensor> {
    let y = if weight.track_op() {
        x.conv2d(&weight.to_dtype(x.dtype())?, padding, stride, 1, 1)?
    } else {
        frozen(x, weight, stride, padding)?
    };
    let channels = weight.dim(0)?;
    Ok(match bias {
        Some(bias) => y.broadcast_add(&bias.to_dtype(y.dtype())?.reshape(((), channels, 1, 1))?)?,
        None => y,
    })
}

fn frozen(x: &Tensor, weight: &Tensor, stride: usize, padding: usize) -> Result<Tensor> {
    let weight = weight.detach();
    let y = x.detach().conv2d(&weight.to_dtype(x.dtype())?, padding, stride, 1, 1)?;
    let (h, w) = (x.dim(2)?, x.dim(3)?);
    let backward = move |grad: &Tensor| {
        // Without padding the transposed convolution covers the padded input; what is over is cropped, what is short gets no gradient.
        let full = grad.conv_transpose2d(&weight.to_dtype(grad.dtype())?, 0, 0, stride, 1)?;
        Ok([Some(fit(&fit(&full, 2, padding, h)?, 3, padding, w)?)])
    };
    Ok(node1("conv2d", x, &y, Box::new(backward))?)
}

/// Drops `skip` entries of dimension `dim`, then cuts or zero-pads it to `len`.
fn fit(x: &Tensor, dim: usize, skip: usize, len: usize) -> candle_core::Result<Tensor> {
    let kept = (x.dim(dim)? - skip).min(len);
    x.narrow(dim, skip, kept)?.pad_with_zeros(dim, 0, len - kept)
}
