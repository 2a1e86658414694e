//! All integration tests of this crate are one binary: every further one would link the whole crate again.

mod cascade;
mod colours;
mod corpus;
mod decode;
mod embedding;
mod identity_check;
mod jpeg_matrix;
mod judge;
mod jxl;
mod layout;
mod models;
mod prepare;
mod schedule;
mod support;
