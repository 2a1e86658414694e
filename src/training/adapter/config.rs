//! What an adapter's training is made of: one file for `cache`, `pose-probe` and `adapter`.

use std::path::PathBuf;

use photo::range::{OutOfRange, check};
use serde::{Deserialize, Serialize};
use train::adapter::{AdapterSettings, CaptionSettings, DropoutSettings, ObjectiveSettings, SampleSettings};
use train::fit::FitSettings;
use train::probe::ProbeConfig;

use crate::training::config::Data;

/// The configuration. Tables may be left out, but for `base`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdapterConfig {
    /// The first part of the run's name.
    pub name: String,
    /// What every random number follows from.
    #[serde(default)]
    pub seed: u64,
    /// Weights to begin with instead of random ones: a folder with an adapter, or a run by id, name or
    /// folder. Few people are learned by heart from nothing; what is known of many is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init_from: Option<String>,
    /// What is trained on: exactly one of its keys.
    #[serde(default)]
    pub data: Data,
    /// The frozen base.
    pub base: Base,
    /// What reads references.
    #[serde(default, rename = "ref", skip_serializing_if = "ReferenceModel::is_bases_own")]
    pub reference: ReferenceModel,
    /// The body-VAE.
    #[serde(default)]
    pub body: BodyModel,
    /// What is trained beside the streams.
    #[serde(default)]
    pub adapter: AdapterSettings,
    /// What is said of photos.
    #[serde(default)]
    pub captions: CaptionSettings,
    /// Which photos come together.
    #[serde(default)]
    pub samples: SampleSettings,
    /// How often conditions are left out.
    #[serde(default)]
    pub dropout: DropoutSettings,
    /// The objective.
    #[serde(default)]
    pub objective: ObjectiveSettings,
    /// The pose probe, for L_id.
    #[serde(default)]
    pub probe: Probe,
    /// What the adapter is judged by while it trains.
    #[serde(default)]
    pub validation: Judging,
    /// The adapter's loop.
    #[serde(default)]
    pub fit: FitSettings,
}

/// The frozen base.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Base {
    /// A folder in diffusers' layout, or a repository id such as `stable-diffusion-v1-5/stable-diffusion-v1-5`.
    pub path: String,
    /// The repository's branch, tag or commit.
    #[serde(default = "main")]
    pub revision: String,
    /// The image encoder's folder; left out, `image_encoder` in the base's. `ref.encoder` takes repositories as well.
    #[serde(default)]
    pub image_encoder: Option<PathBuf>,
    /// A whole CLIP model's folder, for L_CLIP; left out, `clip` in the base's.
    #[serde(default)]
    pub clip: Option<PathBuf>,
    /// Side of the pictures in px: 512 for SD 1.5, 1024 for SDXL, 64 for the demo base.
    pub size_px: usize,
    /// Gradient checkpointing: a step takes a third longer and far less memory.
    #[serde(default)]
    pub checkpointing: bool,
}

fn main() -> String {
    "main".to_owned()
}

/// What reads references.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReferenceModel {
    /// The image encoder, CLIP's or EVA02-CLIP's: `eva02-clip-l` and its kin, a folder or a repository id. Left out, that
    /// of `base`.
    pub encoder: Option<String>,
}

impl ReferenceModel {
    fn is_bases_own(&self) -> bool {
        self.encoder.is_none()
    }
}

/// The body-VAE.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BodyModel {
    /// A folder with a model, or a run by id, name or folder.
    pub model: String,
}

impl Default for BodyModel {
    fn default() -> Self {
        Self { model: "data/models/body-vae".to_owned() }
    }
}

/// The pose probe.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Probe {
    /// The run whose probe L_id uses, or a folder with one; left out, the one that `bolid train pose-probe`
    /// makes of this configuration.
    pub model: Option<String>,
    /// Its shape; the latents' are the base's.
    pub network: ProbeShape,
    /// Its loop.
    pub fit: ProbeFit,
}

/// The part of a probe's shape that can be chosen.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProbeShape {
    /// See [`ProbeConfig::channels`].
    pub channels: usize,
    /// See [`ProbeConfig::blocks`].
    pub blocks: usize,
}

impl Default for ProbeShape {
    fn default() -> Self {
        let ProbeConfig { channels, blocks, .. } = ProbeConfig::default();
        Self { channels, blocks }
    }
}

/// How a probe is fitted.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProbeFit {
    /// Updates.
    pub steps: u64,
    /// Photos of a step.
    pub batch: usize,
    /// Highest learning rate.
    pub learning_rate: f64,
    /// The highest σ of noise on the latents, whose own is 1: x̂₀ at ᾱ = 0.5 is about as wrong.
    pub max_sigma: f32,
    /// Steps from one checkpoint to the next.
    pub save_every: u64,
}

impl Default for ProbeFit {
    fn default() -> Self {
        Self { steps: 600, batch: 16, learning_rate: 2e-3, max_sigma: 0.5, save_every: 200 }
    }
}

/// What the adapter is judged by while it trains.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Judging {
    /// At most so many people, of those trained on and of those not.
    pub people: usize,
    /// At most so many photos of each.
    pub photos: usize,
    /// Prompts of the grid; left out, the captions of two held-out photos.
    pub prompts: Vec<String>,
    /// People in the grid.
    pub grid_bodies: usize,
    /// Steps of its sampler, DPM-Solver++.
    pub grid_steps: usize,
    /// Its guidance.
    pub grid_guidance: f64,
}

impl Default for Judging {
    fn default() -> Self {
        Self {
            people: 30,
            photos: 2,
            prompts: Vec::new(),
            grid_bodies: 3,
            grid_steps: 20, // DPM-Solver++ is near its end after 20
            grid_guidance: 3.0,
        }
    }
}

impl AdapterConfig {
    /// Checks every table's values against their ranges, but for those of `fit`.
    ///
    /// # Errors
    /// Naming the first key that is out of range.
    pub fn check(&self) -> Result<(), OutOfRange> {
        self.adapter.check()?;
        self.samples.check()?;
        self.dropout.check()?;
        self.objective.check()?;
        if let (Some(encoder), Some(_)) = (&self.reference.encoder, &self.base.image_encoder) {
            check("ref.encoder", encoder, false, "one of `ref.encoder` and `base.image_encoder`, not both")?;
        }
        let (probe, judging) = (&self.probe.fit, &self.validation);
        let rate = probe.learning_rate;
        let sigma = probe.max_sigma;
        check("probe.fit.steps", &probe.steps, probe.steps >= 1, "at least 1")?;
        check("probe.fit.batch", &probe.batch, probe.batch >= 1, "at least 1")?;
        check("probe.fit.learning_rate", &rate, rate.is_finite() && rate > 0.0, "a number above 0")?;
        check("probe.fit.max_sigma", &sigma, sigma.is_finite() && sigma >= 0.0, "0 or a number above")?;
        check("probe.fit.save_every", &probe.save_every, probe.save_every >= 1, "at least 1")?;
        check("validation.photos", &judging.photos, judging.photos >= 1, "at least 1")?;
        check("validation.grid_steps", &judging.grid_steps, judging.grid_steps >= 1, "at least 1")?;
        let guidance = judging.grid_guidance;
        check("validation.grid_guidance", &guidance, guidance.is_finite() && guidance >= 1.0, "1 or more")?;
        let is_prompt = |prompt: &String| !prompt.trim().is_empty();
        let prompts = judging.prompts.join(" | ");
        let has_words = judging.prompts.iter().all(is_prompt);
        check("validation.prompts", &prompts, has_words, "prompts with words; an empty line is none")
    }
}
