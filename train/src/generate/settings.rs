//! What one picture is made of.

use std::fmt::Write as _;

use photo::Digest;
use serde::{Deserialize, Serialize};

use super::embedding::Embedding;

/// All that decides a picture: the same settings and models give the same bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// What is to be seen.
    pub prompt: String,
    /// What is not.
    pub negative_prompt: String,
    /// Whose body.
    pub body: Option<Embedding>,
    /// What it is to be like.
    pub reference: Option<Embedding>,
    /// Weight of the body's stream.
    pub lambda_body: f64,
    /// Weight of the reference's stream.
    pub lambda_ref: f64,
    /// diffusers' `guidance_scale`; up to 1 there is none.
    pub guidance: f64,
    /// `ddpm`, `ddim`, `euler`, `dpm++2m`.
    pub scheduler: String,
    /// How timesteps are spread, where it is not as the base says: `leading`, `linspace`, `trailing`.
    pub spacing: Option<String>,
    /// Its steps.
    pub steps: usize,
    /// What the noise follows from.
    pub seed: u64,
    /// Width in px.
    pub width: usize,
    /// Height in px.
    pub height: usize,
    /// The models.
    pub models: ModelNames,
    /// The program that drew it.
    pub program_version: String,
}

/// Which models, by name and by the digest over their files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelNames {
    /// The base.
    pub base: ModelName,
    /// A UNet laid over the base's.
    pub unet: Option<ModelName>,
    /// LoRAs, each with its weight.
    pub loras: Vec<(ModelName, f64)>,
    /// The adapter.
    pub adapter: Option<ModelName>,
}

/// A model's folder, file or repository, and the digest over its files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelName {
    /// Where it was.
    pub path: String,
    /// Of all of its files.
    pub sha256: Digest,
}

impl ModelNames {
    /// A base alone.
    pub fn of_base(base: ModelName) -> Self {
        Self { base, unet: None, loras: Vec::new(), adapter: None }
    }
}

impl Settings {
    /// The text that common viewers show (AUTOMATIC1111's `parameters`).
    pub fn parameters(&self) -> String {
        let mut text = self.prompt.clone();
        if !self.negative_prompt.is_empty() {
            text.push_str("\nNegative prompt: ");
            text.push_str(&self.negative_prompt);
        }
        let sampler = match self.scheduler.as_str() {
            "ddpm" => "DDPM",
            "ddim" => "DDIM",
            "euler" => "Euler",
            "dpm++2m" => "DPM++ 2M",
            other => other,
        };
        // A String takes everything that is written to it.
        let _ = write!(
            text,
            "\nSteps: {}, Sampler: {sampler}, CFG scale: {}, Seed: {}, Size: {}x{}, Model: {}, Model hash: {}",
            self.steps,
            self.guidance,
            self.seed,
            self.width,
            self.height,
            last_part(&self.models.base.path),
            &self.models.base.sha256.to_string()[..10],
        );
        if let Some(body) = &self.body {
            let _ = write!(text, ", Body: {}, Lambda body: {}", quoted(&body.name), self.lambda_body);
        }
        if let Some(reference) = &self.reference {
            let _ = write!(text, ", Reference: {}, Lambda ref: {}", quoted(&reference.name), self.lambda_ref);
        }
        let _ = write!(text, ", Version: bolid {}", self.program_version);
        text
    }
}

fn last_part(path: &str) -> &str {
    path.trim_end_matches('/').rsplit('/').next().unwrap_or(path)
}

/// Values with commas or colons stand in quotes, as viewers expect.
fn quoted(value: &str) -> String {
    if value.contains([',', ':', '\n', '"']) { format!("{value:?}") } else { value.to_owned() }
}

#[cfg(test)]
pub(super) fn example() -> Settings {
    Settings {
        prompt: "a photo of a woman".to_owned(),
        negative_prompt: String::new(),
        body: Some(Embedding::of_seed(7, 4)),
        reference: None,
        lambda_body: 0.7,
        lambda_ref: 0.0,
        guidance: 4.0,
        scheduler: "dpm++2m".to_owned(),
        spacing: None,
        steps: 25,
        seed: 3,
        width: 64,
        height: 96,
        models: ModelNames::of_base(ModelName {
            path: "data/models/tiny-sd".to_owned(),
            sha256: Digest::of("base"),
        }),
        program_version: "0.1.0".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn viewers_get_the_lines_that_they_parse() {
        let hash = Digest::of("base").to_string();
        let expected = format!(
            "a photo of a woman\nNegative prompt: blurred\nSteps: 25, Sampler: DPM++ 2M, CFG scale: 4, Seed: 3, \
             Size: 64x96, Model: tiny-sd, Model hash: {}, Body: \"seed:7\", Lambda body: 0.7, Version: bolid 0.1.0",
            &hash[..10]
        );
        let settings = Settings { negative_prompt: "blurred".to_owned(), ..example() };
        assert_eq!(settings.parameters(), expected);
    }
}
