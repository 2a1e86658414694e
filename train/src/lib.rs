//! Training from snapshots.

pub mod batches;
pub mod diffusion;
pub mod error;
pub mod grad;
mod schedule;

pub use error::{Error, Result};
