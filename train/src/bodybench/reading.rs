//! One reading of everybody, by c_body or by a baseline, and how it is turned into an outcome.

use rayon::prelude::*;

use super::error::BenchError;
use super::figures::Figures;
use super::input::{BenchInput, Gaussian, Person, Views};
use super::matrix::Matrix;
use super::outcome::{Draw, Outcome, Targets, columns};
use super::probe::{Ridge, lambda_grid};
use super::retrieval::{families, family_ranks, ranks};
use super::scores::{cosine_scores, evidence_scores};
use super::standardise::Scaler;
use super::{LENGTHS, WIDTHS};

/// What all readings share.
pub(super) struct Bench<'a> {
    pub(super) input: &'a BenchInput,
    /// The training people's measures, `[people, measures]`.
    pub(super) training: Matrix,
    pub(super) targets: Targets,
    pub(super) families: Vec<Vec<usize>>,
    pub(super) draws: Vec<Draw>,
}

/// The features of everybody.
pub(super) struct Reading {
    pub(super) training: Matrix,
    pub(super) bench: [Matrix; 2],
    pub(super) twins: [Matrix; 2],
}

/// The model from one number of views.
pub(super) struct FromViews {
    pub(super) reading: Reading,
    pub(super) outcome: Outcome,
    pub(super) probe: Ridge,
}

impl Reading {
    pub(super) fn new(input: &BenchInput, features: impl Fn(&Views) -> Vec<f64> + Sync) -> Self {
        let of = |people: &[Person], half: fn(&Person) -> &Views| {
            Matrix::from_rows(people.par_iter().map(|person| features(half(person))).collect::<Vec<_>>())
        };
        let halves = |people: &[Person]| [of(people, |person| &person.a), of(people, |person| &person.b)];
        Self {
            training: of(&input.training, |person| &person.a),
            bench: halves(&input.bench),
            twins: halves(&input.twins),
        }
    }
}

impl<'a> Bench<'a> {
    pub(super) fn new(input: &'a BenchInput, seed: u64) -> Self {
        let measures = |people: &[Person]| Matrix::from_rows(people.iter().map(|person| &person.measures));
        let indices = |names: &[&str]| {
            (0..input.measures.len()).filter(|&i| names.contains(&input.measures[i].as_str())).collect()
        };
        let of_person: Vec<usize> = input.twins.iter().map(|twin| twin.family).collect();
        let families = families(&of_person);
        Self {
            input,
            training: measures(&input.training),
            targets: Targets {
                truth: columns(&measures(&input.bench)),
                lengths: indices(&LENGTHS),
                widths: indices(&WIDTHS),
            },
            draws: Draw::bootstrap(input.bench.len(), families.len(), seed),
            families,
        }
    }

    pub(super) fn model(&self, k: usize) -> Result<FromViews, BenchError> {
        let reading = Reading::new(self.input, |views| widened(&views.estimates[k].posterior.mean));
        let (bench, twins) = (score_people(&self.input.bench, k), score_people(&self.input.twins, k));
        let (outcome, probe) = self.outcome(&reading, &bench, &twins)?;
        Ok(FromViews { reading, outcome, probe })
    }

    pub(super) fn by_cosine(&self, reading: &Reading) -> Result<Outcome, BenchError> {
        let scaler = Scaler::fit(&reading.training);
        let scores = |[a, b]: &[Matrix; 2]| cosine_scores(&scaler.apply(a), &scaler.apply(b));
        Ok(self.outcome(reading, &scores(&reading.bench), &scores(&reading.twins))?.0)
    }

    fn outcome(
        &self,
        reading: &Reading,
        bench: &Matrix,
        twins: &Matrix,
    ) -> Result<(Outcome, Ridge), BenchError> {
        let probe = Ridge::fit(&reading.training, &self.training, &lambda_grid(self.training.rows()))?;
        let outcome = Outcome {
            ranks: ranks(bench),
            twin_ranks: family_ranks(twins, &self.families),
            predicted: columns(&probe.predict(&reading.bench[0])?),
        };
        Ok((outcome, probe))
    }

    pub(super) fn everybody(&self) -> Draw {
        Draw::everybody(self.input.bench.len(), self.families.len())
    }

    pub(super) fn figures(&self, outcome: &Outcome) -> Figures {
        outcome.figures(&self.targets, &self.everybody())
    }

    pub(super) fn posteriors(&self, k: usize) -> impl Iterator<Item = &Gaussian> {
        self.input.bench.iter().map(move |person| &person.a.estimates[k].posterior)
    }
}

fn score_people(people: &[Person], k: usize) -> Matrix {
    let half = |half: fn(&Person) -> &Views| {
        people.iter().map(|person| half(person).estimates[k].posterior.clone()).collect::<Vec<_>>()
    };
    evidence_scores(&half(|person| &person.a), &half(|person| &person.b))
}

/// As the arithmetic has it.
pub(super) fn widened(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| f64::from(value)).collect()
}
