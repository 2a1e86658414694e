//! JPEG with its markers, scans, EXIF and profiles, JPEG XL, PNG, WebP, GIF, BMP, TIFF: see `properties/decoding.rs`.
#![no_main]

use bolid_fuzz::{memory, panics};
use libfuzzer_sys::fuzz_target;

#[path = "../properties/decoding.rs"]
mod decoding;
#[path = "../properties/sniff.rs"]
mod sniff;

fuzz_target!(init: panics::may_be_contained(), |bytes: &[u8]| {
    // What the header promises, and as much again: for an animation's canvas, for colours on their way to sRGB. A file of
    // few bytes may hold a profile or pixels that unpack to a thousand times as many.
    let most_bytes = (128 << 20) + 1100 * bytes.len();
    memory::within(most_bytes, || {
        decoding::check(bytes);
        sniff::check(bytes);
    });
});
