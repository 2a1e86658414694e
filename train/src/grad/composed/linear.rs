use super::node::node1;
use crate::error::Result;
use candle_core::Tensor;

/// See [`grad::linear`](crate::grad::linear).
pub fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let (o, i) = weight.dims2()?;
    let mut dims = x.dims().to_vec();
    let flat = x.reshape((x.elem_count() / i, i))?;
    let y = if weight.track_op() {
        flat.matmul(&weight.to_dtype(x.dtype())?.t()?)?
    } else {
        frozen(&flat, weight)?
    };
    let y = match bias {
        Some(bias) => y.broadcast_add(&bias.to_dtype(y.dtype())?)?,
        None => y,
    };
    dims[x.dims().len() - 1] = o;
    Ok(y.reshape(dims)?)
}

fn frozen(x: &Tensor, weight: &Tensor) -> Result<Tensor> {
    let weight = weight.detach();
    let y = x.detach().matmul(&weight.to_dtype(x.dtype())?.t()?)?;
    let backward = move |grad: &Tensor| Ok([Some(grad.matmul(&weight.to_dtype(grad.dtype())?)?)]);
    Ok(node1("linear", x, &y, Box::new(backward))?)
}
