//! What comes out of an evaluation.

use photo::Digest;
use serde::Serialize;
use train::bodybench::bootstrap::bootstrap;
use train::generate::settings::ModelNames;

/// The file's name.
pub const FILE: &str = "evaluation.json";
/// What the features of CLIP are called.
pub const CLIP: &str = "clip";

/// What was evaluated, and how.
#[derive(Clone, Debug, Serialize)]
pub struct Provenance {
    /// The program.
    pub program_version: String,
    /// The adapter, as it was named.
    pub adapter: String,
    /// The models that draw, with digests.
    pub models: ModelNames,
    /// The body-VAE's digest.
    pub body_vae: Digest,
    /// CLIP's digest.
    pub clip: Digest,
    /// Whose features KID and FID are of: `clip`, or the name and digest of the network that was given.
    pub feature_network: String,
    /// The pose model's identity.
    pub pose_model: Option<Digest>,
    /// Who is judged.
    pub people: String,
    /// Photos of each that c_body is made of.
    pub views: usize,
    /// The prompts.
    pub prompts: Vec<String>,
    /// The seeds of each prompt.
    pub seeds: Vec<u64>,
    /// Steps of a picture.
    pub steps: usize,
    /// Guidance.
    pub guidance: f64,
    /// The sampler.
    pub scheduler: String,
    /// Side of the pictures, and of the photos beside them, in px.
    pub size_px: usize,
}

/// What bootstrap and subsets are drawn from.
pub const SEED: u64 = 1;

/// A figure over people.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Figure {
    /// The mean; null where nobody has a value.
    pub value: Option<f64>,
    /// Lower end of the 95 % interval by bootstrap over people; null of one person.
    pub low: Option<f64>,
    /// Its upper end.
    pub high: Option<f64>,
    /// The mean over the worst tenth of the people.
    pub worst_tenth: Option<f64>,
    /// People with a value.
    pub people: usize,
}

/// A distance between sets of pictures.
#[derive(Clone, Debug, Serialize)]
pub struct SetDistance {
    /// The distance; null where there are too few pictures.
    pub value: Option<f64>,
    /// Its deviation over subsets, for the kernel distance.
    pub deviation: Option<f64>,
    /// Whose features are compared.
    pub network: String,
    /// Pictures.
    pub pictures: usize,
    /// Photos.
    pub photos: usize,
    /// What it is worth.
    pub note: Option<String>,
}

/// The figures of one condition.
#[derive(Clone, Debug, Serialize)]
pub struct ConditionFigures {
    /// `text`, `ref`, `body` or `both`.
    pub condition: &'static str,
    /// Weight of the body's stream.
    pub lambda_body: f64,
    /// Weight of the reference's stream.
    pub lambda_ref: f64,
    /// Pictures of each person. Limbs and widths are read off those in which the joints of a torso are sure.
    pub pictures: usize,
    /// The share of pictures in which somebody is found.
    pub person_found: f64,
    /// Mean relative error of limbs over the torso, against the person's other photos.
    pub limb_ratio_error: Figure,
    /// The same between another person's (0) and the person's own other photos' (1).
    pub limb_score: Figure,
    /// As `limb_ratio_error`, of widths at shoulders, waist, hips and thigh.
    pub width_error: Figure,
    /// The same between the two.
    pub width_score: Figure,
    /// Limbs and widths together: 0 is another person of the same sex and height, 1 the person's own other photos.
    pub body_score: Figure,
    /// How often c_body read off the pictures finds the person among all by their other photos.
    pub retrieval_at_1: Figure,
    /// The same between chance (0) and the person's own other photos (1).
    pub retrieval_score: Figure,
    /// The share of people accepted where 1 % of strangers are.
    pub tar_at_1_far: Option<f64>,
    /// OKS-AP of the reference's pose, found by the pose model; null where no reference shows one. Pictures without a
    /// reference say what is reached by chance.
    pub pose_oks_ap: Option<f64>,
    /// The share of joints within a tenth of the person's size of the reference's, where both show them.
    pub pose_pck: Figure,
    /// Mean cosine of pictures and prompts.
    pub clip_t: Figure,
    /// Mean cosine of pictures and the person's other photos.
    pub clip_i: Figure,
    /// Mean cosine of the pictures' grounds and the reference's: how much of it was copied.
    pub background_leak: Figure,
    /// 1 − the mean cosine between pictures of one prompt.
    pub diversity: Figure,
    /// Kernel distance to the photos.
    pub kid: SetDistance,
    /// Fréchet distance to the photos.
    pub fid: SetDistance,
    /// Inception score; null without a network that classifies.
    pub inception_score: Option<SetScore>,
}

/// A score of a set of pictures.
#[derive(Clone, Debug, Serialize)]
pub struct SetScore {
    /// The mean over parts of the set.
    pub value: f64,
    /// The deviation over them.
    pub deviation: f64,
    /// How many parts.
    pub parts: usize,
    /// Pictures.
    pub pictures: usize,
    /// What it is worth.
    pub note: String,
}

/// What the photos say of themselves, judged as the pictures are.
#[derive(Clone, Debug, Serialize)]
pub struct Anchors {
    /// The share of photos in which somebody is found.
    pub person_found: f64,
    /// Limbs: the person's other photos.
    pub limb_ratio_error_ceiling: Figure,
    /// Limbs: another person.
    pub limb_ratio_error_floor: Figure,
    /// Widths: the person's other photos.
    pub width_error_ceiling: Figure,
    /// Widths: another person.
    pub width_error_floor: Figure,
    /// Retrieval by the person's own photos.
    pub retrieval_at_1_ceiling: Figure,
    /// Retrieval by chance.
    pub retrieval_at_1_chance: f64,
    /// OKS-AP of the reference's pose in the photos that c_body is made of, one of which is the reference.
    pub pose_oks_ap: Option<f64>,
}

/// People whom nobody photographed.
#[derive(Clone, Debug, Serialize)]
pub struct PriorBodies {
    /// How many.
    pub count: usize,
    /// How often half of one's pictures find the other half, of other prompts.
    pub retrieval_at_1: Figure,
    /// By chance.
    pub chance: f64,
}

/// An evaluation.
#[derive(Clone, Debug, Serialize)]
pub struct Evaluation {
    /// What was evaluated, and how.
    pub provenance: Provenance,
    /// People judged.
    pub people: usize,
    /// What the photos say of themselves.
    pub anchors: Anchors,
    /// Each condition.
    pub conditions: Vec<ConditionFigures>,
    /// People whom nobody photographed.
    pub prior_bodies: Option<PriorBodies>,
}

/// Which end of a figure is bad.
#[derive(Clone, Copy)]
pub enum Worst {
    /// The high one.
    High,
    /// The low one.
    Low,
}

impl Figure {
    /// Nobody has a value.
    pub const NONE: Self = Self { value: None, low: None, high: None, worst_tenth: None, people: 0 };

    /// The mean of what is known, with its interval.
    pub fn over(values: &[Option<f64>], worst: Worst) -> Self {
        let known: Vec<f64> = values.iter().flatten().copied().collect();
        let people = known.len();
        if people == 0 {
            return Self::NONE;
        }
        let mean_of = |of: &[usize]| of.iter().map(|&i| known[i]).sum::<f64>() / of.len() as f64;
        // One person says nothing of others.
        let ends = (people > 1).then(|| bootstrap(people, SEED, mean_of));
        let mut sorted = known.clone();
        sorted.sort_by(f64::total_cmp);
        if matches!(worst, Worst::High) {
            sorted.reverse();
        }
        sorted.truncate(people.div_ceil(10));
        let tenth = sorted.iter().sum::<f64>() / sorted.len() as f64;
        let all: Vec<usize> = (0..people).collect();
        Self {
            value: Some(mean_of(&all)),
            low: ends.map(|ends| ends[0]),
            high: ends.map(|ends| ends[1]),
            worst_tenth: Some(tenth),
            people,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_of_those_who_have_a_value_and_one_person_has_no_interval() {
        let some: Vec<Option<f64>> = (0..20).map(|i| Some(f64::from(i))).chain([None; 3]).collect();
        let figure = Figure::over(&some, Worst::High);
        assert_eq!((figure.value, figure.worst_tenth, figure.people), (Some(9.5), Some(18.5), 20));
        assert!(figure.low < figure.value && figure.value < figure.high);
        assert_eq!(Figure::over(&some, Worst::Low).worst_tenth, Some(0.5));
        let one = Figure::over(&[None, Some(0.3)], Worst::High);
        assert_eq!((one.value, one.low, one.high, one.people), (Some(0.3), None, None, 1));
        assert_eq!(Figure::over(&[None], Worst::Low).value, None);
    }
}
