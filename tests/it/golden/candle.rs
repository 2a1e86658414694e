//! Between the tensors of a case and candle's.

use candle_core::{DType, Device};

use super::case::{Case, Tensor, Tolerance};

pub fn candle(tensor: &Tensor) -> candle_core::Tensor {
    candle_core::Tensor::from_slice(&tensor.values, &tensor.shape[..], &Device::Cpu)
        .expect("shape fits the values")
}

pub fn values(tensor: &candle_core::Tensor) -> Vec<f32> {
    let flat = tensor.to_dtype(DType::F32).and_then(|t| t.flatten_all());
    flat.and_then(|t| t.to_vec1()).expect("values of a tensor")
}

/// Compares a result with the output of the same name, shape and values.
#[track_caller]
pub fn check(case: &Case, tolerance: Tolerance, name: &str, found: &candle_core::Tensor) {
    let expected = case.output(name);
    assert_eq!(found.dims(), expected.shape, "{name}");
    let found = values(found);
    let worst = found.iter().zip(&expected.values).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    println!("{name}: largest difference {worst:.2e}, {tolerance:?}");
    tolerance.check(name, &found, &expected.values);
}
