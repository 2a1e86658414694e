//! Noise schedules and samplers, with the arithmetic and the configuration keys of diffusers' schedulers.
//!
//! | module | diffusers | paper |
//! |---|---|---|
//! | [`noise`] | `alphas_cumprod`, `add_noise`, `compute_snr` | arXiv:2006.11239, 2303.09556 |
//! | `ddpm` | `DDPMScheduler` | arXiv:2006.11239 |
//! | `ddim` | `DDIMScheduler` (η = 0) | arXiv:2010.02502 |
//! | `euler` | `EulerDiscreteScheduler` | arXiv:2206.00364; SDXL-Lightning samples with `trailing` spacing |
//! | `dpm` | `DPMSolverMultistepScheduler` (`dpmsolver++`, order 1 and 2) | arXiv:2211.01095 |
//! | [`guidance`] | classifier-free guidance | the paper's eqs. 6 and 10 |

mod ddim;
mod ddpm;
mod dpm;
mod euler;
pub mod guidance;
pub mod noise;
mod spacing;

pub use noise::{NoiseSchedule, Prediction};

use crate::diffusion::json::Settings;
use crate::error::{Error, Result};
use candle_core::Tensor;
use std::path::Path;
use std::str::FromStr;

/// A `scheduler_config.json`.
#[derive(Clone, Debug)]
pub struct SchedulerConfig {
    settings: Settings,
}

impl SchedulerConfig {
    /// Reads a `scheduler_config.json`.
    pub fn read(path: &Path) -> Result<Self> {
        Settings::read(path)?.try_into()
    }

    /// The same configuration with one key replaced, such as `use_karras_sigmas` or `timestep_spacing`.
    #[must_use]
    pub fn with(self, key: &str, value: impl Into<serde_json::Value>) -> Self {
        Self { settings: self.settings.with(key, value) }
    }

    /// The sampler the checkpoint names in `_class_name`. `PNDMScheduler` (SD 1.5) has no counterpart here;
    /// DDIM stands in for it, with the same spacing of timesteps.
    pub fn sampler(&self) -> Result<SamplerKind> {
        self.settings.choice(
            "_class_name",
            &[
                ("DDIMScheduler", SamplerKind::Ddim),
                ("PNDMScheduler", SamplerKind::Ddim),
                ("DDPMScheduler", SamplerKind::Ddpm),
                ("EulerDiscreteScheduler", SamplerKind::Euler),
                ("DPMSolverMultistepScheduler", SamplerKind::DpmSolver),
            ],
        )
    }

    /// What the network was trained to predict.
    pub fn prediction(&self) -> Result<Prediction> {
        Prediction::from_settings(&self.settings)
    }

    /// The noise schedule the network was trained with.
    pub fn noise_schedule(&self) -> Result<NoiseSchedule> {
        NoiseSchedule::from_settings(&self.settings)
    }
}

impl TryFrom<Settings> for SchedulerConfig {
    type Error = Error;

    /// Values that a class wrote only because they are its defaults (`_use_default_values`) do not carry over
    /// to another class.
    fn try_from(settings: Settings) -> Result<Self> {
        let defaults: Vec<String> = settings.or("_use_default_values", Vec::new())?;
        Ok(Self { settings: settings.without(&defaults) })
    }
}

/// Which algorithm steps from noise to sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SamplerKind {
    /// Ancestral sampling, noise at every step.
    Ddpm,
    /// DDIM with η = 0: deterministic.
    Ddim,
    /// Euler's method on the probability-flow ODE.
    Euler,
    /// DPM-Solver++, second order, multistep.
    DpmSolver,
}

impl FromStr for SamplerKind {
    type Err = String;

    fn from_str(name: &str) -> std::result::Result<Self, String> {
        match name {
            "ddpm" => Ok(Self::Ddpm),
            "ddim" => Ok(Self::Ddim),
            "euler" => Ok(Self::Euler),
            "dpm++2m" => Ok(Self::DpmSolver),
            _ => Err(format!("unknown sampler {name:?}; there are ddpm, ddim, euler, dpm++2m")),
        }
    }
}

/// One run of a sampler: timesteps from noisy to clean, and the step between them.
#[derive(Clone, Debug)]
pub struct Sampler {
    timesteps: Vec<f64>,
    method: Method,
}

#[derive(Clone, Debug)]
enum Method {
    Ddpm(ddpm::Ddpm),
    Ddim(ddim::Ddim),
    Euler(euler::Euler),
    DpmSolver(dpm::DpmSolver),
}

impl Sampler {
    /// A run of `steps` steps.
    pub fn new(kind: SamplerKind, config: &SchedulerConfig, steps: usize) -> Result<Self> {
        let settings = &config.settings;
        let schedule = config.noise_schedule()?;
        spacing::check_steps(settings, &schedule, steps)?;
        settings.refuse_if_set(&["thresholding"])?;
        let (timesteps, method) = match kind {
            SamplerKind::Ddpm => {
                let (timesteps, method) = ddpm::Ddpm::new(settings, schedule, steps)?;
                (timesteps, Method::Ddpm(method))
            }
            SamplerKind::Ddim => {
                let (timesteps, method) = ddim::Ddim::new(settings, schedule, steps)?;
                (timesteps, Method::Ddim(method))
            }
            SamplerKind::Euler => {
                let (timesteps, method) = euler::Euler::new(settings, &schedule, steps)?;
                (timesteps, Method::Euler(method))
            }
            SamplerKind::DpmSolver => {
                let (timesteps, method) = dpm::DpmSolver::new(settings, &schedule, steps)?;
                (timesteps, Method::DpmSolver(method))
            }
        };
        Ok(Self { timesteps, method })
    }

    /// The timesteps to be given to the network, one per step, falling. May be fractional.
    pub fn timesteps(&self) -> &[f64] {
        &self.timesteps
    }

    /// The noise levels σ before each step and after the last, where the method works with them.
    pub fn sigmas(&self) -> Option<&[f64]> {
        match &self.method {
            Method::Ddpm(_) | Method::Ddim(_) => None,
            Method::Euler(m) => Some(m.sigmas()),
            Method::DpmSolver(m) => Some(m.sigmas()),
        }
    }

    /// Standard deviation of the noise the run starts from.
    pub fn init_noise_sigma(&self) -> f64 {
        match &self.method {
            Method::Euler(m) => m.init_noise_sigma(),
            Method::Ddpm(_) | Method::Ddim(_) | Method::DpmSolver(_) => 1.0,
        }
    }

    /// Whether step `i` adds fresh noise.
    pub fn adds_noise(&self, i: usize) -> bool {
        matches!(&self.method, Method::Ddpm(_)) && self.timesteps.get(i).is_some_and(|&t| t > 0.0)
    }

    /// What the network gets to see of the sample at step `i`.
    pub fn scale_input(&self, i: usize, sample: &Tensor) -> Result<Tensor> {
        match &self.method {
            Method::Euler(m) => m.scale_input(i, sample),
            Method::Ddpm(_) | Method::Ddim(_) | Method::DpmSolver(_) => Ok(sample.clone()),
        }
    }

    /// Step `i`: from the sample and the network's output to the next sample. The steps are taken in order.
    ///
    /// `noise` (standard normal, of the sample's shape) is read where [`adds_noise`](Self::adds_noise) says
    /// so; without it the mean is taken.
    pub fn step(
        &mut self,
        i: usize,
        output: &Tensor,
        sample: &Tensor,
        noise: Option<&Tensor>,
    ) -> Result<Tensor> {
        let dtype = sample.dtype();
        let (output, sample) =
            (output.to_dtype(noise::compute_type(output))?, sample.to_dtype(noise::compute_type(output))?);
        let next = match &mut self.method {
            Method::Ddpm(m) => {
                let noise = noise.map(|z| z.to_dtype(noise::compute_type(&output))).transpose()?;
                m.step(i, &output, &sample, noise.as_ref())?
            }
            Method::Ddim(m) => m.step(i, &output, &sample)?,
            Method::Euler(m) => m.step(i, &output, &sample)?,
            Method::DpmSolver(m) => m.step(i, &output, &sample)?,
        };
        Ok(next.to_dtype(dtype)?)
    }
}

/// Clamps x̂₀ where the configuration says so (`clip_sample`, on by default in DDPM and DDIM; Stable
/// Diffusion turns it off).
#[derive(Clone, Copy, Debug)]
struct Clip(Option<f64>);

impl Clip {
    fn from_settings(settings: &Settings) -> Result<Self> {
        let range = settings.or("clip_sample_range", 1.0)?;
        Ok(Self(settings.or("clip_sample", true)?.then_some(range)))
    }

    fn apply(self, x0: Tensor) -> Result<Tensor> {
        Ok(match self.0 {
            Some(range) => x0.clamp(-range, range)?,
            None => x0,
        })
    }
}

/// `a·x + b·y`.
fn mix(x: &Tensor, a: f64, y: &Tensor, b: f64) -> Result<Tensor> {
    Ok(((x * a)? + (y * b)?)?)
}
