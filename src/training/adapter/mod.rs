//! The body adapter: its cache, its pose probe, its training, its files.
//!
//! | module | what |
//! |---|---|
//! | [`config`] | what the three commands are made of |
//! | [`inputs`] | snapshot, people, captions, base: what all three begin with |
//! | [`cache`] | `bolid train cache` |
//! | [`probe`] | `bolid train pose-probe` |
//! | [`fit`] | `bolid train adapter` |
//! | [`export`] | `bolid export adapter` |
//! | [`card`] | the model card of an export |

/// The folder of caches in the work folder.
pub const CACHES: &str = "cache";

pub mod cache;
mod card;
pub mod config;
pub mod export;
pub mod fit;
mod inputs;
pub mod probe;
