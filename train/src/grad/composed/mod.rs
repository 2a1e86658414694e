//! The same functions composed of Candle's differentiable operators: what runs on a device that has no kernels of its own
//! yet, and the reference the kernels are compared with. Shapes are checked by the functions of [`grad`](crate::grad).

mod activation;
mod attention;
mod conv;
mod linear;
mod node;
mod norm;
mod softmax;
mod transpose;
mod upsample;

pub use activation::{geglu, gelu, silu};
pub use attention::{attention, attention_heads};
pub use conv::conv2d;
pub use linear::linear;
pub use norm::{group_norm, group_norm_silu, layer_norm};
pub use softmax::softmax;
pub use transpose::transpose;
pub use upsample::upsample_nearest2x;
