//! Training from snapshots.

pub mod diffusion;
pub mod error;
pub mod grad;

pub use error::{Error, Result};
