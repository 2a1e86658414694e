//! Two-dimensional convolution; weight and bias are frozen unless they are (or descend from) a variable.

use super::cpu::conv::{FrozenConv, TrainedConv, Window};
use super::cpu::kernel::{apply1, apply2, apply3, takes};
use super::cpu::weight_cache::WeightCache;
use super::{composed, shape_error};
use crate::error::Result;
use candle_core::Tensor;

/// Convolution of `x` `[n, i, h, w]` with `weight` `[o, i, kh, kw]` and `bias` `[o]`, or `[n, o]` for one per
/// sample; `stride` and `padding` in pixels, both axes alike.
///
/// A frozen weight may be stored in another float type than `x` (f16 on the CPU); it is converted as it is used.
pub fn conv2d(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    stride: usize,
    padding: usize,
) -> Result<Tensor> {
    convolve(x, weight, bias, [stride, padding], None)
}

/// The same; for small maps, where transforming the weight costs more than the products, a frozen weight's
/// transformed form is kept in `cache` from step to step, up to 256 MiB in the process. `cache` belongs to
/// the weight.
pub fn conv2d_cached(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    stride: usize,
    padding: usize,
    cache: &WeightCache,
) -> Result<Tensor> {
    convolve(x, weight, bias, [stride, padding], Some(cache))
}

fn convolve(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    [stride, padding]: [usize; 2],
    cache: Option<&WeightCache>,
) -> Result<Tensor> {
    let Ok((o, i, kh, kw)) = weight.dims4() else {
        return Err(shape_error("conv2d", "weight", weight, "[out, in, kh, kw]"));
    };
    let n = match x.dims4() {
        Ok((n, c, h, w)) if c == i && h + 2 * padding >= kh && w + 2 * padding >= kw && stride > 0 => n,
        _ => {
            let expected =
                format!("[n, {i}, h ≥ {kh}, w ≥ {kw}] with padding {padding}, stride {stride} ≥ 1");
            return Err(shape_error("conv2d", "x", x, expected));
        }
    };
    if let Some(bias) = bias
        && bias.dims() != [o]
        && bias.dims() != [n, o]
    {
        return Err(shape_error("conv2d", "bias", bias, format!("[{o}] or [{n}, {o}]")));
    }
    if !takes(&[x]) {
        return composed::convolve(x, weight, bias, [stride, padding], cache);
    }
    let window = Window { stride, padding };
    if !weight.track_op() && !bias.is_some_and(Tensor::track_op) {
        let kernel =
            FrozenConv { weight: weight.clone(), bias: bias.cloned(), window, cache: cache.cloned() };
        return Ok(apply1(kernel, x)?);
    }
    let (weight, kernel) = (weight.to_dtype(x.dtype())?, TrainedConv { window });
    Ok(match bias {
        Some(bias) if bias.rank() == 1 => apply3(kernel, x, &weight, &bias.to_dtype(x.dtype())?)?,
        Some(bias) => {
            let y = conv2d(x, &weight, None, stride, padding)?;
            y.broadcast_add(&bias.to_dtype(x.dtype())?.reshape((n, o, 1, 1))?)?
        }
        None => apply2(kernel, x, &weight)?,
    })
}
