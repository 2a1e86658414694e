//! What a bench finds, as the JSON of `bolid bodybench`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::calibration::{Calibration, Copies};

/// Everything a bench finds. The main figures are from [`BodyBench::views`] views.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BodyBench {
    /// Names the people of the bench.
    pub seed: u64,
    /// Unrelated people on the bench.
    pub people: usize,
    /// The share of people who are found first among all, from other views in other clothes.
    pub retrieval_at_1: f64,
    /// The same among those who differ in the measures of their bodies only.
    pub twins_retrieval_at_1: f64,
    /// What a linear probe explains of the bodies' measures.
    pub r2: R2,
    /// All of it against the number of views.
    pub by_views: Vec<ByViews>,
    /// The same figures without c_body.
    pub baselines: Baselines,
    /// 95 % intervals by bootstrap over people.
    pub intervals: Intervals,
    /// The number of views of the main figures.
    pub views: usize,
    /// What names the model.
    pub model: String,
    /// The twins.
    pub twins: Twins,
    /// What guessing would find.
    pub chance: Retrieval,
    /// The mean place of the right person, 1 being the first.
    pub mean_rank: Retrieval,
    /// Retrieval as the baselines do it, by the cosine of means in units of the training people's
    /// spread: what the posterior's width adds is the difference.
    pub by_cosine: Retrieval,
    /// The probe.
    pub probe: Probe,
    /// Which measures are in `r2.lengths` and `r2.widths`.
    pub measures: Measures,
    /// Does σ shrink as the error does?
    pub calibration: Calibration,
    /// And not with copies?
    pub copies: Copies,
}

/// The four figures that are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Figures<T = f64> {
    /// Among all.
    pub retrieval_at_1: T,
    /// Among twins.
    pub twins_retrieval_at_1: T,
    /// Mean R² of the limbs' lengths.
    pub r2_lengths: T,
    /// Mean R² of the torso's widths.
    pub r2_widths: T,
}

/// Ends of an interval.
pub type Interval = [f64; 2];

/// Figures from a number of views.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ByViews {
    /// How many.
    pub views: usize,
    /// The figures.
    #[serde(flatten)]
    pub figures: Figures,
    /// Mean σ of the posterior over people and all dimensions.
    pub sigma: f64,
}

/// R² on people the probe has not seen.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct R2 {
    /// Mean over the limbs' lengths.
    pub lengths: f64,
    /// Mean over the torso's widths.
    pub widths: f64,
    /// Each measure; null where everybody has the same.
    pub each: BTreeMap<String, Option<f64>>,
}

/// Readings without c_body.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Baselines {
    /// Limb ratios straight from the detected joints.
    pub joints: Baseline,
    /// Mean-pooled pixels of the weighted images.
    pub pixels: Baseline,
    /// The plain mean of what the views say, instead of the product of Gaussians.
    pub mean: Baseline,
}

/// A baseline's figures.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    /// From the main number of views.
    #[serde(flatten)]
    pub figures: Figures,
    /// From each number of views.
    pub by_views: Vec<BaselineByViews>,
}

/// A baseline's figures from a number of views.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BaselineByViews {
    /// How many.
    pub views: usize,
    /// The figures.
    #[serde(flatten)]
    pub figures: Figures,
}

/// 95 % intervals, from the same draws of people throughout.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Intervals {
    /// The main figures.
    #[serde(flatten)]
    pub figures: Figures<Interval>,
    /// R² of each measure that differs between people.
    pub each: BTreeMap<String, Interval>,
    /// The figures from each number of views.
    pub by_views: Vec<IntervalsByViews>,
    /// The baselines' figures.
    pub baselines: OfBaselines,
    /// How far c_body is above each baseline, on the same people: above 0 throughout where it is
    /// better.
    pub above: OfBaselines,
}

/// Intervals from a number of views.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct IntervalsByViews {
    /// How many.
    pub views: usize,
    /// The intervals.
    #[serde(flatten)]
    pub figures: Figures<Interval>,
}

/// Intervals for each baseline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OfBaselines {
    /// Joints.
    pub joints: Figures<Interval>,
    /// Pixels.
    pub pixels: Figures<Interval>,
    /// The plain mean.
    pub mean: Figures<Interval>,
}

/// How many twins there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Twins {
    /// People.
    pub people: usize,
    /// Families.
    pub families: usize,
}

/// A figure of both searches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Retrieval {
    /// Among all.
    pub retrieval_at_1: f64,
    /// Among twins.
    pub twins_retrieval_at_1: f64,
}

/// The ridge regression from the main number of views.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Probe {
    /// People it is fitted on.
    pub people: usize,
    /// Its inputs.
    pub features: usize,
    /// The penalty of each measure, on standardised features.
    pub lambda: BTreeMap<String, f64>,
    /// Mean R² of the lengths among the training people, each left out once: far above that of the
    /// bench where the model has learnt its training people by heart.
    pub leave_one_out_lengths: f64,
    /// The same of the widths.
    pub leave_one_out_widths: f64,
}

/// The groups.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measures {
    /// Of `r2.lengths`.
    pub lengths: Vec<String>,
    /// Of `r2.widths`.
    pub widths: Vec<String>,
}

impl<T> Figures<T> {
    /// One thing made of every figure.
    pub fn map<U>(&self, f: impl Fn(&T) -> U) -> Figures<U> {
        Figures {
            retrieval_at_1: f(&self.retrieval_at_1),
            twins_retrieval_at_1: f(&self.twins_retrieval_at_1),
            r2_lengths: f(&self.r2_lengths),
            r2_widths: f(&self.r2_widths),
        }
    }

    /// One thing made of every figure and its counterpart.
    pub fn zip<U, V>(&self, other: &Figures<U>, f: impl Fn(&T, &U) -> V) -> Figures<V> {
        Figures {
            retrieval_at_1: f(&self.retrieval_at_1, &other.retrieval_at_1),
            twins_retrieval_at_1: f(&self.twins_retrieval_at_1, &other.twins_retrieval_at_1),
            r2_lengths: f(&self.r2_lengths, &other.r2_lengths),
            r2_widths: f(&self.r2_widths, &other.r2_widths),
        }
    }

    /// In the order of [`FIGURES`].
    pub fn array(&self) -> [&T; 4] {
        [&self.retrieval_at_1, &self.twins_retrieval_at_1, &self.r2_lengths, &self.r2_widths]
    }
}

/// What people call the four figures.
pub const FIGURES: [&str; 4] = ["retrieval@1", "among twins", "R² lengths", "R² widths"];

impl Baselines {
    /// With their names.
    pub fn named(&self) -> [(&'static str, &Baseline); 3] {
        [("joints", &self.joints), ("pixels", &self.pixels), ("mean", &self.mean)]
    }
}

impl OfBaselines {
    /// With their names, in the order of [`Baselines::named`].
    pub fn named(&self) -> [(&'static str, &Figures<Interval>); 3] {
        [("joints", &self.joints), ("pixels", &self.pixels), ("mean", &self.mean)]
    }
}

impl BodyBench {
    /// The main figures together.
    pub fn figures(&self) -> Figures {
        Figures {
            retrieval_at_1: self.retrieval_at_1,
            twins_retrieval_at_1: self.twins_retrieval_at_1,
            r2_lengths: self.r2.lengths,
            r2_widths: self.r2.widths,
        }
    }
}
