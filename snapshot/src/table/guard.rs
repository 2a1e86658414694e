//! Panics of the Parquet library as errors.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use parquet::errors::{ParquetError, Result};

use crate::error::Error;

/// Reads something from a file. The library indexes and unwraps a lot of what a file says of itself, and
/// panics where that is not so: a stranger's list must be refused by name, not end the program. Readers keep
/// no state of ours, so nothing half-changed is seen afterwards.
pub(crate) fn guarded<T>(path: &Path, read: impl FnOnce() -> Result<T>) -> std::result::Result<T, Error> {
    let panicked = |_| Err(ParquetError::General("it is damaged: its reader panicked".to_owned()));
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(panicked).map_err(Error::parquet(path))
}
