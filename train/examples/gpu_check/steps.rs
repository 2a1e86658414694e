//! Training steps of an adapter through a frozen base of the shape of SD 1.5 or SDXL, with random weights.

use std::time::Instant;

use candle_core::{DType, Device, Tensor};
use serde_json::{Value, json};
use train::adamw::{AdamW, AdamWConfig};
use train::adapter::{Adapter, Lambdas, Widths};
use train::diffusion::Weights;
use train::diffusion::unet::{Added, AddedConfig, BlockConfig, UNet, UnetConfig};
use train::grad;
use train::parameters::Parameters;

use super::{Outcome, Setting};

/// Widths of CLIP ViT-H's image embeddings and of c_body.
const WIDTHS: Widths = Widths { image: 1024, body: 756 };
/// Tokens of a caption.
const TOKENS: usize = 77;

/// The base's shape.
pub fn config(family: &str, is_tiny: bool) -> UnetConfig {
    let block = |channels: usize, heads: usize, depth: usize| {
        let channels = if is_tiny { channels / 10 } else { channels };
        BlockConfig { channels, layers: 2, heads: if is_tiny { 2 } else { heads }, depth }
    };
    let common = UnetConfig {
        in_channels: 4,
        out_channels: 4,
        blocks: vec![block(320, 8, 1), block(640, 8, 1), block(1280, 8, 1), block(1280, 8, 0)],
        up_depths: vec![0, 1, 1, 1],
        mid_depth: 1,
        cross_attention_dim: if is_tiny { 32 } else { 768 },
        norm_groups: if is_tiny { 8 } else { 32 },
        norm_eps: 1e-5,
        linear_projection: false,
        flip_sin_to_cos: true,
        freq_shift: 0.0,
        added: None,
    };
    match family {
        "sdxl" => UnetConfig {
            blocks: vec![block(320, 5, 0), block(640, 10, 2), block(1280, 20, if is_tiny { 2 } else { 10 })],
            up_depths: vec![if is_tiny { 2 } else { 10 }, 2, 0],
            mid_depth: if is_tiny { 2 } else { 10 },
            cross_attention_dim: if is_tiny { 32 } else { 2048 },
            linear_projection: true,
            added: Some(AddedConfig { time_dim: 256, input_dim: 2816 }),
            ..common
        },
        _ => common,
    }
}

/// Batch and side of the latents: 512² for SD 1.5, 1024² for SDXL.
fn shape(family: &str, is_tiny: bool) -> (usize, usize) {
    match (family, is_tiny) {
        (_, true) => (2, 8),
        ("sdxl", _) => (4, 128),
        _ => (16, 64),
    }
}

pub fn measure(setting: &Setting, family: &str) -> Outcome<Value> {
    let (batch, side) = shape(family, setting.is_tiny);
    let (warm, steps) = if setting.is_tiny { (1, 2) } else { (5, 50) };
    let device = &setting.device;
    let unet = UNet::load(&Weights::drawn(setting.compute, device), config(family, setting.is_tiny))?
        .with_compute(setting.compute)
        .with_checkpointing(setting.checkpointing);
    let parameters = Parameters::seeded(1);
    let adapter = Adapter::new(&unet, WIDTHS, &parameters, device)?;
    let mut optimiser = AdamW::new(parameters.named(), AdamWConfig::default())?;
    let cross = unet.config().cross_attention_dim;
    let random = |shape: &[usize]| Tensor::randn(0f32, 1.0, shape, device);
    let (latents, target) = (random(&[batch, 4, side, side])?, random(&[batch, 4, side, side])?);
    let (text, image) = (random(&[batch, TOKENS, cross])?, random(&[batch, WIDTHS.image])?);
    let c_body = random(&[batch, WIDTHS.body])?;
    let added = unet.config().added.map(|_| -> Outcome<Added> {
        let time_ids = Tensor::full(1024f32, (batch, 6), &Device::Cpu)?;
        Ok(Added { text_embeds: random(&[batch, 1280])?, time_ids })
    });
    let added = added.transpose()?;
    let timesteps: Vec<f64> = (0..batch).map(|at| 1000.0 * (at as f64 + 0.5) / batch as f64).collect();
    let lambdas = Lambdas { reference: 1.0, body: 1.0 };

    // With `phases`, the device is waited for after each: that says where time goes, and costs some.
    let mut step = |phases: Option<&mut [f64; 3]>| -> Outcome<Tensor> {
        let mut lap = Instant::now();
        let mut times = [0.0; 3];
        let is_timed = phases.is_some();
        let mut phase = |at: usize| -> Outcome<()> {
            if is_timed {
                device.synchronize()?;
                times[at] = 1e3 * lap.elapsed().as_secs_f64();
                lap = Instant::now();
            }
            Ok(())
        };
        let mut conditioning = adapter.conditioning(&text, &image, &c_body, lambdas)?;
        conditioning.added = added.clone();
        let predicted = unet.forward(&latents, &timesteps, &conditioning)?;
        let loss = (predicted - &target)?.sqr()?.mean_all()?;
        phase(0)?;
        let gradients = grad::backward(&loss)?;
        phase(1)?;
        optimiser.step(&gradients, 1e-4)?;
        phase(2)?;
        if let Some(phases) = phases {
            *phases = times;
        }
        Ok(loss)
    };
    for _ in 0..warm {
        step(None)?;
    }
    device.synchronize()?;
    let mut losses = Vec::new();
    let start = Instant::now();
    for _ in 0..steps {
        losses.push(step(None)?.to_dtype(DType::F32)?.to_scalar::<f32>()?);
    }
    device.synchronize()?;
    let step_ms = 1e3 * start.elapsed().as_secs_f64() / steps as f64;
    let mut phases = [0.0; 3];
    step(Some(&mut phases))?;
    Ok(json!({
        "batch": batch, "latents": side, "steps": steps, "checkpointing": setting.checkpointing,
        "step_ms": step_ms, "images_per_s": 1e3 * batch as f64 / step_ms,
        "forward_ms": phases[0], "backward_ms": phases[1], "optimiser_ms": phases[2],
        "first_loss": losses.first(), "last_loss": losses.last(),
        "finite": losses.iter().all(|loss| loss.is_finite()),
        "trained": parameters.count(),
    }))
}
