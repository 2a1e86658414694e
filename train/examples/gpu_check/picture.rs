//! A picture of 20 steps from a base of SD 1.5's shape with random weights: noise, but at its cost.

use candle_core::Tensor;
use serde_json::{Value, json};
use train::diffusion::Weights;
use train::diffusion::json::Settings;
use train::diffusion::sampling::Sampling;
use train::diffusion::scheduler::{SamplerKind, SchedulerConfig};
use train::diffusion::unet::{Conditioning, UNet};
use train::diffusion::vae::{AutoencoderKl, VaeConfig};

use super::steps::config;
use super::{Outcome, Setting};

/// The autoencoder and the schedule of SD 1.5, as diffusers writes them.
const VAE: &str = r#"{"block_out_channels": [128, 256, 512, 512], "layers_per_block": 2, "latent_channels": 4,
    "norm_num_groups": 32, "sample_size": 512, "scaling_factor": 0.18215}"#;
const TINY_VAE: &str = r#"{"block_out_channels": [16, 16, 16, 16], "layers_per_block": 1, "latent_channels": 4,
    "norm_num_groups": 8, "sample_size": 64, "scaling_factor": 0.18215}"#;
const SCHEDULE: &str = r#"{"_class_name": "DDIMScheduler", "beta_start": 0.00085, "beta_end": 0.012,
    "beta_schedule": "scaled_linear", "num_train_timesteps": 1000, "clip_sample": false, "set_alpha_to_one": false,
    "steps_offset": 1}"#;

pub fn measure(setting: &Setting) -> Outcome<Value> {
    let (steps, side) = if setting.is_tiny { (2, 8) } else { (20, 64) };
    let device = &setting.device;
    let folder = tempfile::tempdir()?;
    let written = |name: &str, text: &str| -> Outcome<std::path::PathBuf> {
        let path = folder.path().join(name);
        std::fs::write(&path, text)?;
        Ok(path)
    };
    let vae_config = written("vae.json", if setting.is_tiny { TINY_VAE } else { VAE })?;
    let vae_config = VaeConfig::from_settings(&Settings::read(&vae_config)?)?;
    let vae = AutoencoderKl::load(&Weights::drawn(candle_core::DType::F32, device), vae_config)?;
    let scheduler = SchedulerConfig::read(&written("scheduler.json", SCHEDULE)?)?;
    let unet = UNet::load(&Weights::drawn(setting.compute, device), config("sd15", setting.is_tiny))?
        .with_compute(setting.compute);
    let cross = unet.config().cross_attention_dim;
    let text = || -> Outcome<Conditioning> {
        Ok(Conditioning::text(Tensor::randn(0f32, 1.0, (1, 77, cross), device)?))
    };
    let (wanted, without) = (text()?, text()?);
    let noise = Tensor::randn(0f32, 1.0, (1, 4, side, side), device)?;
    let sampling = Sampling { kind: SamplerKind::Ddim, steps, guidance: 7.5 };
    let found = setting.milliseconds(if setting.is_tiny { 1 } else { 3 }, || {
        let latents = sampling.run(&unet, &scheduler, &noise, (&wanted, &without), None)?;
        vae.decode(&vae.unscale(&latents)?)?.flatten_all()?.to_vec1::<f32>()?;
        Ok(())
    })?;
    Ok(json!({ "steps": steps, "side_px": 8 * side, "guidance": true, "picture_ms": found[0] }))
}
