//! ONNX files, as far as they are read here: see `properties/onnx.rs`.
#![no_main]

use bolid_fuzz::memory;
use libfuzzer_sys::fuzz_target;

#[path = "../properties/onnx.rs"]
mod onnx;

fuzz_target!(|bytes: &[u8]| {
    // Each part is at most as long as the whole, and there is one for each level of the head: a level has a node of its own,
    // which has a few bytes. What is looked up in the graph is made once for the level at hand.
    let most_bytes = (1 << 20) + 2000 * bytes.len() + bytes.len() * bytes.len();
    memory::within(most_bytes, || onnx::check(bytes));
});
