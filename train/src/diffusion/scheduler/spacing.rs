//! Which timesteps a sampler visits, and the noise levels that belong to them.

use super::noise::NoiseSchedule;
use crate::diffusion::json::Settings;
use crate::error::Result;

/// How timesteps are spread over the training schedule (arXiv:2305.08891, table 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spacing {
    Leading,
    Trailing,
    Linspace,
}

impl Spacing {
    /// From `timestep_spacing`; each diffusers class has its own default.
    pub(super) fn from_settings(settings: &Settings, default: Self) -> Result<Self> {
        let all = [("leading", Self::Leading), ("trailing", Self::Trailing), ("linspace", Self::Linspace)];
        if settings.value("timestep_spacing").is_none() {
            Ok(default)
        } else {
            settings.choice("timestep_spacing", &all)
        }
    }

    /// `steps` timesteps, falling. Not rounded for `Linspace`.
    pub(super) fn timesteps(self, schedule: &NoiseSchedule, steps: usize, offset: usize) -> Vec<f64> {
        let n = schedule.len();
        match self {
            Self::Leading => (0..steps).rev().map(|i| (i * (n / steps) + offset) as f64).collect(),
            Self::Trailing => {
                let ratio = n as f64 / steps as f64;
                (0..steps).map(|i| (n as f64 - i as f64 * ratio).round_ties_even() - 1.0).collect()
            }
            Self::Linspace => {
                let gap = (n - 1) as f64 / (steps.max(2) - 1) as f64;
                (0..steps).rev().map(|i| i as f64 * gap).collect()
            }
        }
    }
}

/// `steps_offset`: what is added to each timestep of `Leading`.
pub(super) fn steps_offset(settings: &Settings, schedule: &NoiseSchedule) -> Result<usize> {
    let offset = settings.or("steps_offset", 0)?;
    if offset > schedule.len() {
        let hint = format!("take at most {}, the number of training timesteps", schedule.len());
        return Err(settings.unsupported("steps_offset", hint));
    }
    Ok(offset)
}

/// Checks the number of steps against the schedule.
pub(super) fn check_steps(settings: &Settings, schedule: &NoiseSchedule, steps: usize) -> Result<()> {
    if (1..=schedule.len()).contains(&steps) {
        return Ok(());
    }
    Err(settings.unsupported(
        "num_train_timesteps",
        format!("{steps} sampling steps do not fit into it; take 1 to that many"),
    ))
}

/// σ at a timestep between whole ones, linearly interpolated as `numpy.interp` does.
pub(super) fn sigma_at(schedule: &NoiseSchedule, timestep: f64) -> f64 {
    let low = (timestep.max(0.0) as usize).min(schedule.len() - 1);
    let fraction = (timestep - low as f64).clamp(0.0, 1.0);
    schedule.sigma(low) * (1.0 - fraction) + schedule.sigma(low + 1) * fraction
}

/// The timestep at which the schedule has this σ, interpolated in log σ.
pub(super) fn timestep_of(schedule: &NoiseSchedule, sigma: f64) -> f64 {
    let log = |t: usize| schedule.sigma(t).ln();
    let wanted = sigma.max(1e-10).ln();
    let at_most = (0..schedule.len()).rev().find(|&t| log(t) <= wanted).unwrap_or(0);
    let low = at_most.min(schedule.len().saturating_sub(2));
    let weight = ((log(low) - wanted) / (log(low) - log(low + 1))).clamp(0.0, 1.0);
    low as f64 + weight
}

/// `steps` noise levels falling from `max` to `min`, spread by Karras et al. (arXiv:2206.00364, eq. 5, ρ = 7).
pub(super) fn karras_sigmas(min: f64, max: f64, steps: usize) -> Vec<f64> {
    const RHO: f64 = 7.0;
    let (low, high) = (min.powf(1.0 / RHO), max.powf(1.0 / RHO));
    let ramp = |i: usize| i as f64 / (steps.max(2) - 1) as f64;
    (0..steps).map(|i| (high + ramp(i) * (low - high)).powf(RHO)).collect()
}

/// The noise level after the last step, from `final_sigmas_type`.
pub(super) fn final_sigma(settings: &Settings, schedule: &NoiseSchedule) -> Result<f64> {
    settings.choice("final_sigmas_type", &[("zero", 0.0), ("sigma_min", schedule.sigma(0))])
}
