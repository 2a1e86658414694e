//! Configuration files of checkpoints that others made.

use train::diffusion::clip::{ClipTextConfig, ClipVisionConfig};
use train::diffusion::json::{self, Settings};
use train::diffusion::scheduler::{Sampler, SamplerKind, SchedulerConfig};
use train::diffusion::unet::UnetConfig;
use train::diffusion::vae::VaeConfig;

pub fn check(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return }; // no configuration is read otherwise
    if let Ok(unet) = UnetConfig::from_json(text) {
        assert!(!unet.blocks.is_empty() && unet.up_depths.len() == unet.blocks.len());
        assert!(unet.blocks.iter().all(|block| block.channels % block.heads == 0));
    }
    let parsed = json::parse(text);
    if let Ok(value) = serde_json::from_str::<serde_json::Value>(text) {
        assert_eq!(parsed.as_ref().unwrap(), &value, "what is JSON stays as it is");
    }
    let Ok(settings) =
        parsed.map_err(|_| ()).and_then(|value| Settings::new("it.json", value).map_err(|_| ()))
    else {
        return;
    };
    if let Ok(vae) = VaeConfig::from_settings(&settings) {
        assert!(
            vae.downscale() >= 1
                && vae.block_out_channels.iter().all(|width| width % vae.norm_num_groups == 0)
        );
    }
    if let Ok(text) = ClipTextConfig::from_settings(&settings) {
        text.hidden();
    }
    if let Ok(vision) = ClipVisionConfig::from_settings(&settings) {
        assert!(vision.image_size() > 0);
    }
    let Ok(scheduler) = SchedulerConfig::try_from(settings) else { return };
    let _ = (scheduler.sampler(), scheduler.prediction());
    if let Ok(schedule) = scheduler.noise_schedule() {
        assert!(!schedule.is_empty());
        assert!(
            schedule.alphas_cumprod().iter().all(|alpha| (0.0..=1.0).contains(alpha)),
            "a signal's share"
        );
    }
    for kind in [SamplerKind::Ddpm, SamplerKind::Ddim, SamplerKind::Euler, SamplerKind::DpmSolver] {
        for steps in [1, 4, 30] {
            if let Ok(sampler) = Sampler::new(kind, &scheduler, steps) {
                assert!(sampler.timesteps().len() <= steps);
                sampler.init_noise_sigma();
            }
        }
    }
}
