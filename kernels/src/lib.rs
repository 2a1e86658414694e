//! Operations of training that are one pass on a GPU, where Candle's own operators would pass over memory several times
//! or hold what is large: forward and backward, in f32 and bf16.
//!
//! The kernels are in `cuda/`, a file per operation, in what C and CUDA C++ have in common. Each says which
//! file of `train` is its twin on the CPU. Grids and arguments are made here, in safe Rust, and are the same
//! wherever a kernel runs.
//!
//! | file | what |
//! |---|---|
//! | [`attention`] | softmax(q·kᵀ·scale)·v, whose scores are never in memory |
//! | [`group_norm`] | group normalisation, and SiLU after it |
//! | [`layer_norm`] | layer normalisation |
//! | [`geglu`] | gated GELU |
//! | [`adamw`] | AdamW's step of all parameters in one launch |
//! | `launch` | [`Launch`]: a kernel, its grid, its arguments |
//! | `variant` | what the files of `cuda/` are compiled as |
//! | `error` | [`Error`]: why there is no kernel for something |
//! | `cuda` | with the feature `cuda`: the operations on Candle's tensors |
//! | `host` | with the feature `host`: the kernels run on the host, for tests |
//!
//! | file of `cuda/` | what |
//! |---|---|
//! | `block.h` | what a kernel asks of the machine: threads, barriers, lanes, matrix units; for GPUs |
//! | `../host/run.h`, `run.c` | the same for the host, where threads of a block take turns |
//! | `../host/wrong.c` | kernels with faults, which the host must see |
//!
//! `unsafe` is in `cuda` and `host` alone.

pub mod adamw;
pub mod attention;
#[cfg(feature = "cuda")]
pub mod cuda;
mod error;
pub mod geglu;
pub mod group_norm;
#[cfg(feature = "host")]
pub mod host;
mod launch;
pub mod layer_norm;
#[allow(dead_code, reason = "the build script uses the rest")]
mod variant;

pub use error::{Error, Result};
pub use launch::{Element, Launch};
