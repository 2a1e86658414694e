//! What one reading of bodies from one number of views comes to, on everybody or on any draw of
//! them.

use super::bootstrap::{self, DRAWS};
use super::figures::{Figures, Interval};
use super::matrix::Matrix;
use super::probe::r2;

/// The places and predictions that all figures are computed from.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Each bench person's place among all, from 1.
    pub ranks: Vec<usize>,
    /// Each twin's place in the family, family by family.
    pub twin_ranks: Vec<Vec<usize>>,
    /// What the probe says of each bench person, by measure: `[measures][people]`.
    pub predicted: Vec<Vec<f64>>,
}

/// The true measures, and which of them make up the groups.
#[derive(Clone, Debug)]
pub struct Targets {
    /// `[measures][people]`.
    pub truth: Vec<Vec<f64>>,
    /// Indices of the lengths.
    pub lengths: Vec<usize>,
    /// Indices of the widths.
    pub widths: Vec<usize>,
}

/// People and families, as often as they were drawn.
#[derive(Clone, Debug)]
pub struct Draw {
    /// Indices of bench people.
    pub people: Vec<usize>,
    /// Indices of families.
    pub families: Vec<usize>,
}

impl Draw {
    /// Everybody once.
    pub fn everybody(people: usize, families: usize) -> Self {
        Self { people: (0..people).collect(), families: (0..families).collect() }
    }

    /// Draws with replacement; people and families independently, for they are not the same people.
    pub fn bootstrap(people: usize, families: usize, seed: u64) -> Vec<Self> {
        let people = bootstrap::samples(people, DRAWS, seed, 0);
        let families = bootstrap::samples(families, DRAWS, seed, 1);
        people.into_iter().zip(families).map(|(people, families)| Self { people, families }).collect()
    }
}

impl Outcome {
    /// The four figures on the people drawn.
    pub fn figures(&self, targets: &Targets, draw: &Draw) -> Figures {
        let first = |ranks: &[usize]| ranks.iter().filter(|&&rank| rank == 1).count() as f64;
        let found = draw.people.iter().filter(|&&person| self.ranks[person] == 1).count();
        let families = || draw.families.iter().map(|&family| &self.twin_ranks[family]);
        let twins: usize = families().map(Vec::len).sum();
        Figures {
            retrieval_at_1: found as f64 / draw.people.len().max(1) as f64,
            twins_retrieval_at_1: families().map(|ranks| first(ranks)).sum::<f64>() / twins.max(1) as f64,
            r2_lengths: self.group(targets, &targets.lengths, draw),
            r2_widths: self.group(targets, &targets.widths, draw),
        }
    }

    /// R² of one measure on the people drawn.
    pub fn r2(&self, targets: &Targets, measure: usize, draw: &Draw) -> Option<f64> {
        let pick = |column: &[f64]| draw.people.iter().map(|&person| column[person]).collect::<Vec<f64>>();
        r2(&pick(&targets.truth[measure]), &pick(&self.predicted[measure]))
    }

    /// NaN where one of the group is the same in all people drawn: such a draw says nothing.
    fn group(&self, targets: &Targets, measures: &[usize], draw: &Draw) -> f64 {
        let sum: Option<f64> = measures.iter().map(|&measure| self.r2(targets, measure, draw)).sum();
        sum.map_or(f64::NAN, |sum| sum / measures.len() as f64)
    }

    /// The intervals of the figures.
    pub fn intervals(&self, targets: &Targets, draws: &[Draw]) -> Figures<Interval> {
        let everybody = Draw::everybody(self.ranks.len(), self.twin_ranks.len());
        let whole = self.figures(targets, &everybody);
        let mut intervals = intervals(draws.iter().map(|draw| self.figures(targets, draw)));
        let (people, twins) = (self.ranks.len(), self.twin_ranks.iter().map(Vec::len).sum());
        let widen = bootstrap::widen_certainty;
        intervals.retrieval_at_1 = widen(intervals.retrieval_at_1, whole.retrieval_at_1, people);
        intervals.twins_retrieval_at_1 =
            widen(intervals.twins_retrieval_at_1, whole.twins_retrieval_at_1, twins);
        intervals
    }

    /// The intervals of how far this is above `other`, both on the same draws: what both find hard
    /// cancels out.
    pub fn above(&self, other: &Self, targets: &Targets, draws: &[Draw]) -> Figures<Interval> {
        intervals(draws.iter().map(|draw| {
            self.figures(targets, draw).zip(&other.figures(targets, draw), |ours, theirs| ours - theirs)
        }))
    }

    /// Per person, the root mean square of the errors over the measures of both groups, in units of
    /// `scale`, the deviation of each measure among the training people.
    pub fn errors(&self, targets: &Targets, scale: &[f64]) -> Vec<f64> {
        let measures: Vec<usize> = targets.lengths.iter().chain(&targets.widths).copied().collect();
        let people = 0..self.ranks.len();
        people.map(|person| self.measure_error(person, &measures, targets, scale)).collect()
    }

    fn measure_error(&self, person: usize, measures: &[usize], targets: &Targets, scale: &[f64]) -> f64 {
        let square = |&measure: &usize| {
            let error = self.predicted[measure][person] - targets.truth[measure][person];
            (error / scale[measure]).powi(2)
        };
        (measures.iter().map(square).sum::<f64>() / measures.len() as f64).sqrt()
    }
}

/// The columns of a matrix.
pub fn columns(matrix: &Matrix) -> Vec<Vec<f64>> {
    (0..matrix.cols()).map(|index| matrix.column(index)).collect()
}

fn intervals(figures: impl Iterator<Item = Figures>) -> Figures<Interval> {
    let mut values: Figures<Vec<f64>> = Figures::default();
    for figures in figures {
        values.retrieval_at_1.push(figures.retrieval_at_1);
        values.twins_retrieval_at_1.push(figures.twins_retrieval_at_1);
        values.r2_lengths.push(figures.r2_lengths);
        values.r2_widths.push(figures.r2_widths);
    }
    values.map(|values| bootstrap::interval(values.clone()))
}
