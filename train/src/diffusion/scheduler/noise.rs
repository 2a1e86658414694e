//! The forward process: how much noise there is at which timestep.

use crate::diffusion::json::Settings;
use crate::error::Result;
use candle_core::{DType, Tensor};

/// What the network predicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prediction {
    /// The noise ε (DDPM, arXiv:2006.11239).
    Epsilon,
    /// The velocity v = √ᾱ·ε − √(1−ᾱ)·x₀ (arXiv:2202.00512, appendix D).
    Velocity,
    /// The clean sample x₀.
    Sample,
}

impl Prediction {
    /// From `prediction_type`.
    pub fn from_settings(settings: &Settings) -> Result<Self> {
        settings.choice(
            "prediction_type",
            &[("epsilon", Self::Epsilon), ("v_prediction", Self::Velocity), ("sample", Self::Sample)],
        )
    }
}

/// ᾱ_t for every training timestep: x_t = √ᾱ_t·x₀ + √(1−ᾱ_t)·ε (paper, eq. 3; diffusers' `alphas_cumprod`).
#[derive(Clone, Debug)]
pub struct NoiseSchedule {
    alphas_cumprod: Vec<f64>,
}

/// The most training timesteps that a configuration may ask for; published models have 1000. The schedule is computed
/// for each of them, and a stranger's file must not fill the memory by one number.
const MOST_TIMESTEPS: usize = 100_000;

#[derive(Clone, Copy)]
enum BetaSchedule {
    Linear,
    ScaledLinear,
    SquaredCosine,
}

impl NoiseSchedule {
    /// From `beta_start`, `beta_end`, `beta_schedule`, `trained_betas`, `num_train_timesteps`,
    /// `rescale_betas_zero_snr`; the defaults are those of diffusers (and of DDPM).
    pub fn from_settings(settings: &Settings) -> Result<Self> {
        let n: usize = settings.or("num_train_timesteps", 1000)?;
        if n > MOST_TIMESTEPS {
            return Err(settings.unsupported("num_train_timesteps", format!("take at most {MOST_TIMESTEPS}")));
        }
        let (start, end): (f64, f64) = (settings.or("beta_start", 1e-4)?, settings.or("beta_end", 0.02)?);
        let between = |a: f64, b: f64, i: usize| a + (b - a) * i as f64 / (n.max(2) - 1) as f64;
        let kind = settings.choice(
            "beta_schedule",
            &[
                ("linear", BetaSchedule::Linear),
                ("scaled_linear", BetaSchedule::ScaledLinear),
                ("squaredcos_cap_v2", BetaSchedule::SquaredCosine),
            ],
        )?;
        let betas: Vec<f64> = match (settings.optional::<Vec<f64>>("trained_betas")?, kind) {
            (Some(betas), _) => betas,
            (None, BetaSchedule::Linear) => (0..n).map(|i| between(start, end, i)).collect(),
            (None, BetaSchedule::ScaledLinear) => {
                (0..n).map(|i| between(start.sqrt(), end.sqrt(), i).powi(2)).collect()
            }
            (None, BetaSchedule::SquaredCosine) => {
                let alpha_bar = |t: f64| ((t + 0.008) / 1.008 * std::f64::consts::FRAC_PI_2).cos().powi(2);
                let at = |i: usize| alpha_bar(i as f64 / n as f64);
                (0..n).map(|i| (1.0 - at(i + 1) / at(i)).min(0.999)).collect()
            }
        };
        if betas.is_empty() || betas.iter().any(|b| !(0.0..1.0).contains(b)) {
            return Err(
                settings.unsupported("beta_end", "every beta must lie in [0, 1), and there must be one")
            );
        }
        let mut product = 1.0;
        let mut alphas_cumprod: Vec<f64> = betas
            .iter()
            .map(|beta| {
                product *= 1.0 - beta;
                product
            })
            .collect();
        if settings.or("rescale_betas_zero_snr", false)? {
            rescale_to_zero_snr(&mut alphas_cumprod);
            // A schedule that does not fall, such as one of a single timestep, cannot be stretched.
            if alphas_cumprod.iter().any(|a| !a.is_finite()) {
                return Err(settings
                    .unsupported("rescale_betas_zero_snr", "use false, or betas by which the signal falls"));
            }
        }
        Ok(Self { alphas_cumprod })
    }

    /// Number of training timesteps.
    pub fn len(&self) -> usize {
        self.alphas_cumprod.len()
    }

    /// Whether there is no timestep; never the case for a schedule made by [`from_settings`](Self::from_settings).
    pub fn is_empty(&self) -> bool {
        self.alphas_cumprod.is_empty()
    }

    /// ᾱ of every timestep.
    pub fn alphas_cumprod(&self) -> &[f64] {
        &self.alphas_cumprod
    }

    /// ᾱ_t; timesteps beyond the last count as the last.
    pub fn alpha_bar(&self, timestep: usize) -> f64 {
        self.alphas_cumprod[timestep.min(self.len() - 1)]
    }

    /// σ_t = √((1−ᾱ_t)/ᾱ_t), the noise over the signal.
    pub fn sigma(&self, timestep: usize) -> f64 {
        let a = self.alpha_bar(timestep);
        ((1.0 - a) / a).sqrt()
    }

    /// Signal-to-noise ratio ᾱ_t / (1−ᾱ_t).
    pub fn snr(&self, timestep: usize) -> f64 {
        let a = self.alpha_bar(timestep);
        a / (1.0 - a)
    }

    /// Weight of the squared error at a timestep by min-SNR-γ (arXiv:2303.09556, sec. 3.4).
    pub fn min_snr_weight(&self, timestep: usize, gamma: f64, prediction: Prediction) -> f64 {
        let snr = self.snr(timestep);
        let capped = snr.min(gamma);
        match prediction {
            Prediction::Epsilon => capped / snr,
            Prediction::Velocity => capped / (snr + 1.0),
            Prediction::Sample => capped,
        }
    }

    /// x_t = √ᾱ_t·x₀ + √(1−ᾱ_t)·ε for a batch `[n, …]` with a timestep per element.
    pub fn add_noise(&self, x0: &Tensor, noise: &Tensor, timesteps: &[usize]) -> Result<Tensor> {
        self.combine(x0, f64::sqrt, noise, |a| (1.0 - a).sqrt(), timesteps)
    }

    /// The velocity v = √ᾱ_t·ε − √(1−ᾱ_t)·x₀, the target of v-prediction.
    pub fn velocity(&self, x0: &Tensor, noise: &Tensor, timesteps: &[usize]) -> Result<Tensor> {
        self.combine(noise, f64::sqrt, x0, |a| -(1.0 - a).sqrt(), timesteps)
    }

    /// The target of a network with this kind of prediction, for a batch.
    pub fn target(
        &self,
        prediction: Prediction,
        x0: &Tensor,
        noise: &Tensor,
        timesteps: &[usize],
    ) -> Result<Tensor> {
        match prediction {
            Prediction::Epsilon => Ok(noise.clone()),
            Prediction::Velocity => self.velocity(x0, noise, timesteps),
            Prediction::Sample => Ok(x0.clone()),
        }
    }

    /// x̂₀ from the network's output, for a batch with a timestep per element. Differentiable.
    pub fn predict_x0(
        &self,
        output: &Tensor,
        noisy: &Tensor,
        timesteps: &[usize],
        prediction: Prediction,
    ) -> Result<Tensor> {
        match prediction {
            Prediction::Sample => Ok(output.clone()),
            Prediction::Epsilon => {
                self.combine(noisy, |a| a.sqrt().recip(), output, |a| -((1.0 - a) / a).sqrt(), timesteps)
            }
            Prediction::Velocity => self.combine(noisy, f64::sqrt, output, |a| -(1.0 - a).sqrt(), timesteps),
        }
    }

    fn combine(
        &self,
        x: &Tensor,
        of_x: impl Fn(f64) -> f64,
        y: &Tensor,
        of_y: impl Fn(f64) -> f64,
        timesteps: &[usize],
    ) -> Result<Tensor> {
        let mut shape = vec![1; x.rank()];
        shape[0] = timesteps.len();
        let factors = |f: &dyn Fn(f64) -> f64| {
            let values: Vec<f32> = timesteps.iter().map(|&t| f(self.alpha_bar(t)) as f32).collect();
            Tensor::from_vec(values, shape.as_slice(), x.device())?.to_dtype(compute_type(x))
        };
        let (x, y) = (x.to_dtype(compute_type(x))?, y.to_dtype(compute_type(x))?);
        Ok((x.broadcast_mul(&factors(&of_x)?)? + y.broadcast_mul(&factors(&of_y)?)?)?)
    }
}

/// Samples are combined in f32 at least: in half precision the steps of a sampler would be lost in rounding.
pub(super) fn compute_type(x: &Tensor) -> DType {
    if x.dtype() == DType::F64 { DType::F64 } else { DType::F32 }
}

/// Stretches the schedule so that the last timestep holds no signal (arXiv:2305.08891, algorithm 1).
fn rescale_to_zero_snr(alphas_cumprod: &mut [f64]) {
    let first = alphas_cumprod.first().map_or(1.0, |a| a.sqrt());
    let last = alphas_cumprod.last().map_or(0.0, |a| a.sqrt());
    for a in alphas_cumprod {
        *a = ((a.sqrt() - last) * first / (first - last)).powi(2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;
    use serde_json::json;

    fn schedule() -> Result<NoiseSchedule> {
        let sd = json!({"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"});
        NoiseSchedule::from_settings(&Settings::new("test", sd)?)
    }

    #[test]
    fn a_schedule_that_would_fill_the_memory_or_cannot_be_stretched_is_refused() -> Result<()> {
        let refused = |settings| -> Result<String> {
            let schedule = NoiseSchedule::from_settings(&Settings::new("test", settings)?);
            Ok(schedule.err().map(|error| error.to_string()).unwrap_or_default())
        };
        assert!(refused(json!({"num_train_timesteps": 1_u64 << 60}))?.contains("at most 100000"));
        let single = json!({"num_train_timesteps": 1, "rescale_betas_zero_snr": true});
        assert!(refused(single)?.contains("betas by which the signal falls"));
        Ok(())
    }

    #[test]
    fn the_clean_sample_comes_back_from_every_kind_of_prediction() -> Result<()> {
        let schedule = schedule()?;
        let x0 = Tensor::new(&[[0.3f32, -1.2], [0.9, 0.1]], &Device::Cpu)?;
        let noise = Tensor::new(&[[1.0f32, 0.5], [-0.7, 2.0]], &Device::Cpu)?;
        let ts = [17, 640];
        let noisy = schedule.add_noise(&x0, &noise, &ts)?;
        let velocity = schedule.velocity(&x0, &noise, &ts)?;
        for (output, kind) in
            [(&noise, Prediction::Epsilon), (&velocity, Prediction::Velocity), (&x0, Prediction::Sample)]
        {
            let back = schedule.predict_x0(output, &noisy, &ts, kind)?;
            let worst = (back - &x0)?.abs()?.max_all()?.to_scalar::<f32>()?;
            assert!(worst < 1e-5, "{kind:?}: {worst}");
        }
        Ok(())
    }

    #[test]
    fn a_schedule_rescaled_to_zero_snr_keeps_its_first_value_and_ends_at_zero() -> Result<()> {
        let plain = schedule()?;
        let sd = json!({"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear",
            "rescale_betas_zero_snr": true});
        let rescaled = NoiseSchedule::from_settings(&Settings::new("test", sd)?)?;
        assert!((plain.alpha_bar(0) - rescaled.alpha_bar(0)).abs() < 1e-12);
        assert_eq!(rescaled.alpha_bar(999), 0.0);
        Ok(())
    }
}
