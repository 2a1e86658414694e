//! Whole pictures beside diffusers' own pipelines: tiny checkpoints with random weights, two adapters, ten steps.
//!
//! Needs a Python with diffusers: `make test-python`. Without `--ignored` it is listed as ignored, with that
//! as the reason.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::Command;

use candle_core::{Device, Tensor, safetensors};
use serde_json::json;
use train::adapter::Lambdas;
use train::adapter::pipeline::PictureSpec;
use train::diffusion::sampling::Sampling;
use train::generate::models::{ModelFiles, Models};

type TestResult = Result<(), Box<dyn Error>>;

/// What a picture is drawn with, on both sides.
struct Case {
    family: &'static str,
    schedulers: &'static [&'static str],
    steps: usize,
    guidance: f64,
    spacing: Option<&'static str>,
    negative: &'static str,
}

const PROMPT: &str = "a photo of a woman, tall";
const SCALES: [f64; 2] = [0.7, 0.4];
const SIZE: (usize, usize) = (32, 48);

fn python(arguments: &[&str]) -> TestResult {
    let python = std::env::var("BOLID_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/pipelines.py");
    let output = Command::new(&python).arg("-B").arg(script).args(arguments).output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{python} failed (does it have diffusers?):\n{}", String::from_utf8_lossy(&output.stderr))
        .into())
}

fn agrees(case: &Case) -> TestResult {
    let folder = tempfile::tempdir()?;
    let path = |name: &str| folder.path().join(name);
    let text = folder.path().to_str().ok_or("a temporary folder with a plain name")?;
    python(&["make", text, case.family])?;
    let settings = json!({
        "prompt": PROMPT, "negative": if case.negative.is_empty() { None } else { Some(case.negative) },
        "guidance": case.guidance, "steps": case.steps, "width": SIZE.0, "height": SIZE.1,
        "spacing": case.spacing, "scales": SCALES, "schedulers": case.schedulers,
    });
    fs::write(path("settings.json"), settings.to_string())?;
    python(&["draw", text])?;
    let theirs = safetensors::load(path("drawn.safetensors"), &Device::Cpu)?;

    let models = Models::load(
        ModelFiles {
            base_name: "base".to_owned(),
            base: path("base"),
            unet: None,
            loras: Vec::new(),
            adapter: Some(path("adapter")),
            image_encoder: None,
        },
        &Device::Cpu,
    )?;
    let embeddings = safetensors::load(path("embeddings.safetensors"), &Device::Cpu)?;
    let of = |name: &str| embeddings[name].flatten_all()?.to_vec1::<f32>();
    let spec = PictureSpec {
        text: models.text(PROMPT)?,
        negative: models.negative(case.negative)?,
        c_body: Some(of("body")?),
        reference: Some(of("ref")?),
        seed: 0,
    };
    let lambdas = Lambdas { reference: SCALES[0], body: SCALES[1] };
    for name in case.schedulers {
        let scheduler = models.scheduler().clone();
        let scheduler =
            case.spacing.iter().fold(scheduler, |s, spacing| s.with("timestep_spacing", *spacing));
        let sampling = Sampling { kind: name.parse()?, steps: case.steps, guidance: case.guidance };
        let pipeline = models.pipeline(&scheduler, sampling, SIZE);
        let mut drawn = 0;
        let mut next = || {
            drawn += 1;
            Ok(theirs["noise"].get(drawn - 1)?)
        };
        let ours = pipeline.latents(models.adapter(), &spec, lambdas, &mut next, &mut |_, _, _| Ok(()))?;
        let latents = &theirs[&format!("{name}.latents")];
        let largest = |tensor: &Tensor| tensor.abs()?.max_all()?.to_scalar::<f32>();
        // Random networks do not keep latents near 1, and f32 is as exact as their size allows.
        let apart = largest(&(&ours - latents)?)? / largest(latents)?.max(1.0);
        let picture = pipeline.decode(&ours)?;
        let pixels = theirs[&format!("{name}.pixels")].squeeze(0)?.permute((1, 2, 0))?.flatten_all()?;
        let pixels: Vec<f32> = pixels.to_vec1()?;
        let off = picture.rgb.iter().zip(&pixels).map(|(a, b)| (f32::from(*a) / 255.0 - b).abs());
        let off = off.fold(0.0, f32::max);
        println!("{} {name}, {} steps: latents {apart:.1e}, pixels {off:.1e}", case.family, case.steps);
        assert!(apart <= 1e-4, "{name}: latents differ by {apart}");
        // Half a level of 255 is rounding.
        assert!(off <= 0.5 / 255.0 + 1e-3, "{name}: pixels differ by {off}");
    }
    Ok(())
}

const ALL: &[&str] = &["ddpm", "ddim", "euler", "dpm++2m"];

#[test]
#[ignore = "needs a Python with diffusers: make test-python"]
fn ten_steps_of_a_tiny_sd_are_those_of_diffusers_with_every_scheduler() -> TestResult {
    let usual = Case { family: "sd", schedulers: ALL, steps: 10, guidance: 4.0, spacing: None, negative: "" };
    agrees(&usual)?;
    agrees(&Case { negative: "a man", ..usual })
}

#[test]
#[ignore = "needs a Python with diffusers: make test-python"]
fn ten_steps_of_a_tiny_sdxl_are_those_of_diffusers_with_every_scheduler() -> TestResult {
    let usual =
        Case { family: "sdxl", schedulers: ALL, steps: 10, guidance: 4.0, spacing: None, negative: "" };
    agrees(&usual)?;
    agrees(&Case { negative: "a man", ..usual })
}

#[test]
#[ignore = "needs a Python with diffusers: make test-python"]
fn a_few_steps_without_guidance_as_sdxl_lightning_takes_them_are_those_of_diffusers() -> TestResult {
    for steps in [1, 2, 4, 8] {
        let spacing = Some("trailing");
        agrees(&Case {
            family: "sdxl",
            schedulers: &["euler"],
            steps,
            guidance: 1.0,
            spacing,
            negative: "",
        })?;
    }
    Ok(())
}
