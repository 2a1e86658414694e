//! What a bench is computed from: people whose bodies are known, and what a model made of their
//! views.

use photo::Joints;
use serde::{Deserialize, Serialize};

use super::baselines;
use super::error::BenchError;
use super::retrieval::families;
use super::{LENGTHS, WIDTHS};

/// Everything that [`evaluate`](super::evaluate()) needs.
#[derive(Clone, Debug, Default)]
pub struct BenchInput {
    /// Digest of the model's file, or whatever names it.
    pub model: String,
    /// The names of the measures, in the order of [`Person::measures`]; [`LENGTHS`] and [`WIDTHS`]
    /// are among them.
    pub measures: Vec<String>,
    /// The numbers of views, ascending: 1, 2, 4, 8, 16.
    pub view_counts: Vec<usize>,
    /// The one the main figures and the table of baselines are for: 8.
    pub headline_views: usize,
    /// People that probes are fitted on and features are standardised by. `b`, `copies` and
    /// `family` are not read.
    pub training: Vec<Person>,
    /// Unrelated people: retrieval among all, R², calibration.
    pub bench: Vec<Person>,
    /// Families of people who differ in the measures of their bodies only. `measures` and `copies`
    /// are not read.
    pub twins: Vec<Person>,
}

/// A person whose body is known.
#[derive(Clone, Debug, Default)]
pub struct Person {
    /// The true values, in the order of [`BenchInput::measures`].
    pub measures: Vec<f32>,
    /// Equal among twins.
    pub family: usize,
    /// Half of the views: those that are asked about.
    pub a: Views,
    /// The other half, in other clothes: those that are found.
    pub b: Views,
    /// The posterior from the first view of `a`, given as often as the main number of views.
    pub copies: Option<Gaussian>,
}

/// Views of a person, as many as the largest number of views. The first k of them are "k views".
#[derive(Clone, Debug, Default)]
pub struct Views {
    /// What the model made of the first k views, for each number of views.
    pub estimates: Vec<Estimate>,
    /// Each view's detected joints, px of one size.
    pub joints: Vec<Joints>,
    /// Each view's weighted image as [`baselines::pool`] gives it.
    pub pooled: Vec<Vec<f32>>,
}

/// What a model says of a person from some views.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Estimate {
    /// The product over the views.
    pub posterior: Gaussian,
    /// The plain mean of the means of the single views, `[d]`: a baseline.
    pub view_mean: Vec<f32>,
}

/// A Gaussian with a diagonal covariance.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Gaussian {
    /// `[d]`.
    pub mean: Vec<f32>,
    /// 1/σ², `[d]`, at least 1: the prior N(0, I) is one of the experts.
    pub precision: Vec<f32>,
}

impl Views {
    /// Adds a view: its joints, and its weighted image u8 `[3, size_px, size_px]`.
    ///
    /// # Panics
    /// If the image has another size.
    pub fn push(&mut self, joints: Joints, weighted: &[u8], size_px: usize) {
        self.joints.push(joints);
        self.pooled.push(baselines::pool(weighted, size_px));
    }
}

impl Estimate {
    /// From a posterior and what each view says by itself, each `[d]`.
    pub fn new<R: AsRef<[f32]>>(posterior: Gaussian, of_views: &[R]) -> Self {
        let view_mean = baselines::mean_row(of_views).into_iter().map(|value| value as f32).collect();
        Self { posterior, view_mean }
    }
}

impl Gaussian {
    /// The mean of σ over the dimensions that `of` picks; NaN of none.
    pub fn sigma(&self, of: impl Fn(usize) -> bool) -> f64 {
        let picked = self.precision.iter().enumerate().filter(|(dimension, _)| of(*dimension));
        let (sum, count) = picked.fold((0.0, 0.0), |(sum, count), (_, &precision)| {
            (sum + f64::from(precision).powf(-0.5), count + 1.0)
        });
        sum / count
    }
}

impl BenchInput {
    /// The place of the main number of views among all.
    pub fn headline(&self) -> Option<usize> {
        self.view_counts.iter().position(|&views| views == self.headline_views)
    }

    /// Refuses what would give figures without meaning.
    pub(super) fn check(&self) -> Result<(), BenchError> {
        let ascending = self.view_counts.windows(2).all(|pair| pair[0] < pair[1]);
        if !ascending || self.view_counts.first() != Some(&1) || self.headline().is_none_or(|at| at == 0) {
            return Err(BenchError::ViewCounts {
                counts: self.view_counts.clone(),
                headline: self.headline_views,
            });
        }
        for name in LENGTHS.into_iter().chain(WIDTHS) {
            if !self.measures.iter().any(|given| given == name) {
                return Err(BenchError::MissingMeasure { name, given: self.measures.clone() });
            }
        }
        let sides = [("training", &self.training, 3), ("bench", &self.bench, 2), ("twin", &self.twins, 2)];
        for (side, people, needed) in sides {
            if people.len() < needed {
                return Err(BenchError::TooFewPeople { side, found: people.len(), needed });
            }
            for (person, of_person) in people.iter().enumerate() {
                let at = ValueOf { side, person };
                self.check_person(of_person, at)?;
            }
        }
        let of_person: Vec<usize> = self.twins.iter().map(|twin| twin.family).collect();
        if let Some(alone) = families(&of_person).iter().find(|members| members.len() < 2) {
            return Err(BenchError::LonelyTwin { family: of_person[alone[0]] });
        }
        for (side, people) in [("training", &self.training), ("bench", &self.bench)] {
            for name in LENGTHS.into_iter().chain(WIDTHS) {
                let column = self.measures.iter().position(|given| given == name).unwrap_or_default();
                if people.iter().all(|person| person.measures[column] == people[0].measures[column]) {
                    return Err(BenchError::ConstantMeasure { name: name.to_owned(), side });
                }
            }
        }
        Ok(())
    }

    fn check_person(&self, person: &Person, at: ValueOf) -> Result<(), BenchError> {
        if at.side != "twin" {
            at.count("measures", person.measures.len(), self.measures.len())?;
            at.finite("a measure", &person.measures)?;
        }
        let latent = self.training[0].a.estimates.first().map_or(0, |first| first.posterior.mean.len());
        let halves = [Some(&person.a), (at.side != "training").then_some(&person.b)];
        for views in halves.into_iter().flatten() {
            let most = self.view_counts.last().copied().unwrap_or_default();
            at.count("posteriors", views.estimates.len(), self.view_counts.len())?;
            at.count("views with joints", views.joints.len(), most)?;
            at.count("pooled views", views.pooled.len(), most)?;
            for pooled in &views.pooled {
                at.count("cells of a pooled view", pooled.len(), 3 * baselines::GRID * baselines::GRID)?;
                at.finite("a pooled view", pooled)?;
            }
            for estimate in &views.estimates {
                at.gaussian(&estimate.posterior, latent)?;
                at.count("dimensions of the views' mean", estimate.view_mean.len(), latent)?;
                at.finite("the views' mean", &estimate.view_mean)?;
            }
        }
        if at.side == "bench" {
            let copies = person.copies.as_ref();
            at.count("posteriors of copies", usize::from(copies.is_some()), 1)?;
            copies.map_or(Ok(()), |copies| at.gaussian(copies, latent))?;
        }
        Ok(())
    }
}

/// Whose values are checked.
#[derive(Clone, Copy)]
struct ValueOf {
    side: &'static str,
    person: usize,
}

impl ValueOf {
    fn count(self, what: &'static str, found: usize, expected: usize) -> Result<(), BenchError> {
        let Self { side, person } = self;
        if found == expected {
            Ok(())
        } else {
            Err(BenchError::Count { side, person, what, found, expected })
        }
    }

    fn finite(self, what: &'static str, values: &[f32]) -> Result<(), BenchError> {
        self.all(what, values, f32::is_finite)
    }

    fn gaussian(self, gaussian: &Gaussian, latent: usize) -> Result<(), BenchError> {
        self.count("dimensions of a mean", gaussian.mean.len(), latent)?;
        self.count("dimensions of a precision", gaussian.precision.len(), latent)?;
        self.finite("the mean of a posterior", &gaussian.mean)?;
        // a product that has the prior in it cannot be wider than the prior; rounding aside
        self.all("the precision of a posterior", &gaussian.precision, |value| {
            value.is_finite() && value > 0.999
        })
    }

    fn all(self, what: &'static str, values: &[f32], good: impl Fn(f32) -> bool) -> Result<(), BenchError> {
        let Self { side, person } = self;
        match values.iter().find(|&&value| !good(value)) {
            Some(&value) => Err(BenchError::Value { side, person, what, value }),
            None => Ok(()),
        }
    }
}
