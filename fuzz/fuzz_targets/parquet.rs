//! Parquet: lists of photos, measurements: see `properties/parquet.rs`.
#![no_main]

use bolid_fuzz::{memory, panics};
use libfuzzer_sys::fuzz_target;

#[path = "../properties/parquet.rs"]
mod parquet;
#[path = "../properties/scratch.rs"]
mod scratch;

fuzz_target!(init: panics::may_be_contained(), |bytes: &[u8]| {
    // Pages are packed: a few bytes may become a thousand times as many.
    let most_bytes = (256 << 20) + 1100 * bytes.len();
    memory::within(most_bytes, || parquet::check(bytes));
});
