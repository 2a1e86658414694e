//! `tokenizer.json`, or `vocab.json` and `merges.txt`: see `properties/tokenizer.rs`.
#![no_main]

use bolid_fuzz::{memory, panics};
use libfuzzer_sys::fuzz_target;

#[path = "../properties/scratch.rs"]
mod scratch;
#[path = "../properties/tokenizer.rs"]
mod tokenizer;

fuzz_target!(init: panics::may_be_contained(), |bytes: &[u8]| {
    // A vocabulary is kept in several forms.
    let most_bytes = (64 << 20) + 10_000 * bytes.len();
    memory::within(most_bytes, || tokenizer::check(bytes));
});
