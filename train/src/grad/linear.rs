//! Linear layer; the weight is frozen unless it is (or descends from) a variable.

use super::node::node1;
use super::shape_error;
use crate::error::Result;
use candle_core::{D, Tensor};

/// `x·weightᵀ + bias`: `x` is `[…, i]`, `weight` `[o, i]`, `bias` `[o]`, the result `[…, o]`.
///
/// A frozen weight may be stored in another float type than `x` (f16 on the CPU); it is converted as it is used.
pub fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let Ok((o, i)) = weight.dims2() else {
        return Err(shape_error("linear", "weight", weight, "[out, in]"));
    };
    if x.rank() == 0 || x.dim(D::Minus1)? != i {
        return Err(shape_error("linear", "x", x, format!("[…, {i}] for weight [{o}, {i}]")));
    }
    if let Some(bias) = bias
        && bias.dims() != [o]
    {
        return Err(shape_error("linear", "bias", bias, format!("[{o}]")));
    }
    let mut dims = x.dims().to_vec();
    let rows = x.elem_count() / i;
    let flat = x.reshape((rows, i))?;
    let y = if weight.track_op() { flat.matmul(&weight.t()?)? } else { frozen(&flat, weight)? };
    dims.pop();
    dims.push(o);
    let y = match bias {
        Some(bias) => y.broadcast_add(&bias.to_dtype(y.dtype())?)?,
        None => y,
    };
    Ok(y.reshape(dims)?)
}

fn frozen(x: &Tensor, weight: &Tensor) -> Result<Tensor> {
    let weight = weight.detach();
    let y = x.detach().matmul(&weight.to_dtype(x.dtype())?.t()?)?;
    let backward = move |grad: &Tensor| Ok([Some(grad.matmul(&weight.to_dtype(grad.dtype())?)?)]);
    Ok(node1("linear", x, &y, Box::new(backward))?)
}
