//! safetensors: models, adapters, LoRAs, embeddings, shards: see `properties/safetensors.rs`.
#![no_main]

use bolid_fuzz::memory;
use libfuzzer_sys::fuzz_target;

#[path = "../properties/safetensors.rs"]
mod safetensors;
#[path = "../properties/scratch.rs"]
mod scratch;

fuzz_target!(|bytes: &[u8]| {
    // Tensors lie beside each other, so that all of them are no longer than the file.
    let most_bytes = (1 << 20) + 2000 * bytes.len();
    memory::within(most_bytes, || safetensors::check(bytes));
});
