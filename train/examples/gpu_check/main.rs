//! What `scripts/gpu_check.sh` asks of this program: each part prints one JSON object.
//!
//! ```text
//! gpu_check PART [--device cuda|cpu] [--tiny] [--checkpointing] [--composed]
//! ```
//! | part | what |
//! |---|---|
//! | `golden` | predictions and gradients of the golden networks, against diffusers' and the CPU's |
//! | `audit` | a step of an adapter: which tensors got a gradient |
//! | `ops` | milliseconds of single operations, forward and backward |
//! | `sd15`, `sdxl` | training steps of an adapter through a base of this shape with random weights, by phases |
//! | `vae` | steps of the body-VAE, in views/s |
//! | `picture` | a picture of 20 steps |
//!
//! `--tiny` takes shapes that a CPU does in seconds: whether all of it runs. `--composed` does without the
//! kernels for the CPU.

mod body;
mod golden;
mod ops;
mod picture;
mod steps;

use std::env;
use std::time::Instant;

use candle_core::{DType, Device};
use serde_json::{Value, json};
use train::device::{DeviceChoice, compute_type};

/// What any part may fail with.
pub type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Where and how large.
pub struct Setting {
    /// Where.
    pub device: Device,
    /// The type that networks compute in.
    pub compute: DType,
    /// Whether shapes are such that a CPU does them in seconds.
    pub is_tiny: bool,
    /// Whether activations are computed again in the backward pass.
    pub checkpointing: bool,
}

impl Setting {
    /// Milliseconds of each of `rounds` of `work`, sorted, after one that warms up. A GPU is waited for after each.
    pub fn milliseconds(&self, rounds: usize, mut work: impl FnMut() -> Outcome<()>) -> Outcome<Vec<f64>> {
        work()?;
        self.device.synchronize()?;
        let mut found = Vec::with_capacity(rounds);
        for _ in 0..rounds {
            let start = Instant::now();
            work()?;
            self.device.synchronize()?;
            found.push(1e3 * start.elapsed().as_secs_f64());
        }
        found.sort_by(f64::total_cmp);
        Ok(found)
    }
}

fn main() -> Outcome<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let after = |flag: &str| {
        let at = arguments.iter().position(|argument| argument == flag)?;
        arguments.get(at + 1).map(String::as_str)
    };
    let device = after("--device").unwrap_or("auto").parse::<DeviceChoice>()?.open()?;
    let compute = if device.is_cpu() { DType::F32 } else { compute_type(&device) };
    let setting = Setting { compute, is_tiny: has("--tiny"), checkpointing: has("--checkpointing"), device };
    let part = arguments.first().map_or("", String::as_str);
    let run = || match part {
        "golden" => golden::compare(&setting),
        "audit" => golden::audited(&setting),
        "ops" => ops::table(&setting),
        "sd15" | "sdxl" => steps::measure(&setting, part),
        "vae" => body::measure(&setting),
        "picture" => picture::measure(&setting),
        other => Err(format!("`{other}` is no part; see the head of this file").into()),
    };
    let found = if has("--composed") { train::grad::composed_only(run)? } else { run()? };
    let head = json!({
        "part": part,
        "device": train::device::name(&setting.device),
        "compute": setting.compute.as_str(),
        "tiny": setting.is_tiny,
    });
    println!("{}", merged(head, found));
    Ok(())
}

fn merged(mut head: Value, rest: Value) -> Value {
    if let (Some(head), Value::Object(rest)) = (head.as_object_mut(), rest) {
        head.extend(rest);
    }
    head
}
