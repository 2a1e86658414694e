//! `config.json` and `scheduler_config.json` of checkpoints: see `properties/configuration.rs`.
#![no_main]

use bolid_fuzz::memory;
use libfuzzer_sys::fuzz_target;

#[path = "../properties/configuration.rs"]
mod configuration;

fuzz_target!(|bytes: &[u8]| {
    // A schedule has 100,000 timesteps at most, each of some numbers.
    let most_bytes = (64 << 20) + 2000 * bytes.len();
    memory::within(most_bytes, || configuration::check(bytes));
});
