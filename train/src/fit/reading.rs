//! Scalars read back from the device. Reading one from a GPU waits until its queue is empty, so those of a
//! batch are read together, once.

use candle_core::{DType, Tensor};
use rayon::prelude::*;

use super::fused::squared_norm;
use crate::error::{Error, Result};
use crate::grad::{has_kernels, in_pool};

/// Single numbers, in order.
pub(super) fn read(numbers: &[&Tensor]) -> Result<Vec<f64>> {
    let numbers = numbers.iter().map(|number| single(number)).collect::<Result<Vec<Tensor>>>()?;
    match numbers.first() {
        Some(first) if !has_kernels(first.device()) => {
            let values: Vec<f32> = Tensor::stack(&numbers, 0)?.to_vec1()?;
            Ok(values.into_iter().map(f64::from).collect())
        }
        _ => numbers.iter().map(|number| Ok(f64::from(number.to_scalar::<f32>()?))).collect(),
    }
}

fn single(tensor: &Tensor) -> Result<Tensor> {
    if tensor.elem_count() != 1 {
        return Err(Error::Shape {
            op: "reading a loss",
            tensor: "loss".to_owned(),
            found: tensor.shape().clone(),
            expected: "one number".to_owned(),
        });
    }
    Ok(tensor.reshape(())?.to_dtype(DType::F32)?)
}

/// The sum of the squares of all `tensors`, to be [read](read) with others; `None` on the CPU, where
/// [`squared_norm`] sums in f64.
pub(super) fn sum_of_squares(tensors: &[&Tensor]) -> Result<Option<Tensor>> {
    if tensors.first().is_none_or(|first| has_kernels(first.device())) {
        return Ok(None);
    }
    // In f32, which every device has; the CPU sums in f64. Each tensor to a number of its own first, so that
    // millions of parameters cost a few of f32's 7 digits at the most: norms of a GPU and of the CPU differ
    // in the last ones.
    let squares = tensors.iter().map(|tensor| Ok(tensor.to_dtype(DType::F32)?.sqr()?.sum_all()?));
    Ok(Some(Tensor::stack(&squares.collect::<Result<Vec<_>>>()?, 0)?.sum_all()?))
}

/// The norm over all `tensors`.
pub(super) fn norm(tensors: &[&Tensor]) -> Result<f64> {
    if let Some(sum) = sum_of_squares(tensors)? {
        return Ok(read(&[&sum])?[0].sqrt());
    }
    // Added in the order of the tensors, whichever thread has summed each.
    let sums =
        in_pool(|| tensors.par_iter().map(|tensor| squared_norm(tensor)).collect::<Result<Vec<f64>>>())?;
    Ok(sums.iter().sum::<f64>().sqrt())
}
