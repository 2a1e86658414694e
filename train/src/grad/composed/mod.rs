//! The same functions composed of Candle's differentiable operators: what runs on a device that has no
//! kernels of its own yet, and the reference the kernels are compared with. Shapes are checked by the
//! functions of [`grad`](crate::grad).

mod activation;
mod attention;
mod conv;
mod evidence;
mod layer;
mod linear;
mod node;
mod norm;
mod places;
mod pool;
mod softmax;
mod transpose;
mod upsample;
mod wide;

pub use activation::{exp_within, geglu, gelu, silu};
pub use attention::{attention, attention_heads};
pub use conv::conv2d;
pub(super) use conv::convolve;
pub use evidence::evidence;
pub use layer::{attention_layer, cross_attention_layer};
pub use linear::linear;
pub use norm::{group_norm, group_norm_silu, layer_norm};
pub use places::{assemble, linear_by_place, linear_of_spans, weighted_sum};
pub use pool::pool_bytes;
pub use softmax::softmax;
pub use transpose::transpose;
pub use upsample::upsample_nearest2x;
