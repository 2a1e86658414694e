//! Profiles of sites: see `properties/profile.rs`.
#![no_main]

use bolid_fuzz::memory;
use libfuzzer_sys::fuzz_target;

#[path = "../properties/profile.rs"]
mod profile;

fuzz_target!(|bytes: &[u8]| {
    // Patterns and selectors are compiled: a pattern may take 10 MB, and says so where it would take more.
    let most_bytes = (64 << 20) + 100_000 * bytes.len();
    memory::within(most_bytes, || profile::check(bytes));
});
