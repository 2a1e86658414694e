//! Training from snapshots.
