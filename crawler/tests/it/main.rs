//! All integration tests of this crate are one binary: every further one would link the whole crate again.

mod again;
mod corpus;
mod crawl;
mod failures;
mod galleries;
mod people;
mod server;
mod simulate;
mod software;
mod strangers;
