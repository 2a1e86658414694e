//! Seconds and peak memory of a UNet with two trained streams, ours and PyTorch's (diffusers) in turn, on the same
//! weights, inputs and number of threads: `make bench`, or
//!
//!     cargo run --release -p train --example unet_speed -- PYTHON FOLDER
//!
//! A step of an adapter is what a training does: four pictures of 16×16 latents, forward, backward into the
//! streams alone, AdamW (PyTorch's fused one).
//!
//! PYTHON has torch and diffusers; FOLDER takes the random weights (5 GB for the shape of SD 1.5). Every
//! measurement is a process of its own, so that its peak memory is its own as well.

mod beside;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;
use std::{env, fs};

use candle_core::{DType, Device, Tensor, Var};
use serde_json::{Value, json};
use train::adamw::{AdamW, AdamWConfig};
use train::device::CANDLE_SPINS;
use train::diffusion::Weights;
use train::diffusion::adapter_file::AdapterFile;
use train::diffusion::unet::{Conditioning, Stream, UNet, UnetConfig};

use beside::{Outcome, output, peak_gib, row};

/// λ_ref and λ_b, as in unet_speed.py.
const LAMBDAS: [f64; 2] = [0.7, 0.4];
/// Pictures of a training step, and their latents' side.
const PICTURES: usize = 4;
const SIDE: usize = 16;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["measure", folder, mode, rounds] => {
            println!("{}", measure(Path::new(folder), mode, rounds.parse()?)?);
            Ok(())
        }
        [python, folder] => compare(python, Path::new(folder)),
        _ => Err("usage: unet_speed PYTHON FOLDER".into()),
    }
}

/// Both sides, one after the other, on a tiny UNet and on one of SD 1.5's shape.
fn compare(python: &str, folder: &Path) -> Outcome<()> {
    let threads = rayon::current_num_threads();
    println!("UNet with two trained streams, {threads} threads, f32; the fastest round each");
    for (family, title, rounds) in
        [("tiny", "tiny, 32×32 latents", 20), ("sd15", "shape of SD 1.5, 64×64 latents", 2)]
    {
        let folder = folder.join(family);
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/unet_speed.py");
        let run_python = |arguments: &[&str]| -> Outcome<String> {
            output(Command::new(python).arg(&script).args(arguments))
        };
        let text = folder.to_str().ok_or("a folder with a plain name")?;
        if !folder.join("inputs.safetensors").exists() {
            fs::create_dir_all(&folder)?;
            run_python(&["make", text, family])?;
        }
        let theirs = |mode: &str| -> Outcome<Value> {
            let arguments = ["measure", text, mode, &threads.to_string(), &rounds.to_string()];
            Ok(serde_json::from_str(run_python(&arguments)?.lines().last().unwrap_or_default())?)
        };
        let ours = |mode: &str| -> Outcome<Value> {
            let mut command = Command::new(env::current_exe()?);
            command.env(CANDLE_SPINS[0], CANDLE_SPINS[1]); // as `bolid` sets it for itself
            Ok(serde_json::from_str(&output(command.args(["measure", text, mode, &rounds.to_string()]))?)?)
        };
        println!("{title}");
        let forward = theirs("forward")?;
        let step = theirs("step")?;
        let version = forward["version"].as_str().unwrap_or_default().to_owned();
        row(&format!("forward, PyTorch {version}"), &forward, None);
        row("forward", &ours("forward")?, Some(&forward));
        if family == "sd15" {
            row("forward, weights in f16", &ours("forward-f16")?, Some(&forward));
        }
        row(&format!("forward and backward, PyTorch {version}"), &step, None);
        let found = ours("step")?;
        row("forward and backward", &found, Some(&step));
        row("forward and backward, checkpointed", &ours("step-checkpointed")?, Some(&step));
        println!("  relative difference from PyTorch: {}", found["apart"]);
        let train = theirs("train")?;
        row(&format!("step of an adapter, PyTorch {version}"), &train, None);
        row("step of an adapter", &ours("train")?, Some(&train));
    }
    Ok(())
}

/// An adapter file's tensors; where it is trained, they are the variables that come beside it.
fn adapter(path: &Path, trained: bool) -> Outcome<(AdapterFile, Vec<Var>)> {
    let mut file = AdapterFile::read(path, &Device::Cpu)?;
    let projection = &mut file.projection;
    let mut tensors = vec![
        &mut projection.weight,
        &mut projection.bias,
        &mut projection.norm_weight,
        &mut projection.norm_bias,
    ];
    tensors.extend(file.layers.iter_mut().flat_map(|layer| [&mut layer.key, &mut layer.value]));
    let mut variables = Vec::new();
    if trained {
        for tensor in tensors {
            let variable = Var::from_tensor(tensor)?;
            *tensor = variable.as_tensor().clone();
            variables.push(variable);
        }
    }
    Ok((file, variables))
}

fn measure(folder: &Path, mode: &str, rounds: usize) -> Outcome<Value> {
    let half = mode == "forward-f16";
    let (dtype, variant) = if half { (DType::F16, ".fp16") } else { (DType::F32, "") };
    let file: PathBuf = folder.join(format!("unet/diffusion_pytorch_model{variant}.safetensors"));
    let weights = Weights::open(&[file], dtype, &Device::Cpu)?;
    let config = UnetConfig::from_json(&fs::read_to_string(folder.join("unet/config.json"))?)?;
    let unet = UNet::load(&weights, config)?.with_checkpointing(mode == "step-checkpointed");
    weights.finish()?;
    drop(weights);

    let trained = mode != "forward" && !half;
    let inputs = candle_core::safetensors::load(folder.join("inputs.safetensors"), &Device::Cpu)?;
    let latents = Var::from_tensor(&inputs["latents"])?;
    let latents = if trained { latents.into_inner() } else { latents.as_detached_tensor() };
    let read = |name: &str| adapter(&folder.join(format!("{name}.safetensors")), trained);
    let ((reference, mut variables), (body, others)) = (read("ref")?, read("body")?);
    variables.extend(others);
    let stream = |adapter: &AdapterFile, name: &str, lambda: f64| -> Outcome<Option<Stream>> {
        let tokens = adapter.projection.forward(&inputs[name])?;
        Ok(Some(Stream { tokens, layers: adapter.layers.clone(), lambda }))
    };
    if mode == "train" {
        return train(&unet, &inputs, [&reference, &body], variables, rounds);
    }
    let mut fastest = f64::INFINITY;
    let mut found = HashMap::new();
    for _ in 0..rounds {
        found.clear();
        let start = Instant::now();
        let mut conditioning = Conditioning::text(inputs["text"].clone());
        conditioning.reference = stream(&reference, "ref", LAMBDAS[0])?;
        conditioning.body = stream(&body, "body", LAMBDAS[1])?;
        let prediction = unet.forward(&latents, &[500.0], &conditioning)?;
        if trained {
            let loss = (&prediction - &inputs["target"])?.sqr()?.mean_all()?;
            let grads = train::grad::backward(&loss)?;
            let (key, value) = (&reference.layers[0].key, &body.layers[0].value);
            for (name, tensor) in [("latents", &latents), ("ref.1.to_k_ip", key), ("body.1.to_v_ip", value)] {
                found.insert(name, grads.get(tensor).cloned().ok_or(name)?);
            }
        }
        fastest = fastest.min(start.elapsed().as_secs_f64());
        found.insert("prediction", prediction.detach());
    }
    let mut apart = json!({});
    if let (true, Ok(expected)) =
        (trained, candle_core::safetensors::load(folder.join("torch.safetensors"), &Device::Cpu))
    {
        for (name, found) in &found {
            let norm = |t: &Tensor| t.sqr()?.sum_all()?.sqrt()?.to_scalar::<f32>();
            let relative = norm(&(found - &expected[*name])?)? / norm(&expected[*name])?;
            apart[*name] = json!(format!("{relative:.1e}"));
        }
    }
    Ok(json!({ "seconds": fastest, "peak_gib": peak_gib(), "apart": apart }))
}

/// Steps of an adapter's training: as unet_speed.py's `train`.
fn train(
    unet: &UNet,
    inputs: &HashMap<String, Tensor>,
    adapters: [&AdapterFile; 2],
    variables: Vec<Var>,
    rounds: usize,
) -> Outcome<Value> {
    let named = variables.into_iter().enumerate().map(|(index, variable)| (index.to_string(), variable));
    let mut optimiser = AdamW::new(named, AdamWConfig::default())?;

    let four = |name: &str| Tensor::cat(&[&inputs[name]; PICTURES], 0);
    let part = |name: &str| four(name)?.narrow(2, 0, SIDE)?.narrow(3, 0, SIDE)?.contiguous();
    let (latents, target) = (part("latents")?, part("target")?);
    let (text, timesteps) = (four("text")?, [500.0; PICTURES]);
    let mut fastest = f64::INFINITY;
    let mut loss = 0.0;
    for _ in 0..rounds.max(3) {
        let start = Instant::now();
        let stream = |adapter: &AdapterFile, name: &str, lambda: f64| -> Outcome<Option<Stream>> {
            let tokens = adapter.projection.forward(&four(name)?)?;
            Ok(Some(Stream { tokens, layers: adapter.layers.clone(), lambda }))
        };
        let mut conditioning = Conditioning::text(text.clone());
        conditioning.reference = stream(adapters[0], "ref", LAMBDAS[0])?;
        conditioning.body = stream(adapters[1], "body", LAMBDAS[1])?;
        let prediction = unet.forward(&latents, &timesteps, &conditioning)?;
        let error = (prediction - &target)?.sqr()?.mean_all()?;
        optimiser.step(&train::grad::backward(&error)?, 1e-4)?;
        fastest = fastest.min(start.elapsed().as_secs_f64());
        loss = error.to_scalar::<f32>()?;
    }
    Ok(json!({ "seconds": fastest, "peak_gib": peak_gib(), "loss": loss }))
}
