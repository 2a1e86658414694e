//! Two-dimensional convolution; the weight is frozen unless it is (or descends from) a variable.

use super::node::node1;
use super::shape_error;
use crate::error::Result;
use candle_core::Tensor;

/// Convolution of `x` `[n, i, h, w]` with `weight` `[o, i, kh, kw]` and `bias` `[o]`; `stride` and `padding` in pixels, both axes alike.
///
/// A frozen weight may be stored in another float type than `x` (f16 on the CPU); it is converted as it is used.
pub fn conv2d(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    stride: usize,
    padding: usize,
) -> Result<Tensor> {
    let Ok((o, i, kh, kw)) = weight.dims4() else {
        return Err(shape_error("conv2d", "weight", weight, "[out, in, kh, kw]"));
    };
    match x.dims4() {
        Ok((_, c, h, w)) if c == i && h + 2 * padding >= kh && w + 2 * padding >= kw && stride > 0 => {}
        _ => {
            let expected =
                format!("[n, {i}, h ≥ {kh}, w ≥ {kw}] with padding {padding}, stride {stride} ≥ 1");
            return Err(shape_error("conv2d", "x", x, expected));
        }
    }
    if let Some(bias) = bias
        && bias.dims() != [o]
    {
        return Err(shape_error("conv2d", "bias", bias, format!("[{o}]")));
    }
    let y = if weight.track_op() {
        x.conv2d(weight, padding, stride, 1, 1)?
    } else {
        frozen(x, weight, stride, padding)?
    };
    Ok(match bias {
        Some(bias) => y.broadcast_add(&bias.to_dtype(y.dtype())?.reshape((1, o, 1, 1))?)?,
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
