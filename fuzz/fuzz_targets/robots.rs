//! robots.txt, `Retry-After`, `X-Robots-Tag`: see `properties/robots.rs`.
#![no_main]

use bolid_fuzz::memory;
use libfuzzer_sys::fuzz_target;

#[path = "../properties/robots.rs"]
mod robots;

fuzz_target!(|bytes: &[u8]| {
    // Rules hold a copy of their lines and what stands for them; nothing grows faster than the text.
    let most_bytes = (1 << 20) + 2000 * bytes.len();
    memory::within(most_bytes, || robots::check(bytes));
});
