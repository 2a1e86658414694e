//! Seconds of a training step of the body-VAE, ours and PyTorch's in turn: `make bench-vae`, or
//!
//!     cargo run --release -p train --example vae_speed -- PYTHON
//!
//! PYTHON has torch. Both sides have the same layers, shapes, losses and optimiser (PyTorch's fused one),
//! random inputs and the same number of threads; the numbers of parameters are compared. A step is forward,
//! backward and the optimiser's, without loading; ours also computes what follows from the joints (pooling
//! weights, heat maps, weights of pixels), which PyTorch is given. Every measurement is a process of its own.

use std::path::Path;
use std::process::Command;
use std::time::Instant;
use std::{env, fs};

use candle_core::{DType, Device, Tensor};
use photo::joints::JOINT_COUNT;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use train::adamw::{AdamW, AdamWConfig};
use train::body::loss::loss;
use train::body::{
    BodyBatch, BodyVae, BodyVaeConfig, Framing, LossSettings, Moved, Pose, Sets, Target, Views,
};
use train::device::CANDLE_SPINS;
use train::parameters::Parameters;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Rounds in turn: a noisy minute should not fall on one side alone.
const TURNS: usize = 4;
/// As in the recipe `train-bench.toml`, without palette and measures.
const PEOPLE: usize = 24;
const VIEWS: usize = 6;
const DRAWN: usize = 2;
const CHANNELS: usize = 32;
const BLOCKS: usize = 0;
const ROUNDS: usize = 12;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["measure"] => {
            println!("{}", measure()?);
            Ok(())
        }
        [python] => compare(python),
        _ => Err("usage: vae_speed PYTHON".into()),
    }
}

fn compare(python: &str) -> Outcome<()> {
    let threads = rayon::current_num_threads();
    println!(
        "a step of the body-VAE: {PEOPLE} people of {VIEWS} views, {DRAWN} drawn, {threads} threads, f32"
    );
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/vae_speed.py");
    let shape = [PEOPLE, VIEWS, DRAWN, CHANNELS, BLOCKS, ROUNDS, threads].map(|number| number.to_string());
    let mut rows = Vec::new();
    for _ in 0..TURNS {
        let theirs: Value = serde_json::from_str(&output(Command::new(python).arg(&script).args(&shape))?)?;
        let mut ours = Command::new(env::current_exe()?);
        // As `bolid` sets it for itself.
        let ours = ours.arg("measure").env(CANDLE_SPINS[0], CANDLE_SPINS[1]);
        let ours: Value = serde_json::from_str(&output(ours)?)?;
        if theirs["parameters"] != ours["parameters"] {
            return Err(format!(
                "two models: {} parameters and {}",
                theirs["parameters"], ours["parameters"]
            )
            .into());
        }
        rows.push((theirs, ours));
    }
    let best = |of: fn(&(Value, Value)) -> &Value, what: &str| {
        rows.iter().filter_map(|row| of(row)[what].as_f64()).fold(f64::INFINITY, f64::min)
    };
    let [theirs, ours] = [best(|row| &row.0, "seconds"), best(|row| &row.1, "seconds")];
    let [their_cpu, our_cpu] = [best(|row| &row.0, "cpu_seconds"), best(|row| &row.1, "cpu_seconds")];
    let version = rows[0].0["version"].as_str().unwrap_or_default();
    println!("  PyTorch {version:<12} {theirs:.3} s a step, {their_cpu:.3} s of CPU time");
    println!("  bolid                {ours:.3} s a step, {our_cpu:.3} s of CPU time");
    println!("  of PyTorch's         {:.2}              {:.2}", ours / theirs, our_cpu / their_cpu);
    Ok(())
}

fn output(command: &mut Command) -> Outcome<String> {
    let output = command.output()?;
    if !output.status.success() {
        return Err(format!("{command:?} failed:\n{}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// The fastest of some steps.
fn measure() -> Outcome<Value> {
    let config = BodyVaeConfig { channels: CHANNELS, blocks: BLOCKS, ..BodyVaeConfig::default() };
    let parameters = Parameters::seeded(1);
    let model = BodyVae::new(&config, &parameters.builder(DType::F32, &Device::Cpu))?;
    let batch = batch(&config)?;
    let named = parameters.named();
    let count: usize = named.iter().map(|(_, var)| var.elem_count()).sum();
    let mut optimiser = AdamW::new(named, AdamWConfig::default())?;
    let mut fastest = f64::INFINITY;
    let before = cpu_seconds()?;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let loss = loss(&model, &batch, &LossSettings::default(), 1000)?;
        optimiser.step(&train::grad::backward(&loss.total)?, 1e-4)?;
        fastest = fastest.min(start.elapsed().as_secs_f64());
    }
    let cpu_seconds = (cpu_seconds()? - before) / ROUNDS as f64;
    Ok(json!({ "seconds": fastest, "cpu_seconds": cpu_seconds, "parameters": count }))
}

/// What all threads of this process have computed for so far. On a machine that is shared, it says more than the clock.
fn cpu_seconds() -> Outcome<f64> {
    /// Of the clock in `/proc`, on Linux everywhere.
    const TICKS_PER_SECOND: f64 = 100.0;
    let stat = fs::read_to_string("/proc/self/stat")?;
    // The name, in parentheses, may hold anything; the 14th and 15th fields are the time in user and in system mode.
    let fields = stat.rsplit_once(')').ok_or("/proc/self/stat")?.1.split_whitespace().skip(11).take(2);
    let ticks = fields.map(str::parse::<f64>).sum::<Result<f64, _>>()?;
    Ok(ticks / TICKS_PER_SECOND)
}

/// Random pixels, people in one pose with other arms.
fn batch(config: &BodyVaeConfig) -> Outcome<BodyBatch> {
    let rng = &mut ChaCha8Rng::seed_from_u64(1);
    let side = config.view_px;
    let count = PEOPLE * VIEWS;
    let mut planes =
        |count: usize| -> Vec<u8> { (0..count * 3 * side * side).map(|_| rng.random()).collect() };
    let (pixels, pictures) = (planes(count), planes(DRAWN));
    let poses: Vec<Pose> = (0..count).map(pose).collect();
    let views = Views::new(&pixels, side, &poses, &Device::Cpu)?;
    let sides = vec![(0..VIEWS).map(|view| usize::from(view >= VIEWS / 2)).collect(); PEOPLE];
    let target_poses: Vec<Pose> = (0..DRAWN).map(pose).collect();
    Ok(BodyBatch {
        sets: Sets::new(&views.poses, &sides, 2, false, &Device::Cpu)?,
        moved: Moved::new(&views.poses, &views.poses, &Device::Cpu)?,
        measures: None,
        views,
        target: Target::new(
            &pictures,
            side,
            &target_poses,
            &[Framing::whole(); DRAWN],
            (0..DRAWN as u32).collect(),
            config,
            &Device::Cpu,
        )?,
        noise: Tensor::zeros((DRAWN, config.latent), DType::F32, &Device::Cpu)?,
        photos: (0..count).collect(),
    })
}

fn pose(index: usize) -> Pose {
    let arm = 0.02 * (index % 7) as f32;
    let mut joints = [[0.5, 0.2, 0.9]; JOINT_COUNT];
    let left = [
        (5, 0.57, 0.3),
        (7, 0.6 + arm, 0.4),
        (9, 0.6 + arm, 0.5),
        (11, 0.55, 0.52),
        (13, 0.56, 0.7),
        (15, 0.56, 0.9),
    ];
    for (joint, x, y) in left {
        joints[joint] = [x, y, 0.9];
        joints[joint + 1] = [1.0 - x, y, 0.9];
    }
    Pose { joints }
}
