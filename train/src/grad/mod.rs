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
//! | `transpose` | [`transpose`] |
//! | `upsample` | [`upsample_nearest2x`] |
//! | `checkpoint` | [`checkpoint`]: a part of a network that is run again in the backward pass instead of kept |
//! | `cpu` | the kernels for the CPU, f32 and f64 |
//! | [`composed`] | the same functions of Candle's own operators: for other devices, and as the reference |
//!
//! Each function checks its arguments and then takes the kernel of the device. Kernels for a GPU stand beside `cpu` when they come.

mod activation;
mod attention;
mod checkpoint;
pub mod composed;
mod conv;
mod cpu;
mod linear;
mod norm;
mod softmax;
mod transpose;
mod upsample;

pub use activation::{geglu, gelu, silu};
pub use attention::{attention, attention_heads};
pub use checkpoint::checkpoint;
pub use conv::conv2d;
pub use linear::linear;
pub use norm::{group_norm, group_norm_silu, layer_norm};
pub use softmax::softmax;
pub use transpose::transpose;
pub use upsample::upsample_nearest2x;

use crate::error::Error;
use candle_core::Tensor;

/// Refuses `tensor` by name where its shape is not as an operation needs it.
fn shape_error(op: &'static str, tensor: &str, found: &Tensor, expected: impl Into<String>) -> Error {
    Error::Shape { op, tensor: tensor.to_string(), found: found.shape().clone(), expected: expected.into() }
}
