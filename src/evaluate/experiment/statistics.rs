//! Means over people and trainings, with intervals by bootstrap over both.
//!
//! A draw takes people anew and, independently, trainings anew: pictures of one person err alike in all trainings, and those of
//! one training in all people. Of few trainings the spread is made too small by this, by √((n − 1)/n): a fifth of 3. The
//! values of each training stand beside the interval.

use train::bodybench::bootstrap::{DRAWS, LEVEL, interval, samples, widen_certainty};

use super::results::Estimate;
use super::trainings::Kind;

/// What the draws follow from.
const SEED: u64 = 1;

/// A value of each training and person; `None` where there was nothing to measure it on.
pub type Values = Vec<Vec<Option<f64>>>;

/// Draws of people, and of the trainings of each kind.
pub struct Draws {
    people: Vec<Vec<usize>>,
    adapters: Vec<Vec<usize>>,
    ip_adapters: Vec<Vec<usize>>,
    once: Vec<usize>,
}

/// Values of one arm, and which trainings they are of.
#[derive(Clone, Copy)]
pub struct OfArm<'a> {
    /// The values.
    pub values: &'a Values,
    /// The kind of training.
    pub by: Option<Kind>,
}

impl Draws {
    /// For so many people and trainings.
    pub fn new(people: usize, trainings: usize) -> Self {
        let of_trainings = |stream| samples(trainings, DRAWS, SEED, stream);
        Self {
            people: samples(people, DRAWS, SEED, 0),
            adapters: of_trainings(1),
            ip_adapters: of_trainings(2),
            once: vec![0],
        }
    }

    fn trainings(&self, by: Option<Kind>, draw: usize) -> &[usize] {
        match by {
            Some(Kind::Adapter) => &self.adapters[draw],
            Some(Kind::IpAdapter) => &self.ip_adapters[draw],
            // Drawn by the base, or of each person by a training of their own: people are drawn already.
            Some(Kind::Dreambooth) | None => &self.once,
        }
    }

    /// The mean of an arm's values.
    pub fn mean(&self, of: OfArm<'_>) -> Estimate {
        self.statistic(&[of], |means| means[0])
    }

    /// A share of people, each of whom counts 0 or 1.
    pub fn share(&self, of: OfArm<'_>) -> Estimate {
        let estimate = self.mean(of);
        let (Some(share), Some(low), Some(high)) = (estimate.value, estimate.low, estimate.high) else {
            return estimate;
        };
        let people = of.values.first().map_or(0, Vec::len);
        let [low, high] = widen_certainty([low, high], share, people);
        Estimate { low: Some(low), high: Some(high), ..estimate }
    }

    /// A statistic of the means of several arms on the same people; NaN is no value. It is one of the first arm's trainings
    /// where they are many.
    pub fn statistic(&self, arms: &[OfArm<'_>], of: impl Fn(&[f64]) -> f64) -> Estimate {
        let people = arms.iter().map(|arm| arm.values.first().map_or(0, Vec::len)).min().unwrap_or(0);
        if people == 0 {
            return Estimate::default();
        }
        let everybody: Vec<usize> = (0..people).collect();
        let all = |arm: &OfArm<'_>| (0..arm.values.len()).collect::<Vec<usize>>();
        let at = |people: &[usize], trainings: &dyn Fn(usize, &OfArm<'_>) -> Vec<usize>| {
            let means =
                arms.iter().enumerate().map(|(index, arm)| mean(arm.values, &trainings(index, arm), people));
            of(&means.collect::<Vec<f64>>())
        };
        let value = known(at(&everybody, &|_, arm| all(arm)));
        let drawn: Vec<f64> = (0..self.people.len())
            .map(|draw| at(&self.people[draw], &|_, arm| self.trainings(arm.by, draw).to_vec()))
            .filter(|value| value.is_finite())
            .collect();
        let trainings = arms.first().map_or(0, |arm| arm.values.len());
        let by_training = match trainings {
            0 | 1 => Vec::new(),
            _ => {
                let only = |one: usize| {
                    known(at(&everybody, &|index, arm| if index == 0 { vec![one] } else { all(arm) }))
                };
                (0..trainings).map(only).collect()
            }
        };
        // One person says nothing of others; and an interval of a few lucky draws would be too narrow.
        let is_enough = people > 1 && drawn.len() as f64 >= LEVEL * DRAWS as f64;
        let ends = is_enough.then(|| interval(drawn)).filter(|_| value.is_some());
        Estimate { value, low: ends.map(|ends| ends[0]), high: ends.map(|ends| ends[1]), by_training }
    }
}

fn known(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

/// The mean over what is known of these trainings and people; NaN of nothing.
fn mean(values: &Values, trainings: &[usize], people: &[usize]) -> f64 {
    let of = |&training: &usize| people.iter().filter_map(move |&person| values[training][person]);
    let (sum, count) =
        trainings.iter().flat_map(of).fold((0.0, 0u32), |(sum, count), one| (sum + one, count + 1));
    if count == 0 { f64::NAN } else { sum / f64::from(count) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(of: impl Fn(usize, usize) -> f64, trainings: usize) -> Values {
        (0..trainings).map(|training| (0..20).map(|person| Some(of(training, person))).collect()).collect()
    }

    #[test]
    fn trainings_that_differ_widen_an_interval_that_people_alone_would_not() {
        let draws = Draws::new(20, 3);
        let alike = values(|_, person| person as f64, 3);
        let differ = values(|training, person| person as f64 + 10.0 * training as f64, 3);
        let of = |values| draws.mean(OfArm { values, by: Some(Kind::Adapter) });
        let width = |estimate: &Estimate| estimate.high.expect("an end") - estimate.low.expect("an end");
        let (one, other) = (of(&alike), of(&differ));
        assert_eq!((one.value, other.value), (Some(9.5), Some(19.5)));
        assert_eq!(other.by_training, [Some(9.5), Some(19.5), Some(29.5)]);
        assert!(width(&other) > 2.0 * width(&one), "{one:?} {other:?}");
        assert_eq!(of(&alike), one, "the same again");
    }

    #[test]
    fn a_difference_on_the_same_people_is_surer_than_the_values() {
        let draws = Draws::new(20, 3);
        let (one, other) = (values(|_, person| person as f64, 3), values(|_, person| person as f64 + 1.0, 1));
        let arms = [OfArm { values: &other, by: None }, OfArm { values: &one, by: Some(Kind::Adapter) }];
        let difference = draws.statistic(&arms, |means| means[0] - means[1]);
        assert!((difference.low.expect("an end") - 1.0).abs() < 1e-9 && difference.by_training.is_empty());
    }

    #[test]
    fn who_has_no_value_does_not_count_and_nobody_has_none() {
        let draws = Draws::new(20, 1);
        let mut some = values(|_, person| person as f64, 1);
        some[0][19] = None;
        let of = |values| draws.mean(OfArm { values, by: None });
        assert_eq!(of(&some).value, Some(9.0));
        assert_eq!(of(&vec![vec![None; 20]]), Estimate::default());
        let all = draws.share(OfArm { values: &values(|_, _| 1.0, 1), by: None });
        assert!(all.high == Some(1.0) && all.low < Some(0.9), "{all:?}");
    }
}
