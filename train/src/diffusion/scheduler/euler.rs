//! Euler's method on dx/dσ = (x − x̂₀)/σ (arXiv:2206.00364, algorithm 2 without churn; diffusers'
//! `EulerDiscreteScheduler`).

use super::mix;
use super::noise::{NoiseSchedule, Prediction};
use super::spacing::{Spacing, final_sigma, karras_sigmas, sigma_at, steps_offset, timestep_of};
use crate::diffusion::json::Settings;
use crate::error::Result;
use candle_core::Tensor;

#[derive(Clone, Debug)]
pub(super) struct Euler {
    sigmas: Vec<f64>,
    spacing: Spacing,
    prediction: Prediction,
}

impl Euler {
    pub(super) fn new(
        settings: &Settings,
        schedule: &NoiseSchedule,
        steps: usize,
    ) -> Result<(Vec<f64>, Self)> {
        settings.refuse_if_set(&["use_exponential_sigmas", "use_beta_sigmas"])?;
        settings.choice("interpolation_type", &[("linear", ())])?;
        settings.choice("timestep_type", &[("discrete", ())])?;
        let spacing = Spacing::from_settings(settings, Spacing::Linspace)?;
        let mut timesteps = spacing.timesteps(schedule, steps, steps_offset(settings, schedule)?);
        let mut sigmas: Vec<f64> = timesteps.iter().map(|&t| sigma_at(schedule, t)).collect();
        if settings.or("use_karras_sigmas", false)? {
            let max = settings.or("sigma_max", sigmas.first().copied().unwrap_or_default())?;
            let min = settings.or("sigma_min", sigmas.last().copied().unwrap_or_default())?;
            sigmas = karras_sigmas(min, max, steps);
            timesteps = sigmas.iter().map(|&s| timestep_of(schedule, s)).collect();
        }
        sigmas.push(final_sigma(settings, schedule)?);
        Ok((timesteps, Self { sigmas, spacing, prediction: Prediction::from_settings(settings)? }))
    }

    pub(super) fn sigmas(&self) -> &[f64] {
        &self.sigmas
    }

    pub(super) fn init_noise_sigma(&self) -> f64 {
        let max = self.sigmas.iter().copied().fold(0.0, f64::max);
        if self.spacing == Spacing::Leading { max.hypot(1.0) } else { max }
    }

    pub(super) fn scale_input(&self, i: usize, sample: &Tensor) -> Result<Tensor> {
        Ok((sample / self.sigmas[i].hypot(1.0))?)
    }

    pub(super) fn step(&self, i: usize, output: &Tensor, sample: &Tensor) -> Result<Tensor> {
        let (sigma, next) = (self.sigmas[i], self.sigmas[i + 1]);
        let derivative = match self.prediction {
            Prediction::Epsilon => output.clone(),
            Prediction::Sample => mix(sample, 1.0 / sigma, output, -1.0 / sigma)?,
            Prediction::Velocity => {
                let square = sigma * sigma + 1.0;
                mix(sample, sigma / square, output, 1.0 / square.sqrt())?
            }
        };
        mix(sample, 1.0, &derivative, next - sigma)
    }
}
