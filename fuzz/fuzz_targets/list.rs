//! Lists of photos: CSV, TSV, JSONL, plain text: see `properties/list.rs`.
#![no_main]

use bolid_fuzz::memory;
use libfuzzer_sys::fuzz_target;

#[path = "../properties/list.rs"]
mod list;

fuzz_target!(|bytes: &[u8]| {
    // A line of two bytes may become an entry of some 200.
    let most_bytes = (4 << 20) + 2000 * bytes.len();
    memory::within(most_bytes, || list::check(bytes));
});
