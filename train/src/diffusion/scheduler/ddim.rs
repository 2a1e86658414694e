//! Deterministic sampling (arXiv:2010.02502, eq. 12 with σ = 0; diffusers' `DDIMScheduler` with η = 0).

use super::noise::{NoiseSchedule, Prediction};
use super::spacing::{Spacing, steps_offset};
use super::{Clip, mix};
use crate::diffusion::json::Settings;
use crate::error::Result;
use candle_core::Tensor;

#[derive(Clone, Debug)]
pub(super) struct Ddim {
    schedule: NoiseSchedule,
    timesteps: Vec<usize>,
    /// Training timesteps between two steps.
    stride: usize,
    /// ᾱ after the last step: 1, or ᾱ₀ where the model was trained with `set_alpha_to_one = false`.
    final_alpha: f64,
    prediction: Prediction,
    clip: Clip,
}

impl Ddim {
    pub(super) fn new(
        settings: &Settings,
        schedule: NoiseSchedule,
        steps: usize,
    ) -> Result<(Vec<f64>, Self)> {
        let spacing = Spacing::from_settings(settings, Spacing::Leading)?;
        let offset = steps_offset(settings, &schedule)?;
        let timesteps: Vec<f64> =
            spacing.timesteps(&schedule, steps, offset).into_iter().map(f64::round_ties_even).collect();
        let method = Self {
            prediction: Prediction::from_settings(settings)?,
            clip: Clip::from_settings(settings)?,
            final_alpha: if settings.or("set_alpha_to_one", true)? { 1.0 } else { schedule.alpha_bar(0) },
            stride: schedule.len() / steps,
            timesteps: timesteps.iter().map(|&t| t as usize).collect(),
            schedule,
        };
        Ok((timesteps, method))
    }

    pub(super) fn step(&self, i: usize, output: &Tensor, sample: &Tensor) -> Result<Tensor> {
        let t = self.timesteps[i];
        let now = self.schedule.alpha_bar(t);
        let next = t.checked_sub(self.stride).map_or(self.final_alpha, |t| self.schedule.alpha_bar(t));
        let (a, s) = (now.sqrt(), (1.0 - now).sqrt());
        let each = vec![t; sample.dim(0)?];
        let x0 = self.schedule.predict_x0(output, sample, &each, self.prediction)?;
        let epsilon = match self.prediction {
            Prediction::Epsilon => output.clone(),
            Prediction::Velocity => mix(output, a, sample, s)?,
            Prediction::Sample => mix(sample, 1.0 / s, output, -a / s)?,
        };
        mix(&self.clip.apply(x0)?, next.sqrt(), &epsilon, (1.0 - next).sqrt())
    }
}
