//! The operations on the CPU: kernels on plain slices, shared among rayon's threads, vectorised for the
//! machine they run on.
//!
//! | file | what |
//! |---|---|
//! | `kernel` | what an operation says (result, gradients) and how it becomes a node of Candle's graph |
//! | `nary` | the same for any number of tensors |
//! | `layer` | a layer of a transformer |
//! | `real` | f32 and f64: exp, erf, dispatch to vector instructions |
//! | `gemm` | matrix products on checked views |
//! | `reduce` | sums and extremes |
//! | `few` | matrix products of few rows |
//! | `scratch` | working memory used again |
//! | `weight` | frozen weights in any float type |
//! | `softmax`, `norm`, `activation`, `attention`, `linear`, `transpose`, `upsample` | the operations of these names |
//! | `places`, `spans`, `assemble`, `evidence`, `pool` | likewise |
//! | `conv` | convolution and its gradients, by the ways below |
//! | `columns` | windows as columns, one matrix product |
//! | `taps` | the gradient of a convolution's weight at stride 1 |
//! | `winograd`, `tile` | minimal filtering of 3×3 |
//! | `weight_cache` | frozen weights transformed for it, kept from step to step |

pub(super) mod activation;
pub(super) mod assemble;
pub(super) mod attention;
mod columns;
pub(super) mod conv;
pub(super) mod evidence;
mod few;
mod gemm;
pub(super) mod kernel;
pub(super) mod layer;
pub(super) mod linear;
pub(super) mod nary;
pub(super) mod norm;
pub(super) mod places;
pub(super) mod pool;
pub(super) mod real;
mod reduce;
mod scratch;
pub(super) mod softmax;
pub(super) mod spans;
mod taps;
mod tile;
pub(super) mod transpose;
pub(super) mod upsample;
mod weight;
pub(super) mod weight_cache;
mod winograd;
