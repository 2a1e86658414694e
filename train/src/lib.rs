//! Training from snapshots. What stands so far: the reader, and the frozen diffusion base that an adapter is trained through.
//!
//! | module | what |
//! |---|---|
//! | [`batches`] | seeded, resumable batches of views of one person, from a snapshot |
//! | [`diffusion`] | Stable Diffusion's networks, files, samplers; adapters in the IP-Adapter layout |
//! | [`grad`] | differentiable building blocks |
//! | [`audit`] | one step, and which tensors got a gradient |
//! | [`adamw`], [`learning_rate`] | the optimiser, its moments visible; cosine with warm-up |

pub mod adamw;
pub mod audit;
pub mod batches;
pub mod diffusion;
pub mod error;
pub mod grad;
pub mod learning_rate;
mod schedule;

pub use error::{Error, Result};
