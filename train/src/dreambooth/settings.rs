//! What a DreamBooth training is made of.

use photo::range::{OutOfRange, check};
use serde::{Deserialize, Serialize};

/// Table `dreambooth`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DreamBoothSettings {
    /// Photos of the person, the first so many that may be trained on.
    pub photos: usize,
    /// Photos of a step, and as many pictures of the class.
    pub batch: usize,
    /// What is said of them, with an identifier that the base knows nothing of.
    pub prompt: String,
    /// What is said of the class.
    pub class_prompt: String,
    /// Pictures of the class that the base draws before the first step.
    pub class_pictures: usize,
    /// Steps of their sampler, DPM-Solver++.
    pub class_steps: usize,
    /// Their guidance.
    pub class_guidance: f64,
    /// λ of the class's loss; 0 goes without.
    pub prior_weight: f64,
    /// Rank of the updates.
    pub rank: usize,
    /// Their α: an update is scaled by α over rank.
    pub alpha: f64,
}

impl Default for DreamBoothSettings {
    fn default() -> Self {
        Self {
            photos: 4, // the authors take three to five
            batch: 1,  // as the authors
            prompt: "a photo of sks person".to_owned(),
            class_prompt: "a photo of a person".to_owned(),
            class_pictures: 64, // the authors draw 200 for each photo; of the steps here, each is seen some ten times
            class_steps: 20,    // DPM-Solver++ is near its end after 20
            class_guidance: 3.0,
            prior_weight: 1.0, // the authors' λ
            rank: 4,           // as diffusers' DreamBooth script
            alpha: 4.0,
        }
    }
}

impl DreamBoothSettings {
    /// Refuses values out of range.
    ///
    /// # Errors
    /// Naming the key.
    pub fn check(&self) -> Result<(), OutOfRange> {
        check("dreambooth.photos", &self.photos, self.photos >= 1, "at least 1")?;
        check("dreambooth.batch", &self.batch, self.batch >= 1, "at least 1")?;
        for (key, prompt) in
            [("dreambooth.prompt", &self.prompt), ("dreambooth.class_prompt", &self.class_prompt)]
        {
            check(key, prompt, !prompt.trim().is_empty(), "a prompt with words")?;
        }
        let weight = self.prior_weight;
        check(
            "dreambooth.prior_weight",
            &weight,
            weight.is_finite() && weight >= 0.0,
            "0 or a number above",
        )?;
        let pictures = self.class_pictures;
        check("dreambooth.class_pictures", &pictures, pictures >= 1 || weight == 0.0, "at least 1")?;
        check("dreambooth.class_steps", &self.class_steps, self.class_steps >= 1, "at least 1")?;
        let guidance = self.class_guidance;
        check("dreambooth.class_guidance", &guidance, guidance.is_finite() && guidance >= 1.0, "1 or more")?;
        check("dreambooth.rank", &self.rank, self.rank >= 1, "at least 1")?;
        check("dreambooth.alpha", &self.alpha, self.alpha.is_finite() && self.alpha > 0.0, "a number above 0")
    }
}
