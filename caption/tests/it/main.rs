//! All integration tests of this crate are one binary: every further one would link the whole crate again.

mod corpus;
