//! The demo base as it is committed, beside what diffusers and transformers make of it, with an adapter.

use std::collections::HashMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use candle_core::{DType, Device, Tensor, safetensors};
use serde_json::json;
use train::adapter::{Adapter, Lambdas, file};
use train::diffusion::checkpoint::{Checkpoint, load_clip};
use train::diffusion::clip::to_clip_pixels;
use train::diffusion::prompt::PromptEncoder;

use crate::interchange::random_adapter;

type TestResult = Result<(), Box<dyn Error>>;

const PROMPT: &str = "a photo of a tall woman wearing a red T-shirt and blue jeans";
const TIMESTEP: f64 = 500.0;
/// λ_ref and λ_b.
const LAMBDAS: [[f64; 2]; 4] = [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.7, 0.4]];

fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/models")
}

fn size_of(folder: &Path) -> std::io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        bytes += if entry.file_type()?.is_dir() { size_of(&entry.path())? } else { entry.metadata()?.len() };
    }
    Ok(bytes)
}

#[test]
fn the_base_is_small_and_every_part_of_it_loads() -> TestResult {
    let base = models().join("tiny-sd");
    assert!(size_of(&base)? <= 25_000_000);
    let checkpoint = Checkpoint::open(&base, DType::F32, &Device::Cpu)?;
    let (unet, vae) = (checkpoint.unet()?, checkpoint.vae()?);
    assert_eq!((vae.config().sample_size, vae.config().downscale()), (64, 4));
    assert_eq!(unet.config().in_channels, 16);
    PromptEncoder::load(&checkpoint)?;
    load_clip(&base.join("clip"), DType::F32, &Device::Cpu)?;
    Ok(())
}

/// What `adapter` and the base predict for a latent.
fn prediction(
    checkpoint: &Checkpoint,
    adapter: &Adapter,
    states: &Tensor,
    given: &HashMap<String, Tensor>,
    [reference, body]: [f64; 2],
) -> Result<Tensor, Box<dyn Error>> {
    let conditioning =
        adapter.conditioning(states, &given["ref"], &given["body"], Lambdas { reference, body })?;
    Ok(checkpoint.unet()?.forward(&given["latents"], &[TIMESTEP], &conditioning)?)
}

#[test]
#[ignore = "needs a Python with diffusers: make test-python"]
fn diffusers_makes_the_same_of_every_part_and_predicts_the_same_with_the_adapter() -> TestResult {
    let base = models().join("tiny-sd");
    let folder = tempfile::tempdir()?;
    let checkpoint = Checkpoint::open(&base, DType::F32, &Device::Cpu)?;
    let unet = checkpoint.unet()?;
    for (name, width) in [("ref", 128), ("body", 756)] {
        random_adapter(&unet, width)?.write(&folder.path().join(format!("{name}.safetensors")))?;
    }
    let adapter = file::load(folder.path(), &unet, &Device::Cpu)?.adapter;
    let random = |shape: &[usize]| Tensor::randn(0f32, 1.0, shape, &Device::Cpu);
    let given = HashMap::from([
        ("latents".to_owned(), random(&[1, unet.config().in_channels, 16, 16])?),
        ("ref".to_owned(), random(&[1, adapter.reference.embed_dim()])?),
        ("body".to_owned(), random(&[1, adapter.body.embed_dim()])?),
    ]);
    safetensors::save(&given, folder.path().join("inputs.safetensors"))?;
    let settings = json!({ "prompt": PROMPT, "timestep": TIMESTEP, "lambdas": LAMBDAS });
    fs::write(folder.path().join("settings.json"), settings.to_string())?;
    let python = std::env::var("BOLID_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/demo_base.py");
    let output = Command::new(&python)
        .args([Path::new("-B"), &script, &base, folder.path(), folder.path()])
        .output()?;
    assert!(output.status.success(), "{python}:\n{}", String::from_utf8_lossy(&output.stderr));
    let theirs = safetensors::load(folder.path().join("found.safetensors"), &Device::Cpu)?;

    let states = PromptEncoder::load(&checkpoint)?.encode(&[PROMPT])?.states;
    let vae = checkpoint.vae()?;
    let pixels = vae.decode(&vae.unscale(&given["latents"])?)?;
    let clip = load_clip(&base.join("clip"), DType::F32, &Device::Cpu)?;
    let tokens = checkpoint.tokenizer()?.encode(PROMPT)?.ids;
    let side = clip.vision.config().image_size();
    let mut ours = vec![
        ("text".to_owned(), states.clone()),
        ("mean".to_owned(), vae.encode(&theirs["pixels"])?.mean),
        ("pixels".to_owned(), pixels),
        ("clip_text".to_owned(), clip.text.forward(&[tokens])?.text_embeds.ok_or("a projection")?),
        (
            "clip_image".to_owned(),
            clip.vision.forward(&to_clip_pixels(&theirs["pixels"], side)?)?.image_embeds,
        ),
    ];
    for (number, lambdas) in LAMBDAS.into_iter().enumerate() {
        let predicted = prediction(&checkpoint, &adapter, &states, &given, lambdas)?;
        ours.push((format!("prediction.{number}"), predicted));
    }
    for (name, ours) in ours {
        let apart = (&ours - &theirs[&name])?.abs()?.max_all()?.to_scalar::<f32>()?;
        println!("{name}: {apart:.1e}");
        assert!(apart <= 1e-4, "{name} differs by {apart}");
    }
    let plain = prediction(&checkpoint, &adapter, &states, &given, LAMBDAS[0])?;
    for lambdas in &LAMBDAS[1..] {
        let other = prediction(&checkpoint, &adapter, &states, &given, *lambdas)?;
        assert!((&plain - other)?.abs()?.max_all()?.to_scalar::<f32>()? > 1e-2, "{lambdas:?} must matter");
    }
    Ok(())
}
