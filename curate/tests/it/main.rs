//! All integration tests of this crate are one binary: every further one would link the whole crate again.

mod cascade;
mod colours;
mod decode;
mod demand;
mod embedding;
mod jpeg_matrix;
mod judge;
mod models;
mod prepare;
mod purity;
mod support;
