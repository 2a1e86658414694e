//! Ancestral sampling (arXiv:2006.11239, algorithm 2; diffusers' `DDPMScheduler`).

use super::noise::{NoiseSchedule, Prediction};
use super::spacing::{Spacing, steps_offset};
use super::{Clip, mix};
use crate::diffusion::json::Settings;
use crate::error::Result;
use candle_core::Tensor;

#[derive(Clone, Copy, Debug)]
enum Variance {
    /// The posterior's, β̃_t.
    Small,
    /// β_t.
    Large,
}

#[derive(Clone, Debug)]
pub(super) struct Ddpm {
    schedule: NoiseSchedule,
    timesteps: Vec<usize>,
    prediction: Prediction,
    clip: Clip,
    variance: Variance,
}

impl Ddpm {
    pub(super) fn new(
        settings: &Settings,
        schedule: NoiseSchedule,
        steps: usize,
    ) -> Result<(Vec<f64>, Self)> {
        let spacing = Spacing::from_settings(settings, Spacing::Leading)?;
        let offset = steps_offset(settings, &schedule)?;
        let timesteps: Vec<f64> =
            spacing.timesteps(&schedule, steps, offset).into_iter().map(f64::round_ties_even).collect();
        let variance = settings.choice(
            "variance_type",
            &[
                ("fixed_small", Variance::Small),
                ("fixed_small_log", Variance::Small),
                ("fixed_large", Variance::Large),
            ],
        )?;
        let method = Self {
            prediction: Prediction::from_settings(settings)?,
            clip: Clip::from_settings(settings)?,
            timesteps: timesteps.iter().map(|&t| t as usize).collect(),
            schedule,
            variance,
        };
        Ok((timesteps, method))
    }

    pub(super) fn step(
        &self,
        i: usize,
        output: &Tensor,
        sample: &Tensor,
        noise: Option<&Tensor>,
    ) -> Result<Tensor> {
        let t = self.timesteps[i];
        let previous = self.timesteps.get(i + 1).map_or(1.0, |&t| self.schedule.alpha_bar(t));
        let now = self.schedule.alpha_bar(t);
        let ratio = now / previous;
        let each = vec![t; sample.dim(0)?];
        let x0 = self.clip.apply(self.schedule.predict_x0(output, sample, &each, self.prediction)?)?;
        // Eq. 7 of the paper: the posterior mean.
        let of_x0 = previous.sqrt() * (1.0 - ratio) / (1.0 - now);
        let of_sample = ratio.sqrt() * (1.0 - previous) / (1.0 - now);
        let mean = mix(&x0, of_x0, sample, of_sample)?;
        let Some(noise) = noise.filter(|_| t > 0) else { return Ok(mean) };
        let variance = match self.variance {
            Variance::Small => ((1.0 - previous) / (1.0 - now) * (1.0 - ratio)).max(1e-20),
            Variance::Large => 1.0 - ratio,
        };
        mix(&mean, 1.0, noise, variance.sqrt())
    }
}
