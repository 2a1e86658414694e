//! Manifests of snapshots: see `properties/manifest.rs`.
#![no_main]

use bolid_fuzz::memory;
use libfuzzer_sys::fuzz_target;

#[path = "../properties/manifest.rs"]
mod manifest;

fuzz_target!(|bytes: &[u8]| {
    // JSON values take some hundred bytes for a few of text.
    let most_bytes = (1 << 20) + 2000 * bytes.len();
    memory::within(most_bytes, || manifest::check(bytes));
});
