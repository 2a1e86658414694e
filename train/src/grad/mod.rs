//! Differentiable building blocks for training through a frozen network.
//!
//! Some of Candle's fused operators cut the gradient silently (`softmax_last_dim`, fused layer norms,
//! `sdpa`), others compute weight gradients that nobody asked for. Here every function has a gradient, and a
//! frozen weight (no [`candle_core::Var`], nor computed from one) costs nothing in the backward pass.
//!
//! ```
//! use candle_core::{Device, Tensor, Var};
//! use train::grad;
//!
//! let x = Var::new(&[[1f32, 2.0, 3.0]], &Device::Cpu)?;
//! let weight = Tensor::new(&[[0.5f32, -1.0, 0.25]], &Device::Cpu)?; // frozen: no variable
//! let y = grad::silu(&grad::linear(&x, &weight, None)?)?;
//! let gradients = grad::backward(&y.sum_all()?)?;
//! assert!(gradients.get(&x).is_some()); // through the frozen layer to its input
//! assert!(gradients.get(&weight).is_none()); // for which no gradient of the weight was computed
//! # Ok::<(), train::Error>(())
//! ```
//!
//! | file | functions |
//! |---|---|
//! | `activation` | [`silu`], [`gelu`], [`geglu`], [`exp_within`] |
//! | `softmax` | [`softmax`] |
//! | `norm` | [`layer_norm`], [`group_norm`], [`group_norm_silu`] |
//! | `attention` | [`attention`], [`attention_heads`] |
//! | `linear` | [`linear`] |
//! | `layer` | [`attention_layer`], [`cross_attention_layer`] |
//! | `conv` | [`conv2d`] |
//! | `transpose` | [`transpose`] |
//! | `places` | [`linear_by_place`], [`linear_of_spans`], [`weighted_sum`], [`assemble`] |
//! | `evidence` | [`evidence`] |
//! | `pool` | [`pool_bytes`] |
//! | `upsample` | [`upsample_nearest2x`] |
//! | `backward` | [`backward`]: the backward pass |
//! | `nary` | nodes of more than three arguments |
//! | `held` | a finished result on its way into the graph |
//! | `checkpoint` | [`checkpoint`]: a part of a network that is run again in the backward pass instead of kept |
//! | `cpu` | the kernels for the CPU, f32 and f64 |
//! | `card` | the kernels for GPUs, where this is built with them: of the crate `kernels`, f32 and bf16 |
//! | `choice` | whether a device has kernels, and [`composed_only`], which does without |
//! | [`composed`] | the same functions of Candle's own operators: for other devices, and as the reference |
//!
//! Each function checks its arguments and then takes the kernel of the device.

mod activation;
mod attention;
mod backward;
mod card;
mod checkpoint;
mod choice;
pub mod composed;
mod conv;
mod cpu;
mod evidence;
mod held;
mod layer;
mod linear;
mod nary;
mod norm;
mod places;
mod pool;
mod softmax;
mod transpose;
mod upsample;

pub use activation::{exp_within, geglu, gelu, silu};
pub use attention::{attention, attention_heads};
pub use backward::{backward, in_pool};
pub use checkpoint::checkpoint;
pub use choice::composed_only;
pub(crate) use choice::has_kernels;
#[cfg(feature = "cuda")]
pub(crate) use choice::is_composed_only;
pub use conv::{conv2d, conv2d_cached};
pub(crate) use cpu::real::{Loop, simd};
pub use cpu::weight_cache::WeightCache;
pub use evidence::evidence;
pub use layer::{LayerWeights, attention_layer, cross_attention_layer};
pub use linear::linear;
pub use norm::{group_norm, group_norm_silu, layer_norm};
pub use places::{assemble, linear_by_place, linear_of_spans, weighted_sum};
pub use pool::pool_bytes;
pub use softmax::softmax;
pub use transpose::transpose;
pub use upsample::upsample_nearest2x;

use crate::error::Error;
use candle_core::Tensor;

/// Refuses `tensor` by name where its shape is not as an operation needs it.
fn shape_error(op: &'static str, tensor: &str, found: &Tensor, expected: impl Into<String>) -> Error {
    Error::Shape { op, tensor: tensor.to_string(), found: found.shape().clone(), expected: expected.into() }
}
