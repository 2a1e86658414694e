//! Differentiable building blocks for training through a frozen network.
//!
//! Candle's fused operators either cut the gradient without saying so (`softmax_last_dim`, fused layer norms, `sdpa`) or compute and keep
//! weight gradients nobody asked for. Here, every function has a gradient, and a weight that is
//! no [`candle_core::Var`] (nor descends from one) costs nothing in the backward pass.
//!
//! | file | functions |
//! |---|---|
//! | `activation` | [`silu`], [`gelu`], [`geglu`] |
//! | `softmax` | [`softmax`] |
//! | `norm` | [`layer_norm`], [`group_norm`], [`group_norm_silu`] |
//! | `attention` | [`attention`], [`attention_heads`] |
//! | `linear` | [`linear`] |
//! | `conv` | [`conv2d`] |
//! | `upsample` | [`upsample_nearest2x`] |
//! | `node` | an operation made of a ready result and a backward closure |
//!
//! For now every function is composed of Candle's own differentiable operators, on any device. Kernels of their own for the CPU, and an
//! attention that keeps no n×m matrix, can take their place without a change of signature.

mod activation;
mod attention;
mod conv;
mod linear;
mod node;
mod norm;
mod softmax;
mod upsample;

pub use activation::{geglu, gelu, silu};
pub use attention::{attention, attention_heads};
pub use conv::conv2d;
pub use linear::linear;
pub use norm::{group_norm, group_norm_silu, layer_norm};
pub use softmax::softmax;
pub use upsample::upsample_nearest2x;

use crate::error::Error;
use candle_core::Tensor;

/// Refuses `tensor` by name where its shape is not as an operation needs it.
fn shape_error(op: &'static str, tensor: &str, found: &Tensor, expected: impl Into<String>) -> Error {
    Error::Shape { op, tensor: tensor.to_string(), found: found.shape().clone(), expected: expected.into() }
}
