//! Means over people and trainings, with intervals by bootstrap over both.
//!
//! A draw takes people anew and, independently, trainings anew: pictures of one person err alike in all
//! trainings, and those of one training in all people. Of few trainings the spread is made too small by this,
//! by √((n − 1)/n): a fifth of 3. The values of each training stand beside the interval.
//!
//! Arms are compared on the same people: those of whom each arm has a value, in any of its trainings.
//! Somebody who is found in none of an arm's pictures has no value there, and an arm that breaks the pictures
//! of hard people would gain by their absence.

use train::bodybench::bootstrap::{DRAWS, LEVEL, interval, samples, widen_certainty};

use super::results::Estimate;
use super::trainings::Kind;
use crate::evaluate::readings::mean;

/// What the draws follow from.
const SEED: u64 = 1;

/// A value of each training and person; `None` where there was nothing to measure it on.
pub type Values = Vec<Vec<Option<f64>>>;

/// People drawn anew, and the trainings of each kind, as often as a bootstrap takes.
pub struct Resamples {
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

impl Resamples {
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
        let [low, high] = widen_certainty([low, high], share, estimate.people);
        Estimate { low: Some(low), high: Some(high), ..estimate }
    }

    /// The difference of two shares of the same people, by the person. Where the two agree in everybody, so
    /// do all draws, and a bootstrap claims certainty: then it may be off by as much as the share of people
    /// in whom they would not agree.
    pub fn difference_of_shares(&self, one: OfArm<'_>, other: OfArm<'_>) -> Estimate {
        let estimate = self.statistic(&[one, other], |means| means[0] - means[1]);
        let (Some(value), Some(low), Some(high)) = (estimate.value, estimate.low, estimate.high) else {
            return estimate;
        };
        if low < high {
            return estimate;
        }
        let [_, off] = widen_certainty([0.0; 2], 0.0, estimate.people);
        Estimate { low: Some((value - off).max(-1.0)), high: Some((value + off).min(1.0)), ..estimate }
    }

    /// A statistic of the means of several arms over the people of whom all have a value; NaN is no value. If the
    /// first arm has several trainings, there is also a value for each of them: arms of the same trainings
    /// then count by that training, others by the mean over theirs.
    pub fn statistic(&self, arms: &[OfArm<'_>], of: impl Fn(&[f64]) -> f64) -> Estimate {
        let people = arms.iter().map(|arm| arm.values.first().map_or(0, Vec::len)).min().unwrap_or(0);
        if people == 0 {
            return Estimate::default();
        }
        let everybody: Vec<usize> = (0..people).collect();
        let all = |arm: &OfArm<'_>| (0..arm.values.len()).collect::<Vec<usize>>();
        let at = |people: &[usize], trainings: &dyn Fn(&OfArm<'_>) -> Vec<usize>| {
            let (means, counted) = means(arms, &arms.iter().map(trainings).collect::<Vec<_>>(), people);
            (of(&means), counted)
        };
        let (value, counted) = at(&everybody, &all);
        let value = known(value);
        let drawn: Vec<f64> = (0..self.people.len())
            .map(|draw| at(&self.people[draw], &|arm| self.trainings(arm.by, draw).to_vec()).0)
            .filter(|value| value.is_finite())
            .collect();
        let by_training = match arms.first() {
            Some(first) if first.values.len() > 1 => {
                let only = |one: usize| {
                    let same = |arm: &OfArm<'_>| if arm.by == first.by { vec![one] } else { all(arm) };
                    known(at(&everybody, &same).0)
                };
                (0..first.values.len()).map(only).collect()
            }
            _ => Vec::new(),
        };
        // One person says nothing of others; and an interval of a few lucky draws would be too narrow.
        let is_enough = counted > 1 && drawn.len() as f64 >= LEVEL * DRAWS as f64;
        let ends = is_enough.then(|| interval(drawn)).filter(|_| value.is_some());
        let (low, high) = (ends.map(|ends| ends[0]), ends.map(|ends| ends[1]));
        Estimate { value, low, high, people: counted, by_training }
    }
}

fn known(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

/// The mean of each arm over those of `people` of whom every arm has a value in some of its `trainings`, NaN
/// of nobody; and how many they are. Each counts alike, however many trainings have a value of them.
fn means(arms: &[OfArm<'_>], trainings: &[Vec<usize>], people: &[usize]) -> (Vec<f64>, usize) {
    let mut sums = vec![0.0; arms.len()];
    let mut counted = 0;
    for &person in people {
        let of_arm = |(arm, trainings): (&OfArm<'_>, &Vec<usize>)| {
            mean(trainings.iter().filter_map(|&training| arm.values[training][person]))
        };
        if let Some(of_person) = arms.iter().zip(trainings).map(of_arm).collect::<Option<Vec<f64>>>() {
            sums.iter_mut().zip(of_person).for_each(|(sum, one)| *sum += one);
            counted += 1;
        }
    }
    (sums.into_iter().map(|sum| sum / counted as f64).collect(), counted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(of: impl Fn(usize, usize) -> f64, trainings: usize) -> Values {
        (0..trainings).map(|training| (0..20).map(|person| Some(of(training, person))).collect()).collect()
    }

    #[test]
    fn trainings_that_differ_widen_an_interval_that_people_alone_would_not() {
        let resamples = Resamples::new(20, 3);
        let alike = values(|_, person| person as f64, 3);
        let differ = values(|training, person| person as f64 + 10.0 * training as f64, 3);
        let of = |values| resamples.mean(OfArm { values, by: Some(Kind::Adapter) });
        let width = |estimate: &Estimate| estimate.high.expect("an end") - estimate.low.expect("an end");
        let (one, other) = (of(&alike), of(&differ));
        assert_eq!((one.value, other.value), (Some(9.5), Some(19.5)));
        assert_eq!(other.by_training, [Some(9.5), Some(19.5), Some(29.5)]);
        assert!(width(&other) > 2.0 * width(&one), "{one:?} {other:?}");
        assert_eq!(of(&alike), one, "the same again");
    }

    #[test]
    fn a_difference_on_the_same_people_is_surer_than_the_values() {
        let resamples = Resamples::new(20, 3);
        let (one, other) = (values(|_, person| person as f64, 3), values(|_, person| person as f64 + 1.0, 1));
        let arms = [OfArm { values: &other, by: None }, OfArm { values: &one, by: Some(Kind::Adapter) }];
        let difference = resamples.statistic(&arms, |means| means[0] - means[1]);
        assert!((difference.low.expect("an end") - 1.0).abs() < 1e-9 && difference.by_training.is_empty());
    }

    #[test]
    fn an_arm_that_breaks_hard_people_gains_nothing_by_their_absence() {
        let resamples = Resamples::new(20, 3);
        // The second half is ten times as hard.
        let hard = |person: usize| if person < 10 { 1.0 } else { 10.0 };
        let (mut ours, theirs) = (values(|_, person| hard(person), 3), values(|_, person| hard(person), 1));
        for row in &mut ours {
            row[11..].fill(None);
        }
        // One of the hard ones is seen in one training of three, and counts as everybody does.
        (ours[0][10], ours[2][10]) = (None, None);
        let arms = [OfArm { values: &ours, by: Some(Kind::Adapter) }, OfArm { values: &theirs, by: None }];
        let ratio = resamples.statistic(&arms, |means| means[0] / means[1] - 1.0);
        assert_eq!((ratio.value, ratio.low, ratio.high, ratio.people), (Some(0.0), Some(0.0), Some(0.0), 11));
        assert_eq!(ratio.by_training, [Some(0.0); 3]);
        let means = resamples.statistic(&arms, |means| means[1]);
        assert_eq!(means.value, Some(20.0 / 11.0));
        assert_eq!(resamples.mean(arms[1]).people, 20, "alone, everybody counts");
    }

    #[test]
    fn arms_of_the_same_trainings_are_compared_training_by_training() {
        let resamples = Resamples::new(20, 3);
        let of =
            |shift: f64| values(move |training, person| person as f64 + 10.0 * training as f64 + shift, 3);
        let (body, reference, other) = (of(1.0), of(0.0), of(0.0));
        let difference = |beside: OfArm<'_>| {
            let body = OfArm { values: &body, by: Some(Kind::Adapter) };
            resamples.statistic(&[body, beside], |means| means[0] - means[1])
        };
        let same = difference(OfArm { values: &reference, by: Some(Kind::Adapter) });
        assert_eq!(same.by_training, [Some(1.0); 3]);
        let others = difference(OfArm { values: &other, by: Some(Kind::IpAdapter) });
        assert_eq!(others.by_training, [Some(-9.0), Some(1.0), Some(11.0)], "other trainings: their mean");
    }

    #[test]
    fn who_has_no_value_does_not_count_and_nobody_has_none() {
        let resamples = Resamples::new(20, 1);
        let mut some = values(|_, person| person as f64, 1);
        some[0][19] = None;
        let of = |values| resamples.mean(OfArm { values, by: None });
        assert_eq!((of(&some).value, of(&some).people), (Some(9.0), 19));
        assert_eq!(of(&vec![vec![None; 20]]), Estimate::default());
        let all = resamples.share(OfArm { values: &values(|_, _| 1.0, 1), by: None });
        assert!(all.high == Some(1.0) && all.low < Some(0.9), "{all:?}");
    }

    #[test]
    fn arms_that_agree_in_everybody_are_not_certain_to_agree_in_others() {
        let resamples = Resamples::new(20, 3);
        let adapter = |values| OfArm { values, by: Some(Kind::Adapter) };
        let (found, never) = (values(|_, _| 1.0, 3), values(|_, _| 0.0, 3));
        let same = resamples.difference_of_shares(adapter(&found), adapter(&found));
        // As much as of 20 people of whom none disagrees: 1 − 0.05^(1/20).
        let off = 0.139_108_3;
        let ends = |of: &Estimate| [of.low, of.high].map(|end| end.expect("an end"));
        let near = |found: [f64; 2], wanted: [f64; 2]| {
            found.iter().zip(wanted).all(|(found, wanted)| (found - wanted).abs() < 1e-6)
        };
        assert!(same.value == Some(0.0) && near(ends(&same), [-off, off]), "{same:?}");
        let all = resamples.difference_of_shares(adapter(&found), adapter(&never));
        assert!(all.value == Some(1.0) && near(ends(&all), [1.0 - off, 1.0]), "{all:?}");
        // Where some differ, the draws do.
        let half = values(|_, person| (person % 2) as f64, 3);
        let some = resamples.difference_of_shares(adapter(&found), adapter(&half));
        let drawn = resamples.statistic(&[adapter(&found), adapter(&half)], |means| means[0] - means[1]);
        assert_eq!(some, drawn);
    }
}
