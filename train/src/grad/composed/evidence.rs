use crate::error::Result;
use candle_core::{D, Tensor};

/// See [`grad::evidence`](crate::grad::evidence).
pub fn evidence(a: [&Tensor; 2], b: [&Tensor; 2]) -> Result<Tensor> {
    let pairs =
        |a: &Tensor, b: &Tensor| Ok::<_, crate::Error>(a.unsqueeze(1)?.broadcast_add(&b.unsqueeze(0)?)?);
    let joint = log_partition(&(pairs(a[0], b[0])? - 1.0)?, &pairs(a[1], b[1])?)?;
    let own = log_partition(a[0], a[1])?.unsqueeze(1)?;
    let others = log_partition(b[0], b[1])?.unsqueeze(0)?;
    Ok(joint.broadcast_sub(&own)?.broadcast_sub(&others)?)
}

/// A(h, a) summed over the last dimension.
fn log_partition(precision: &Tensor, shift: &Tensor) -> Result<Tensor> {
    let quadratic = (shift.sqr()? / precision)?;
    Ok((quadratic - precision.log()?)?.sum(D::Minus1)?.affine(0.5, 0.0)?)
}
