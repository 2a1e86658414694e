//! The validation loss: fixed photos, timesteps and noise, with the person's own body, a stranger's and none.
//!
//! The training loss says little about what was learned, since it depends on the timestep far more than on
//! the adapter. Here timesteps and noise are the same every time, so that the three losses differ by the body
//! alone.

use std::collections::BTreeMap;

use super::batch::{AdapterSource, Sample};
use super::model::{Adapter, Lambdas};
use super::objective::Objective;
use super::plan::{Origin, others};
use crate::bodybench::bootstrap::{bootstrap, widen_certainty};
use crate::error::Result;
use crate::views::Person;

/// The timesteps of validation, as shares of the schedule. At high noise the body decides where limbs are, at
/// low noise only their outlines. Each has its own noise; the mean over all is less noisy than any one.
const PLACES: [f64; 8] = [0.15, 0.25, 0.35, 0.45, 0.55, 0.65, 0.75, 0.85];
/// Samples that are computed at once.
const BATCH: usize = 16;
/// What the noise follows from.
const SEED: u64 = 0x00B0_D1E5;

/// One photo to be predicted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// Whose.
    pub identity: String,
    /// Its row in the snapshot's table.
    pub target: usize,
    /// Photos of the same person.
    pub right: Vec<usize>,
    /// Photos of somebody else.
    pub stranger: Vec<usize>,
}

/// The mean errors of one photo over the places, with each body.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CaseErrors {
    /// With the person's own.
    pub right: f64,
    /// With a stranger's.
    pub stranger: f64,
    /// With none: the null condition.
    pub none: f64,
}

impl CaseErrors {
    /// Each error's mean; zeros of none.
    fn mean(errors: &[Self]) -> Self {
        let mean = |of: fn(&Self) -> f64| errors.iter().map(of).sum::<f64>() / errors.len().max(1) as f64;
        Self { right: mean(|e| e.right), stranger: mean(|e| e.stranger), none: mean(|e| e.none) }
    }

    /// Whether the right body explains the photo best.
    pub fn is_right_best(&self) -> bool {
        self.right < self.stranger && self.right < self.none
    }
}

/// Photos of one kind of people.
#[derive(Clone, Debug)]
pub struct Cases {
    /// What the numbers' names begin with: `seen`, `unseen`.
    pub name: &'static str,
    /// The photos.
    pub cases: Vec<Case>,
}

impl Cases {
    /// Held-out photos of people who were trained on: up to `per_person` of each of the first `most` who have some. The
    /// stranger is whoever comes next.
    pub fn held_out(people: &[Person], origins: &[Origin], most: usize, per_person: usize) -> Self {
        let chosen: Vec<&Person> =
            people.iter().filter(|person| !person.held_out.is_empty()).take(most).collect();
        Self { name: "seen", cases: cases(&chosen, people, origins, per_person, |person| &person.held_out) }
    }

    /// Photos of people nobody was trained on.
    pub fn unseen(people: &[Person], origins: &[Origin], most: usize, per_person: usize) -> Self {
        let chosen: Vec<&Person> = people.iter().take(most).collect();
        Self { name: "unseen", cases: cases(&chosen, people, origins, per_person, |person| &person.views) }
    }

    /// The errors of every photo.
    ///
    /// # Errors
    /// Where the cache cannot be read.
    pub fn errors(
        &self,
        objective: &Objective<'_>,
        adapter: &Adapter,
        source: &AdapterSource<'_>,
        body_views: usize,
    ) -> Result<Vec<CaseErrors>> {
        let mut errors = Vec::with_capacity(self.cases.len());
        for (index, chunk) in self.cases.chunks((BATCH / PLACES.len()).max(1)).enumerate() {
            let seed = SEED + index as u64;
            let with = |views_of: &dyn Fn(&Case) -> Option<Vec<usize>>| {
                errors_with_bodies(chunk, views_of, objective, adapter, source, body_views, seed)
            };
            let right = with(&|case| Some(case.right.clone()))?;
            let stranger = with(&|case| Some(case.stranger.clone()))?;
            let none = with(&|_| None)?;
            let all = right.into_iter().zip(stranger).zip(none);
            errors.extend(all.map(|((right, stranger), none)| CaseErrors { right, stranger, none }));
        }
        Ok(errors)
    }

    /// Means, the share of photos and of people that the right body explains best, and the 95 % interval of
    /// the latter by bootstrap over people; nothing of no photos.
    pub fn numbers(&self, errors: &[CaseErrors]) -> BTreeMap<String, f64> {
        let all = CaseErrors::mean(errors);
        let people: Vec<bool> = self.of_people(errors).iter().map(CaseErrors::is_right_best).collect();
        if people.is_empty() {
            return BTreeMap::new();
        }
        let share = |of: &[bool]| of.iter().filter(|is_best| **is_best).count() as f64 / of.len() as f64;
        let photos: Vec<bool> = errors.iter().map(CaseErrors::is_right_best).collect();
        let drawn = |drawn: &[usize]| share(&drawn.iter().map(|&person| people[person]).collect::<Vec<_>>());
        let [low, high] = widen_certainty(bootstrap(people.len(), SEED, drawn), share(&people), people.len());
        [
            ("right", all.right),
            ("stranger", all.stranger),
            ("none", all.none),
            ("right_best", share(&photos)),
            ("people_right_best", share(&people)),
            ("people_right_best_low", low),
            ("people_right_best_high", high),
        ]
        .into_iter()
        .map(|(number, value)| (format!("{}_{number}", self.name), value))
        .collect()
    }

    /// The mean errors of each person's photos.
    fn of_people(&self, errors: &[CaseErrors]) -> Vec<CaseErrors> {
        let mut of: BTreeMap<&str, Vec<CaseErrors>> = BTreeMap::new();
        for (case, errors) in self.cases.iter().zip(errors) {
            of.entry(&case.identity).or_default().push(*errors);
        }
        of.values().map(|errors| CaseErrors::mean(errors)).collect()
    }
}

fn cases<'a>(
    chosen: &[&'a Person],
    everybody: &'a [Person],
    origins: &[Origin],
    per_person: usize,
    targets: impl Fn(&'a Person) -> &'a Vec<usize>,
) -> Vec<Case> {
    let mut cases = Vec::new();
    for person in chosen {
        for &target in targets(person).iter().take(per_person) {
            let right = others(target, &person.views, origins);
            if !right.is_empty() {
                let stranger = find_stranger(person, everybody);
                cases.push(Case { identity: person.identity.clone(), target, right, stranger });
            }
        }
    }
    cases
}

fn find_stranger(person: &Person, everybody: &[Person]) -> Vec<usize> {
    let place = everybody.iter().position(|other| other.identity == person.identity).unwrap_or_default();
    // A twin differs in nothing but the body, so the next person is of another family where there is one.
    let family =
        |identity: &str| identity.rsplit_once('-').map_or(identity.to_owned(), |(f, _)| f.to_owned());
    let next = (1..everybody.len()).map(|step| &everybody[(place + step) % everybody.len()]);
    let mut next = next.skip_while(|other| family(&other.identity) == family(&person.identity));
    next.next()
        .or_else(|| everybody.get((place + 1) % everybody.len()))
        .map_or(Vec::new(), |o| o.views.clone())
}

/// The mean error of each case over the places, with c_body of the views that `views_of` names; `None` is the null
/// condition.
fn errors_with_bodies(
    cases: &[Case],
    views_of: &dyn Fn(&Case) -> Option<Vec<usize>>,
    objective: &Objective<'_>,
    adapter: &Adapter,
    source: &AdapterSource<'_>,
    body_views: usize,
    seed: u64,
) -> Result<Vec<f64>> {
    let mut samples = Vec::with_capacity(cases.len() * PLACES.len());
    for case in cases {
        let views = views_of(case).map(|mut views| {
            views.truncate(body_views);
            views
        });
        let body = views.map(|views| source.body(&views)).transpose()?;
        for place in PLACES {
            samples.push(Sample {
                target: case.target,
                c_body: body.as_ref().map(|body| body.mean.clone()),
                reference: None,
                has_text: true,
                timestep: (place * source.timesteps as f64) as usize,
            });
        }
    }
    // The same seed with every body: the same noise.
    let batch = source.of_samples(&samples, false, seed)?;
    let lambdas = Lambdas { reference: 0.0, body: 1.0 };
    let predicted = objective.predict(adapter, &batch, lambdas)?;
    let errors: Vec<f32> = objective.errors(&batch, &predicted)?.detach().to_vec1()?;
    let mean = |of: &[f32]| of.iter().map(|&e| f64::from(e)).sum::<f64>() / of.len() as f64;
    Ok(errors.chunks(PLACES.len()).map(mean).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_explained_best_by_the_mean_of_all_their_photos() {
        let case = |identity: &str| Case {
            identity: identity.to_owned(),
            target: 0,
            right: vec![1],
            stranger: vec![2],
        };
        let cases = Cases { name: "unseen", cases: ["a", "a", "b", "b"].map(case).to_vec() };
        let errors = |right, none| CaseErrors { right, stranger: 0.9, none };
        // One photo of a is explained better by none, both together are not; those of b are never.
        let found = cases.numbers(&[errors(0.2, 0.5), errors(0.4, 0.3), errors(0.6, 0.3), errors(0.6, 0.3)]);
        assert_eq!((found["unseen_right_best"], found["unseen_people_right_best"]), (0.25, 0.5));
        assert_eq!(
            (found["unseen_people_right_best_low"], found["unseen_people_right_best_high"]),
            (0.0, 1.0)
        );
        assert!((found["unseen_right"] - 0.45).abs() < 1e-12);
        assert!(cases.numbers(&[]).is_empty());
    }
}
