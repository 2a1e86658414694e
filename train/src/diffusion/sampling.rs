//! From noise to latents: a sampler, a UNet, guidance.

use candle_core::Tensor;

use super::scheduler::guidance::guide;
use super::scheduler::{Sampler, SamplerKind, SchedulerConfig};
use super::unet::{Conditioning, UNet};
use crate::error::Result;

/// How latents are sampled.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// The method.
    pub kind: SamplerKind,
    /// Its steps.
    pub steps: usize,
    /// w of the paper's eq. 10, diffusers' `guidance_scale`; at 1 the unconditional prediction is not computed.
    pub guidance: f64,
}

impl Sampling {
    /// Latents of `noise` `[b, c, h, w]`, standard normal. `unconditional` is what guidance leads away from. The same
    /// noise gives the same latents; an ancestral method takes its mean.
    ///
    /// # Errors
    /// Where the schedule does not allow so many steps, or a shape does not fit.
    pub fn run(
        &self,
        unet: &UNet,
        config: &SchedulerConfig,
        noise: &Tensor,
        conditional: &Conditioning,
        unconditional: &Conditioning,
    ) -> Result<Tensor> {
        let mut sampler = Sampler::new(self.kind, config, self.steps)?;
        let timesteps = sampler.timesteps().to_vec();
        let mut latents = (noise * sampler.init_noise_sigma())?;
        for (step, &timestep) in timesteps.iter().enumerate() {
            let input = sampler.scale_input(step, &latents)?;
            let timesteps = vec![timestep; noise.dim(0)?];
            let mut output = unet.forward(&input, &timesteps, conditional)?;
            if self.guidance != 1.0 {
                let without = unet.forward(&input, &timesteps, unconditional)?;
                output = guide(&output, &without, self.guidance)?;
            }
            // Without a graph: its memory would grow with every step.
            latents = sampler.step(step, &output, &latents, None)?.detach();
        }
        Ok(latents)
    }
}
