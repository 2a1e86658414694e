//! Linear layer; weight and bias are frozen unless they are (or descend from) a variable.

use super::cpu::kernel::{apply1, apply2, apply3, takes};
use super::cpu::linear::{FrozenLinear, TrainedLinear};
use super::{composed, shape_error};
use crate::error::Result;
use candle_core::{D, Tensor};

/// `x·weightᵀ + bias`: `x` is `[…, i]`, `weight` `[o, i]`, `bias` `[o]`, the result `[…, o]`.
///
/// A frozen weight may be stored in another float type than `x` (f16 on the CPU); it is converted as it is used.
pub fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let Ok((o, i)) = weight.dims2() else {
        return Err(shape_error("linear", "weight", weight, "[out, in]"));
    };
    if x.rank() == 0 || x.dim(D::Minus1)? != i || i == 0 {
        return Err(shape_error("linear", "x", x, format!("[…, {i}] for weight [{o}, {i}]")));
    }
    if let Some(bias) = bias
        && bias.dims() != [o]
    {
        return Err(shape_error("linear", "bias", bias, format!("[{o}]")));
    }
    if !takes(&[x]) {
        return composed::linear(x, weight, bias);
    }
    if !weight.track_op() && !bias.is_some_and(Tensor::track_op) {
        let kernel = FrozenLinear { weight: weight.clone(), bias: bias.cloned() };
        return Ok(apply1(kernel, x)?);
    }
    let weight = weight.to_dtype(x.dtype())?;
    Ok(match bias {
        Some(bias) => apply3(TrainedLinear, x, &weight, &bias.to_dtype(x.dtype())?)?,
        None => apply2(TrainedLinear, x, &weight)?,
    })
}
