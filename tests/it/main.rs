//! All integration tests of this crate are one binary: every further one would link the whole crate again.

mod adapter;
mod anywhere;
mod bad_input;
mod captioning;
mod crawling;
mod dataset;
mod demo_gallery;
mod drawn;
mod dreambooth;
mod erase;
mod evaluate;
mod experiment;
mod export;
mod first_day;
mod generate;
mod golden;
mod identity;
mod interrupted;
mod judge;
#[path = "../../curate/tests/it/layout.rs"]
mod layout;
mod locked;
mod maps;
mod measure;
mod measurements;
mod own_models;
mod planted;
mod review;
mod runs;
#[allow(dead_code, reason = "crawls as a user runs them need a part of it")]
#[path = "../../crawler/tests/it/server/mod.rs"]
mod server;
mod snapshots;
mod support;
mod together;
mod training;
mod watching;
mod wrong_usage;
