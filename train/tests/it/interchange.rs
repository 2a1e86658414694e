//! Adapter files between this crate and diffusers' own IP-Adapter loader, over the golden set's tiny UNets.
//!
//! Needs a Python with diffusers: `BOLID_PYTHON=/path/to/python cargo test --release -p train --test it
//! interchange:: -- --ignored` (`make test-python`). Without `--ignored` it is listed as ignored, with that
//! as the reason.

use candle_core::{DType, Device, Tensor};
use std::collections::HashMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use train::diffusion::Weights;
use train::diffusion::adapter_file::{AdapterFile, Projection};
use train::diffusion::unet::{Added, Conditioning, KeyValue, Stream, UNet, UnetConfig};

type TestResult = Result<(), Box<dyn Error>>;

const TOKENS: usize = 4;

fn golden() -> PathBuf {
    let set = std::env::var_os("BOLID_GOLDEN").filter(|value| !value.is_empty()).map(PathBuf::from);
    set.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden"))
}

fn python(arguments: &[&str]) -> TestResult {
    let python = std::env::var("BOLID_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/ip_adapter.py");
    let output = Command::new(&python).arg(script).args(arguments).output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{python} failed (does it have diffusers?):\n{}", String::from_utf8_lossy(&output.stderr))
        .into())
}

fn random(shape: &[usize], scale: f64) -> Result<Tensor, candle_core::Error> {
    Tensor::randn(0f32, 1.0, shape, &Device::Cpu)? * scale
}

pub fn random_adapter(unet: &UNet, embed: usize) -> Result<AdapterFile, Box<dyn Error>> {
    let cross = unet.config().cross_attention_dim;
    let scale = |inputs: usize| (inputs as f64).sqrt().recip();
    let layer = |(_, width): &(String, usize)| -> Result<KeyValue, candle_core::Error> {
        let part = || random(&[*width, cross], scale(cross));
        Ok(KeyValue { key: part()?, value: part()? })
    };
    let projection = Projection {
        weight: random(&[TOKENS * cross, embed], scale(embed))?,
        bias: random(&[TOKENS * cross], 0.1)?,
        norm_weight: (random(&[cross], 0.1)? + 1.0)?,
        norm_bias: random(&[cross], 0.1)?,
    };
    Ok(AdapterFile {
        projection,
        layers: unet.cross_attention().iter().map(layer).collect::<Result<_, _>>()?,
    })
}

fn stream(adapter: &AdapterFile, embeds: &Tensor, lambda: f64) -> Result<Option<Stream>, Box<dyn Error>> {
    let tokens = adapter.projection.forward(embeds)?;
    Ok(Some(Stream { tokens, layers: adapter.layers.clone(), lambda }))
}

/// Our prediction and that of diffusers with both adapters loaded from their files.
fn both_agree(family: &str, made_by_python: bool) -> TestResult {
    let folder = tempfile::tempdir()?;
    let path = |name: &str| folder.path().join(name);
    let text = folder.path().to_str().ok_or("a temporary folder with a plain name")?.to_owned();
    let case = golden().join(format!("unet_{family}"));
    fs::create_dir_all(path("unet"))?;
    fs::copy(case.join("config.json"), path("unet/config.json"))?;
    fs::copy(case.join("weights.safetensors"), path("unet/diffusion_pytorch_model.safetensors"))?;
    let weights = Weights::open(&[case.join("weights.safetensors")], DType::F32, &Device::Cpu)?;
    let unet = UNet::load(&weights, UnetConfig::from_json(&fs::read_to_string(case.join("config.json"))?)?)?;
    weights.finish()?;

    // 1024 is the width of CLIP ViT-H's image embeddings, 756 that of the body.
    let (reference, body_width) = (random_adapter(&unet, 1024)?, 756);
    reference.write(&path("ref.safetensors"))?;
    let body = if made_by_python {
        python(&["--make", &text, &body_width.to_string()])?;
        fs::rename(path("made.safetensors"), path("body.safetensors"))?;
        AdapterFile::read(&path("body.safetensors"), &Device::Cpu)?
    } else {
        let body = random_adapter(&unet, body_width)?;
        body.write(&path("body.safetensors"))?;
        body
    };
    let widths: Vec<usize> = unet.cross_attention().iter().map(|(_, width)| *width).collect();
    body.check("body.safetensors", &widths, unet.config().cross_attention_dim)?;

    let mut inputs: HashMap<String, Tensor> =
        candle_core::safetensors::load(case.join("inputs.safetensors"), &Device::Cpu)?;
    let batch = inputs["latents"].dim(0)?;
    for (name, width) in [("ref_embeds", 1024), ("body_embeds", body_width)] {
        inputs.insert(name.to_owned(), random(&[batch, width], 1.0)?);
    }
    candle_core::safetensors::save(&inputs, path("inputs.safetensors"))?;

    let mut conditioning = Conditioning::text(inputs["encoder_hidden_states"].clone());
    if let (Some(text_embeds), Some(time_ids)) = (inputs.get("text_embeds"), inputs.get("time_ids")) {
        conditioning.added = Some(Added { text_embeds: text_embeds.clone(), time_ids: time_ids.clone() });
    }
    conditioning.reference = stream(&reference, &inputs["ref_embeds"], 0.7)?;
    conditioning.body = stream(&body, &inputs["body_embeds"], 0.4)?;
    let timesteps: Vec<f64> = inputs["timesteps"].to_dtype(DType::F64)?.to_vec1()?;
    let ours = unet.forward(&inputs["latents"], &timesteps, &conditioning)?;

    python(&[&text, "0.7", "0.4"])?;
    let theirs = &candle_core::safetensors::load(path("noise_pred.safetensors"), &Device::Cpu)?["noise_pred"];
    let worst = (&ours - theirs)?.abs()?.max_all()?.to_scalar::<f32>()?;
    println!("{family}: largest difference from diffusers {worst:.2e}");
    assert!(worst <= 1e-4, "{family}: {worst}");

    conditioning.body = None;
    let without = (unet.forward(&inputs["latents"], &timesteps, &conditioning)? - &ours)?.abs()?.max_all()?;
    assert!(without.to_scalar::<f32>()? > 1e-3, "{family}: the body adapter must matter");
    Ok(())
}

#[test]
#[ignore = "needs a Python with diffusers: make test-python"]
fn diffusers_loads_our_sd15_adapters_and_predicts_the_same() -> TestResult {
    both_agree("sd15", false)
}

#[test]
#[ignore = "needs a Python with diffusers: make test-python"]
fn diffusers_loads_our_sdxl_adapters_and_predicts_the_same() -> TestResult {
    both_agree("sdxl", false)
}

#[test]
#[ignore = "needs a Python with diffusers: make test-python"]
fn an_adapter_written_in_diffusers_layout_loads_here_and_predicts_the_same() -> TestResult {
    both_agree("sd15", true)?;
    both_agree("sdxl", true)
}
