//! Answers of captions' servers, and rules for captions: see `properties/caption.rs`.
#![no_main]

use bolid_fuzz::memory;
use libfuzzer_sys::fuzz_target;

#[path = "../properties/caption.rs"]
mod caption_properties;

fuzz_target!(|bytes: &[u8]| {
    // Each rule keeps the text before and after it; patterns are compiled for each input.
    let most_bytes = (8 << 20) + 1000 * bytes.len();
    memory::within(most_bytes, || caption_properties::check(bytes));
});
