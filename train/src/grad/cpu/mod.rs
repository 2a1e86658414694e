//! The operations on the CPU: kernels on plain slices, shared among rayon's threads, vectorised for the machine they run on.
//!
//! | file | what |
//! |---|---|
//! | `kernel` | what an operation says (result, gradients) and how it becomes a node of Candle's graph |
//! | `real` | f32 and f64: exp, erf, dispatch to vector instructions |
//! | `gemm` | matrix products on checked views |
//! | `reduce` | sums and extremes |
//! | `scratch` | working memory used again |
//! | `weight` | frozen weights in any float type |
//! | `softmax`, `norm`, `activation`, `attention`, `linear`, `transpose`, `upsample` | the operations of these names |
//! | `conv` | convolution, by one of the two ways below |
//! | `columns` | windows as columns, one matrix product |
//! | `winograd`, `tile` | minimal filtering of 3×3 |

pub(super) mod activation;
pub(super) mod attention;
mod columns;
pub(super) mod conv;
mod gemm;
pub(super) mod kernel;
pub(super) mod linear;
pub(super) mod norm;
mod real;
mod reduce;
mod scratch;
pub(super) mod softmax;
mod tile;
pub(super) mod transpose;
pub(super) mod upsample;
mod weight;
mod winograd;
