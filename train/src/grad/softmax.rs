//! Softmax over the last dimension.

use super::composed;
use super::cpu::kernel::{apply1, takes};
use super::cpu::softmax::Softmax;
use crate::error::Result;
use candle_core::Tensor;

/// Softmax over the last dimension, any rank.
pub fn softmax(x: &Tensor) -> Result<Tensor> {
    if takes(&[x]) { Ok(apply1(Softmax, x)?) } else { composed::softmax(x) }
}
