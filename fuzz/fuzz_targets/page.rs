//! Pages: charset, HTML, JSON, JSON in a script, `srcset`, links: see `properties/page.rs`.
#![no_main]

use bolid_fuzz::memory;
use libfuzzer_sys::fuzz_target;

#[path = "../properties/page.rs"]
mod page;

fuzz_target!(|bytes: &[u8]| {
    // Limits of [`crawler`] on nodes: a page may take 150 MB.
    let most_bytes = 400 << 20;
    memory::within(most_bytes, || page::check(bytes));
});
