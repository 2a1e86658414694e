//! The immutable dataset format: write, read, verify.
