//! DPM-Solver++, multistep, first and second order (arXiv:2211.01095, algorithm 2; diffusers'
//! `DPMSolverMultistepScheduler`).

use super::mix;
use super::noise::{NoiseSchedule, Prediction};
use super::spacing::{Spacing, final_sigma, karras_sigmas, steps_offset, timestep_of};
use crate::diffusion::json::Settings;
use crate::error::Result;
use candle_core::Tensor;

#[derive(Clone, Copy, Debug)]
enum Solver {
    Midpoint,
    Heun,
}

/// Fewer steps than this, and the last step is of first order where `lower_order_final` is on (as in diffusers).
const FEW_STEPS: usize = 15;

#[derive(Clone, Debug)]
pub(super) struct DpmSolver {
    sigmas: Vec<f64>,
    prediction: Prediction,
    solver: Solver,
    order: usize,
    first_order_at_end: bool,
    /// x̂₀ of the step before.
    previous: Option<Tensor>,
}

impl DpmSolver {
    pub(super) fn new(
        settings: &Settings,
        schedule: &NoiseSchedule,
        steps: usize,
    ) -> Result<(Vec<f64>, Self)> {
        settings.refuse_if_set(&[
            "use_exponential_sigmas",
            "use_beta_sigmas",
            "use_lu_lambdas",
            "use_flow_sigmas",
            "use_dynamic_shifting",
        ])?;
        settings.choice("algorithm_type", &[("dpmsolver++", ())])?;
        let order: usize = settings.or("solver_order", 2)?;
        if !(1..=2).contains(&order) {
            return Err(settings.unsupported("solver_order", "supported: 1, 2"));
        }
        let (timesteps, mut sigmas) = if settings.or("use_karras_sigmas", false)? {
            let sigmas = karras_sigmas(schedule.sigma(0), schedule.sigma(schedule.len() - 1), steps);
            let whole = settings.value("beta_schedule").and_then(|v| v.as_str()) != Some("squaredcos_cap_v2");
            let timestep = |&s: &f64| timestep_of(schedule, s);
            // The class stores whole timesteps: rounded, or cut off where its own rounding is left out.
            let cut = |t: f64| if whole { t.round_ties_even() } else { t.floor() };
            (sigmas.iter().map(timestep).map(cut).collect(), sigmas)
        } else {
            let timesteps = plain_timesteps(settings, schedule, steps)?;
            let sigmas = timesteps.iter().map(|&t| schedule.sigma(t as usize)).collect();
            (timesteps, sigmas)
        };
        let end = final_sigma(settings, schedule)?;
        sigmas.push(end);
        let method = Self {
            sigmas,
            prediction: Prediction::from_settings(settings)?,
            solver: settings
                .choice("solver_type", &[("midpoint", Solver::Midpoint), ("heun", Solver::Heun)])?,
            order,
            first_order_at_end: end == 0.0
                || settings.or("euler_at_final", false)?
                || (settings.or("lower_order_final", true)? && steps < FEW_STEPS),
            previous: None,
        };
        Ok((timesteps, method))
    }

    pub(super) fn sigmas(&self) -> &[f64] {
        &self.sigmas
    }

    pub(super) fn step(&mut self, i: usize, output: &Tensor, sample: &Tensor) -> Result<Tensor> {
        let (now, next) = (Level::new(self.sigmas[i]), Level::new(self.sigmas[i + 1]));
        let x0 = match self.prediction {
            Prediction::Epsilon => mix(sample, 1.0 / now.alpha, output, -now.sigma / now.alpha)?,
            Prediction::Velocity => mix(sample, now.alpha, output, -now.sigma)?,
            Prediction::Sample => output.clone(),
        };
        let previous = self.previous.replace(x0.clone());
        let h = next.lambda() - now.lambda();
        let decay = (-h).exp() - 1.0;
        let first = mix(sample, next.sigma / now.sigma, &x0, -next.alpha * decay)?;
        let at_end = i + 2 == self.sigmas.len() && self.first_order_at_end;
        let Some(previous) = previous.filter(|_| self.order == 2 && i > 0 && !at_end) else {
            return Ok(first);
        };
        let h_before = now.lambda() - Level::new(self.sigmas[i - 1]).lambda();
        let slope = (((&x0 - &previous)?) * (h / h_before))?;
        let factor = match self.solver {
            Solver::Midpoint => -0.5 * next.alpha * decay,
            Solver::Heun => next.alpha * (decay / h + 1.0),
        };
        mix(&first, 1.0, &slope, factor)
    }
}

/// Whole timesteps. This class spreads `steps + 1` of them and leaves the last (the cleanest) out.
fn plain_timesteps(settings: &Settings, schedule: &NoiseSchedule, steps: usize) -> Result<Vec<f64>> {
    let lowest: f64 = settings.or("lambda_min_clipped", f64::NEG_INFINITY)?;
    let lambda = |t: usize| -schedule.sigma(t).ln();
    let usable = (0..schedule.len()).rev().find(|&t| lambda(t) >= lowest).map_or(1, |t| t + 1);
    let offset = steps_offset(settings, schedule)?;
    Ok(match Spacing::from_settings(settings, Spacing::Linspace)? {
        Spacing::Linspace => {
            let gap = (usable - 1) as f64 / steps as f64;
            (1..=steps).rev().map(|i| (i as f64 * gap).round_ties_even()).collect()
        }
        Spacing::Leading => {
            let stride = usable / (steps + 1);
            (1..=steps).rev().map(|i| (i * stride + offset) as f64).collect()
        }
        Spacing::Trailing => {
            let ratio = schedule.len() as f64 / steps as f64;
            (0..steps)
                .map(|i| (usable as f64 - i as f64 * ratio).round_ties_even() - 1.0)
                .filter(|&t| t >= 0.0)
                .collect()
        }
    })
}

/// A noise level in the variance-preserving form x = α·x₀ + σ·ε.
#[derive(Clone, Copy)]
struct Level {
    alpha: f64,
    sigma: f64,
}

impl Level {
    /// From the ratio of noise to signal.
    fn new(ratio: f64) -> Self {
        let alpha = 1.0 / ratio.hypot(1.0);
        Self { alpha, sigma: ratio * alpha }
    }

    /// Half the logarithm of the signal-to-noise ratio.
    fn lambda(self) -> f64 {
        self.alpha.ln() - self.sigma.ln()
    }
}
