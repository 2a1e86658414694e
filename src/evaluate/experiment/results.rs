//! What an experiment comes to, `experiment.json`: the page is made of it and of nothing else.

use photo::Digest;
use serde::{Deserialize, Serialize};

use super::plan::ExperimentPlan;
use super::trainings::Trained;

/// The file's name.
pub const FILE: &str = "experiment.json";
/// The version of the file that this program writes and reads.
pub const FORMAT_VERSION: u32 = 4;

/// An experiment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Results {
    /// [`FORMAT_VERSION`].
    pub format_version: u32,
    /// What was done, with what.
    pub provenance: Provenance,
    /// What photos say of themselves, judged as pictures are.
    pub photos: Photos,
    /// The table: each way of drawing somebody.
    pub arms: Vec<ArmFigures>,
    /// The body's stream by the number of photos of c_body.
    pub by_views: Vec<ArmFigures>,
    /// One way beside another.
    pub comparisons: Vec<Comparison>,
    /// The SHA-256 of `pictures.png`, and what its columns show; its rows are people.
    pub pictures: PictureSheet,
}

/// What was done, with what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// The program.
    pub program_version: String,
    /// The plan.
    pub plan: ExperimentPlan,
    /// The trainings, in the order of arms, seeds and people.
    pub trainings: Vec<Trained>,
    /// The base, as it was named.
    pub base: String,
    /// Its digest.
    pub base_sha256: Digest,
    /// The body-VAE's digest.
    pub body_vae: Digest,
    /// The body-VAE's run; null where that is not in the work folder, so that whom it saw is not known.
    pub body_vae_run: Option<String>,
    /// CLIP's digest.
    pub clip: Digest,
    /// The pose model's identity.
    pub pose_model: Option<Digest>,
    /// The sampler.
    pub scheduler: String,
    /// Side of the pictures, and of the photos beside them, in px.
    pub size_px: usize,
    /// The type that the base's UNet computes in: `f32`, `bf16`.
    pub compute: String,
    /// The rank of DreamBooth's updates.
    pub dreambooth_rank: usize,
}

/// A figure over trainings and people.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Estimate {
    /// The mean; null where nobody has a value.
    pub value: Option<f64>,
    /// Lower end of the 95 % interval by bootstrap over people and trainings; null where there is none.
    pub low: Option<f64>,
    /// Its upper end.
    pub high: Option<f64>,
    /// The people whom it is over: of whom everything that it is made of has a value.
    pub people: usize,
    /// The mean of each training's pictures.
    pub by_training: Vec<Option<f64>>,
}

/// The figures of one way of drawing somebody. As in `evaluation.json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArmFigures {
    /// `text`, `ref`, `body`, `both`, `ip-adapter`, `dreambooth`.
    pub arm: String,
    /// Photos of the person that it is given.
    pub photos: usize,
    /// Trainings that draw it; 0 of the plain base.
    pub trainings: usize,
    /// The share of pictures in which somebody is found.
    pub person_found: f64,
    /// Mean relative error of limbs over the torso, against the person's other photos.
    pub limb_ratio_error: Estimate,
    /// The same of widths.
    pub width_error: Estimate,
    /// Both: 0 is another person of the same sex and height, 1 the person's own other photos.
    pub body_score: Estimate,
    /// How often c_body read off the pictures finds the person.
    pub retrieval_at_1: Estimate,
    /// Mean cosine of pictures and prompts.
    pub clip_t: Estimate,
    /// Mean cosine of pictures and the person's other photos.
    pub clip_i: Estimate,
    /// Mean cosine of the pictures' grounds and the reference's.
    pub background_leak: Estimate,
}

/// One way of drawing somebody beside another, on the same people and draws.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Comparison {
    /// The one.
    pub arm: String,
    /// The other.
    pub beside: String,
    /// The one's limb-ratio error over the other's, less 1: −0.1 is a tenth less.
    pub limb_ratio_error: Estimate,
    /// The same of widths.
    pub width_error: Estimate,
    /// The one's body score less the other's.
    pub body_score: Estimate,
    /// The same of retrieval@1.
    pub retrieval_at_1: Estimate,
    /// The one's CLIP-T over the other's, less 1.
    pub clip_t: Estimate,
}

/// What photos say of themselves.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Photos {
    /// The share of photos in which somebody is found.
    pub person_found: f64,
    /// Limbs: the person's other photos.
    pub limb_ratio_error_own: Estimate,
    /// Limbs: another person of the same sex and height.
    pub limb_ratio_error_other: Estimate,
    /// Widths: the person's other photos.
    pub width_error_own: Estimate,
    /// Widths: another person.
    pub width_error_other: Estimate,
    /// Retrieval by the person's own photos.
    pub retrieval_at_1_own: Estimate,
    /// Retrieval by chance.
    pub retrieval_at_1_chance: f64,
    /// How well limbs tell people apart by each statistic, and from how many photos.
    pub limb_statistics: Vec<LimbSeparation>,
}

/// How well limbs tell people apart in photos.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimbSeparation {
    /// `median` or `quantile 0.8`.
    pub statistic: String,
    /// Photos on the one side; on the other are all held-out ones.
    pub photos: usize,
    /// Mean relative error of the person's own photos.
    pub own: Option<f64>,
    /// Of another person's: the nearest in height of the same sex.
    pub other: Option<f64>,
    /// How often the person's own photos are nearer than somebody else's: 0.5 is guessing.
    pub told_apart: Option<f64>,
}

/// The sheet of pictures.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PictureSheet {
    /// Its SHA-256.
    pub sha256: Option<Digest>,
    /// What its columns show.
    pub columns: Vec<String>,
    /// Who its rows are.
    pub rows: Vec<String>,
}

impl Results {
    /// The figures of one arm.
    pub fn arm(&self, key: &str) -> Option<&ArmFigures> {
        self.arms.iter().find(|arm| arm.arm == key)
    }

    /// One arm beside another.
    pub fn beside(&self, arm: &str, other: &str) -> Option<&Comparison> {
        self.comparisons.iter().find(|one| one.arm == arm && one.beside == other)
    }
}
