//! From noise to latents: a sampler, a UNet, guidance.

use candle_core::{DType, Tensor};

use super::scheduler::guidance::guide;
use super::scheduler::{Sampler, SamplerKind, SchedulerConfig};
use super::unet::{Conditioning, UNet};
use crate::error::{Error, Result};

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

/// What a run asks for and tells on its way.
pub struct Hooks<'a> {
    /// Standard normal noise of the latents' shape, for the steps of an ancestral method.
    pub noise: &'a mut dyn FnMut() -> Result<Tensor>,
    /// Called after each step.
    pub after_step: &'a mut dyn FnMut(&StepDone<'_>) -> Result<()>,
}

/// A step that was taken.
pub struct StepDone<'a> {
    /// Which, from 1.
    pub step: usize,
    /// Of how many.
    pub steps: usize,
    input: &'a Tensor,
    output: &'a Tensor,
    timestep: f64,
    config: &'a SchedulerConfig,
}

impl StepDone<'_> {
    /// x̂₀: what the network takes the finished latents to be at this step.
    ///
    /// # Errors
    /// Where the schedule's configuration is unusable.
    pub fn estimate(&self) -> Result<Tensor> {
        let timesteps = vec![self.timestep.round() as usize; self.input.dim(0)?];
        let schedule = self.config.noise_schedule()?;
        schedule.predict_x0(self.output, self.input, &timesteps, self.config.prediction()?)
    }
}

impl Sampling {
    /// Latents of `noise` `[b, c, h, w]`, standard normal. `conditions` are the wanted ones, and those that
    /// guidance leads away from. Without `hooks` an ancestral method takes its mean. The same noise gives the
    /// same latents.
    ///
    /// # Errors
    /// Where the schedule does not allow so many steps, a shape does not fit, latents are no longer finite,
    /// or a hook fails.
    pub fn run(
        &self,
        unet: &UNet,
        config: &SchedulerConfig,
        noise: &Tensor,
        conditions: (&Conditioning, &Conditioning),
        mut hooks: Option<&mut Hooks<'_>>,
    ) -> Result<Tensor> {
        let (conditional, unconditional) = conditions;
        let mut sampler = Sampler::new(self.kind, config, self.steps)?;
        let timesteps = sampler.timesteps().to_vec();
        let steps = timesteps.len();
        let mut latents = (noise * sampler.init_noise_sigma())?;
        for (step, &timestep) in timesteps.iter().enumerate() {
            let input = sampler.scale_input(step, &latents)?;
            let timesteps = vec![timestep; noise.dim(0)?];
            let mut output = unet.forward(&input, &timesteps, conditional)?;
            if self.guidance != 1.0 {
                let without = unet.forward(&input, &timesteps, unconditional)?;
                output = guide(&output, &without, self.guidance)?;
            }
            let fresh = match &mut hooks {
                Some(hooks) if sampler.adds_noise(step) => Some((hooks.noise)()?),
                _ => None,
            };
            // Without a graph: its memory would grow with every step.
            latents = sampler.step(step, &output, &latents, fresh.as_ref())?.detach();
            // A sum in f32 is finite where all of its terms are: latents are far from overflowing it.
            if !latents.to_dtype(DType::F32)?.sum_all()?.to_scalar::<f32>()?.is_finite() {
                return Err(Error::NotFinite { step: step + 1, steps, timestep });
            }
            if let Some(hooks) = &mut hooks {
                let (input, output) = (&input, &output);
                (hooks.after_step)(&StepDone { step: step + 1, steps, input, output, timestep, config })?;
            }
        }
        Ok(latents)
    }
}
