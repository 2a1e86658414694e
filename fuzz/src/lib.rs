//! What the fuzz targets share.
//!
//! | module | what |
//! |---|---|
//! | [`memory`] | how many bytes a check holds at once |
//! | [`panics`] | panics that the program contains |

pub mod memory;
pub mod panics;
