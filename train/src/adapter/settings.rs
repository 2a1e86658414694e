//! What an adapter is trained with: tables `captions`, `samples`, `dropout` and `objective` of its configuration.

use photo::range::{OutOfRange, check};
use serde::{Deserialize, Serialize};

use crate::diffusion::scheduler::Prediction;

/// What is said of a photo.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CaptionSettings {
    /// For photos without a caption of their own.
    pub template: String,
    /// Whether a photo's own caption is used. If not, the text never describes the body, and c_body has to.
    pub own: bool,
}

impl Default for CaptionSettings {
    fn default() -> Self {
        Self { template: "a photo of a person".to_owned(), own: true }
    }
}

/// How the streams begin, and what is trained beside them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdapterSettings {
    /// Rank of a low-rank update of the base's attention (LoRA, arXiv:2106.09685); 0 trains none, and only
    /// then a picture without streams is the base's to the bit.
    pub lora_rank: usize,
    /// α of the update, which counts α/rank; 0 is the rank.
    pub lora_alpha: f64,
    /// The gain of the tokens' norm at the start. At 1, as a norm usually begins, tokens of random directions
    /// change every picture at once, and a short training does not make up for that. Not 0: what stands
    /// before the norm would get no gradient.
    pub initial_gain: f64,
}

impl Default for AdapterSettings {
    fn default() -> Self {
        // At the first step a tenth raises the loss ten to a hundred times less than 1 (demo gallery, drawn people).
        Self { lora_rank: 0, lora_alpha: 0.0, initial_gain: 0.1 }
    }
}

impl AdapterSettings {
    /// Refuses values out of range.
    ///
    /// # Errors
    /// Naming the key.
    pub fn check(&self) -> Result<(), OutOfRange> {
        let alpha = self.lora_alpha;
        let gain = self.initial_gain;
        check("adapter.initial_gain", &gain, gain.is_finite() && gain > 0.0, "a number above 0")?;
        check("adapter.lora_rank", &self.lora_rank, self.lora_rank <= 1024, "0 to 1024")?;
        check("adapter.lora_alpha", &alpha, alpha.is_finite() && alpha >= 0.0, "0 or a number above")
    }

    /// Rank and α, where an update is trained.
    pub fn lora(&self) -> Option<(usize, f64)> {
        let alpha = if self.lora_alpha == 0.0 { self.lora_rank as f64 } else { self.lora_alpha };
        (self.lora_rank > 0).then_some((self.lora_rank, alpha))
    }
}

/// Which photos come together in a sample.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SampleSettings {
    /// Samples of one step.
    pub batch: usize,
    /// At most so many views make c_body; how many is drawn from 1 on, so that one photo is enough later on.
    pub body_views: usize,
    /// Share of samples whose c_body is drawn from its posterior instead of being its mean: then bodies of
    /// few photos and of none are among what is trained on, and what no view shows does not matter.
    pub draw_body: f64,
    /// Which photo of the person is the reference. Not written where it is the usual one, so that runs from
    /// before this key keep their ids.
    #[serde(skip_serializing_if = "ReferencePhoto::is_another")]
    pub reference: ReferencePhoto,
}

/// `samples.reference`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReferencePhoto {
    /// Another photo than the one to be predicted: a stream that is shown its target learns to copy.
    #[default]
    Another,
    /// The one to be predicted, as IP-Adapter's own trainer has it.
    Target,
}

impl ReferencePhoto {
    fn is_another(&self) -> bool {
        *self == Self::Another
    }
}

impl Default for SampleSettings {
    fn default() -> Self {
        Self { batch: 16, body_views: 8, draw_body: 0.5, reference: ReferencePhoto::Another }
    }
}

impl SampleSettings {
    /// Refuses values out of range.
    ///
    /// # Errors
    /// Naming the key.
    pub fn check(&self) -> Result<(), OutOfRange> {
        let draws = self.draw_body;
        check("samples.batch", &self.batch, self.batch >= 1, "at least 1")?;
        check("samples.body_views", &self.body_views, (1..=100).contains(&self.body_views), "1 to 100")?;
        check("samples.draw_body", &draws, (0.0..=1.0).contains(&draws), "0 to 1")
    }
}

/// How often a condition is replaced by its null, each independently of the others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DropoutSettings {
    /// Share of samples without the reference.
    pub reference: f64,
    /// Share of samples without the body.
    pub body: f64,
    /// Share of samples with an empty caption.
    pub text: f64,
    /// Share of samples without any of the three.
    pub all: f64,
    /// Share of steps in which the reference stream is left out as a whole, as where the body's file is loaded alone.
    pub without_reference_stream: f64,
    /// The same for the body's stream; 1 trains the reference's alone, as an IP-Adapter. Not written where it
    /// is 0, so that runs from before this key keep their ids.
    #[serde(skip_serializing_if = "is_zero")]
    pub without_body_stream: f64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(share: &f64) -> bool {
    *share == 0.0
}

impl Default for DropoutSettings {
    fn default() -> Self {
        Self {
            // A reference tells almost everything of the picture. Where it is there most of the time, the body's stream
            // is hardly needed, and so hardly learned.
            reference: 0.4,
            body: 0.1, // enough for guidance
            text: 0.05,
            all: 0.05, // IP-Adapter's trainer has 0.05 for each of the three cases
            without_reference_stream: 0.3,
            without_body_stream: 0.0, // the body's stream is what this is for
        }
    }
}

impl DropoutSettings {
    /// Refuses values out of range.
    ///
    /// # Errors
    /// Naming the key.
    pub fn check(&self) -> Result<(), OutOfRange> {
        for (key, value) in [
            ("dropout.reference", self.reference),
            ("dropout.body", self.body),
            ("dropout.text", self.text),
            ("dropout.all", self.all),
            ("dropout.without_reference_stream", self.without_reference_stream),
            ("dropout.without_body_stream", self.without_body_stream),
        ] {
            check(key, &value, (0.0..=1.0).contains(&value), "0 to 1")?;
        }
        // Every step has one stream at least. If one is never used, a step without the other would have to
        // use it, and it would be trained after all.
        let (reference, body) = (self.without_reference_stream, self.without_body_stream);
        let only_reference = body < 1.0 || reference == 0.0;
        check(
            "dropout.without_reference_stream",
            &reference,
            only_reference,
            "0 where without_body_stream is 1",
        )?;
        let only_body = reference < 1.0 || body == 0.0;
        check("dropout.without_body_stream", &body, only_body, "0 where without_reference_stream is 1")
    }
}

/// The objective `L = L_diff + α_id·L_id + β_CLIP·L_CLIP` (paper sec. 4.4) and its options.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ObjectiveSettings {
    /// What the base predicts. A base of the other kind is refused.
    pub prediction: PredictionSetting,
    /// γ of min-SNR weights (arXiv:2303.09556); 0 switches them off.
    pub min_snr_gamma: f64,
    /// Standard deviation of the noise that a channel has in common over the picture, on top of the other; 0 for none.
    pub noise_offset: f64,
    /// Whether the timesteps of a batch are spread evenly over all. The loss then varies less from step to step.
    pub stratified: bool,
    /// Whether cells of padding count nothing in the loss. On: what is learned of bars is drawn later on.
    pub mask_padding: bool,
    /// Weight of the loss far from the body, where W_norm (paper eqs. 11–13) is 0; 1 leaves W_norm out.
    pub outside_weight: f64,
    /// α_id; 0 switches L_id off. Above 0 a pose probe is needed.
    pub alpha_id: f64,
    /// L_id counts where ᾱ of the timestep is above this: below, x̂₀ shows no pose that one could ask for.
    pub id_min_alpha_bar: f64,
    /// β_CLIP; 0 switches L_CLIP off. Above 0 a CLIP model is needed.
    pub beta_clip: f64,
    /// L_CLIP is computed every so many steps: decoding and encoding pictures cost more than the rest of the step.
    pub clip_every: u64,
    /// Samples of a step for L_CLIP, those of least noise.
    pub clip_samples: usize,
}

impl Default for ObjectiveSettings {
    fn default() -> Self {
        Self {
            prediction: PredictionSetting::Epsilon,
            min_snr_gamma: 0.0, // as the paper has it: every timestep counts the same
            noise_offset: 0.0,
            stratified: true,
            mask_padding: true,
            outside_weight: 1.0,
            alpha_id: 0.0,
            id_min_alpha_bar: 0.5,
            beta_clip: 0.0,
            clip_every: 4,
            clip_samples: 4,
        }
    }
}

/// `objective.prediction`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PredictionSetting {
    /// The noise ε: SD 1.5, SDXL.
    Epsilon,
    /// The velocity v: SD 2.x 768.
    VPrediction,
}

impl PredictionSetting {
    /// Its name in a scheduler's configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Epsilon => "epsilon",
            Self::VPrediction => "v_prediction",
        }
    }

    /// What the loss is computed with.
    pub fn prediction(self) -> Prediction {
        match self {
            Self::Epsilon => Prediction::Epsilon,
            Self::VPrediction => Prediction::Velocity,
        }
    }
}

impl ObjectiveSettings {
    /// Refuses values out of range.
    ///
    /// # Errors
    /// Naming the key.
    pub fn check(&self) -> Result<(), OutOfRange> {
        let not_negative = |value: f64| value.is_finite() && value >= 0.0;
        for (key, value) in [
            ("objective.min_snr_gamma", self.min_snr_gamma),
            ("objective.noise_offset", self.noise_offset),
            ("objective.alpha_id", self.alpha_id),
            ("objective.beta_clip", self.beta_clip),
        ] {
            check(key, &value, not_negative(value), "0 or a number above")?;
        }
        for (key, value) in [
            ("objective.outside_weight", self.outside_weight),
            ("objective.id_min_alpha_bar", self.id_min_alpha_bar),
        ] {
            check(key, &value, (0.0..=1.0).contains(&value), "0 to 1")?;
        }
        check("objective.clip_every", &self.clip_every, self.clip_every >= 1, "at least 1")?;
        check("objective.clip_samples", &self.clip_samples, self.clip_samples >= 1, "at least 1")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_one_stream_is_left_out_always_the_other_is_there_always() {
        let with = |without_reference_stream, without_body_stream| {
            let settings = DropoutSettings {
                without_reference_stream,
                without_body_stream,
                ..DropoutSettings::default()
            };
            settings.check().map_err(|error| error.to_string())
        };
        for (reference, body) in [(0.0, 0.0), (0.3, 0.3), (0.0, 1.0), (1.0, 0.0)] {
            assert_eq!(with(reference, body), Ok(()));
        }
        let said = with(0.3, 1.0).expect_err("refused");
        assert!(said.contains("dropout.without_reference_stream") && said.contains("0.3"), "{said}");
        let said = with(1.0, 0.2).expect_err("refused");
        assert!(said.contains("dropout.without_body_stream") && said.contains("0.2"), "{said}");
        assert!(with(1.0, 1.0).is_err());
    }
}
