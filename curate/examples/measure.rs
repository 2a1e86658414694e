//! Prints what the models see in photos, one JSON object per line:
//! `cargo run --release -p curate --example measure -- models.toml PHOTO...`
//! ONNX Runtime is found by ORT_DYLIB_PATH, otherwise at .cache/onnxruntime/libonnxruntime.so.

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use curate::{Detectors, Device, ModelChoice, Registry, Runtime};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let registry = arguments.next().ok_or("usage: measure models.toml PHOTO...")?;
    let runtime = Runtime::load(Path::new(".cache/onnxruntime/libonnxruntime.so"))?;
    let detectors = Detectors::load(
        &Registry::read(Path::new(&registry))?,
        &ModelChoice::default(),
        &runtime,
        Device::Cpu,
    )?;
    let start = Instant::now();
    let photos: Vec<String> = arguments.collect();
    let read = photos.iter().filter_map(|path| match std::fs::read(path) {
        Ok(bytes) => Some((path, bytes)),
        Err(error) => {
            eprintln!("cannot read `{path}`: {error}");
            None
        }
    });
    detectors.measure_each(read, |path, measured| match measured {
        Ok(measured) => println!("{}", serde_json::json!({ "file": path, "measured": measured })),
        Err(error) => println!("{}", serde_json::json!({ "file": path, "error": error.to_string() })),
    });
    let seconds = start.elapsed().as_secs_f64();
    eprintln!("{} photos in {seconds:.1} s, {:.2} photos/s", photos.len(), photos.len() as f64 / seconds);
    Ok(())
}
