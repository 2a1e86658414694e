use super::node::{node1, node3};
use super::wide::widened;
use crate::error::Result;
use candle_core::Tensor;

/// See [`grad::linear`](crate::grad::linear).
pub fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let (o, i) = weight.dims2()?;
    let mut dims = x.dims().to_vec();
    dims[x.dims().len() - 1] = o;
    let flat = x.reshape((x.elem_count() / i, i))?;
    // Laid out once: both passes read it.
    let rows = flat.detach().contiguous()?;
    let w = weight.detach().to_dtype(x.dtype())?.contiguous()?;
    let y = rows.matmul(&w.t()?)?;
    let y = match bias {
        Some(bias) => y.broadcast_add(&bias.detach().to_dtype(y.dtype())?)?,
        None => y,
    };
    let y = match bias {
        None if !weight.track_op() => of_frozen(&flat, w, &y)?,
        Some(bias) if !weight.track_op() && !bias.track_op() => of_frozen(&flat, w, &y)?,
        _ => {
            // Without a bias, an empty tensor takes its place among the arguments.
            let bias = bias.cloned().map_or_else(|| Tensor::zeros(1, x.dtype(), x.device()), Ok)?;
            let wanted = [flat.track_op(), weight.track_op(), bias.track_op()];
            let backward = move |grad: &Tensor| backpropagate(grad, &w, &rows, wanted);
            node3("linear", [&flat, weight, &bias], &y, Box::new(backward))?
        }
    };
    Ok(y.reshape(dims)?)
}

fn backpropagate(
    grad: &Tensor,
    w: &Tensor,
    rows: &Tensor,
    wanted: [bool; 3],
) -> candle_core::Result<[Option<Tensor>; 3]> {
    Ok([
        wanted[0].then(|| grad.matmul(w)).transpose()?,
        wanted[1].then(|| grad.t()?.matmul(rows)).transpose()?,
        wanted[2].then(|| widened(grad)?.sum(0)).transpose()?,
    ])
}

fn of_frozen(flat: &Tensor, weight: Tensor, y: &Tensor) -> Result<Tensor> {
    let backward = move |grad: &Tensor| Ok([Some(grad.matmul(&weight)?)]);
    Ok(node1("linear", flat, y, Box::new(backward))?)
}
