//! All integration tests of this crate are one binary: every further one would link the whole crate again.

mod card;
mod common;
mod compressed;
mod corpus;
mod diff;
mod export;
#[path = "../../../curate/tests/it/layout.rs"]
mod layout;
mod readers;
mod verify;
mod write_and_read;
