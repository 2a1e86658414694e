//! Seconds per picture and peak memory, ours and diffusers' in turn, with the same weights, two streams, prompt, steps,
//! guidance and number of threads: `make bench`, or
//!
//!     cargo run --release -p train --example picture_speed -- PYTHON FOLDER BASE
//!
//! BASE is the demo base; beside it, random weights of SD 1.5's shape are written into FOLDER (4 GB). PYTHON has torch,
//! diffusers and transformers. Every measurement is a process of its own, so that its peak memory is its own as well.

mod beside;

use std::env;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use candle_core::Device;
use serde_json::{Value, json};
use train::adapter::Lambdas;
use train::adapter::pipeline::PictureSpec;
use train::device::CANDLE_SPINS;
use train::diffusion::sampling::Sampling;
use train::diffusion::scheduler::SamplerKind;
use train::generate::models::{ModelFiles, Models};

use beside::{Outcome, output, peak_gib, row};

/// As in picture_speed.py.
const PROMPT: &str = "a photo of a woman";
const LAMBDAS: Lambdas = Lambdas { reference: 0.7, body: 0.4 };
const GUIDANCE: f64 = 4.0;

/// What is drawn how often.
struct Case<'a> {
    title: &'a str,
    base: &'a str,
    steps: usize,
    side_px: usize,
    rounds: usize,
}

fn main() -> Outcome<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["measure", folder, base, rounds, steps, side_px] => {
            let found = measure(Path::new(folder), base, rounds.parse()?, steps.parse()?, side_px.parse()?)?;
            println!("{found}");
            Ok(())
        }
        [python, folder, base] => compare(python, Path::new(folder), base),
        _ => Err("usage: picture_speed PYTHON FOLDER BASE".into()),
    }
}

fn compare(python: &str, folder: &Path, demo_base: &str) -> Outcome<()> {
    let threads = rayon::current_num_threads();
    println!("A picture with two streams and guidance, {threads} threads, f32; the fastest of several");
    let shape = folder.join("sd15-base");
    let shape = shape.to_str().ok_or("a folder with a plain name")?;
    let demo =
        Case { title: "demo base, 64 px, 25 steps", base: demo_base, steps: 25, side_px: 64, rounds: 5 };
    let sd15 =
        Case { title: "shape of SD 1.5, 256 px, 4 steps", base: shape, steps: 4, side_px: 256, rounds: 1 };
    for (name, case) in [("demo", demo), ("sd15", sd15)] {
        let folder = folder.join(name);
        let folder = folder.to_str().ok_or("a folder with a plain name")?;
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/picture_speed.py");
        let run_python = |arguments: &[&str]| -> Outcome<String> {
            output(Command::new(python).arg("-B").arg(&script).args(arguments))
        };
        if !Path::new(folder).join("embeddings.safetensors").exists() {
            run_python(&["make", folder, case.base])?;
        }
        let (steps, side) = (case.steps.to_string(), case.side_px.to_string());
        let rounds = case.rounds.to_string();
        println!("{}", case.title);
        let theirs = ["measure", folder, case.base, &threads.to_string(), &rounds, &steps, &side];
        let theirs: Value = serde_json::from_str(run_python(&theirs)?.lines().last().unwrap_or_default())?;
        row(&format!("diffusers {}", theirs["version"].as_str().unwrap_or_default()), &theirs, None);
        let mut ours = Command::new(env::current_exe()?);
        ours.args(["measure", folder, case.base, &rounds, &steps, &side]);
        ours.env(CANDLE_SPINS[0], CANDLE_SPINS[1]); // as `bolid` sets it for itself
        row("bolid", &serde_json::from_str(&output(&mut ours)?)?, Some(&theirs));
    }
    Ok(())
}

fn measure(folder: &Path, base: &str, rounds: usize, steps: usize, side_px: usize) -> Outcome<Value> {
    let models = Models::load(
        ModelFiles {
            base_name: base.to_owned(),
            base: base.into(),
            unet: None,
            loras: Vec::new(),
            adapter: Some(folder.join("adapter")),
            image_encoder: None,
        },
        &Device::Cpu,
    )?;
    let embeddings = candle_core::safetensors::load(folder.join("embeddings.safetensors"), &Device::Cpu)?;
    let of = |name: &str| embeddings[name].flatten_all()?.to_vec1::<f32>();
    let sampling = Sampling { kind: SamplerKind::DpmSolver, steps, guidance: GUIDANCE };
    let pipeline = models.pipeline(models.scheduler(), sampling, (side_px, side_px));
    let mut fastest = f64::INFINITY;
    for round in 0..=rounds {
        let start = Instant::now();
        let spec = PictureSpec {
            text: models.text(PROMPT)?,
            negative: models.negative("")?,
            c_body: Some(of("body")?),
            reference: Some(of("ref")?),
            seed: round as u64,
        };
        pipeline.draw_one(models.adapter(), &spec, LAMBDAS, &mut |_, _, _| Ok(()))?;
        if round > 0 {
            fastest = fastest.min(start.elapsed().as_secs_f64());
        }
    }
    Ok(json!({ "seconds": fastest, "peak_gib": peak_gib() }))
}
