//! Training from snapshots.

pub mod adamw;
pub mod batches;
pub mod diffusion;
pub mod error;
pub mod grad;
pub mod learning_rate;
mod schedule;

pub use error::{Error, Result};
