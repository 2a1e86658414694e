//! A loss that tells: fixed photos, timesteps and noise, with the right body, a stranger's and none.
//!
//! A training's own loss says almost nothing of what was learned: it depends on the timestep far more than on the
//! adapter. Here all of that is the same each time, and differences between the three are the body's alone.

use std::collections::BTreeMap;

use super::batch::{AdapterSource, Sample};
use super::model::{Adapter, Lambdas};
use super::objective::Objective;
use super::plan::{Origin, others};
use crate::error::Result;
use crate::views::Person;

/// Where in the schedule photos are looked at, in shares of it. At much noise a body decides where limbs are, at little
/// noise only their outlines.
const PLACES: [f64; 4] = [0.2, 0.4, 0.6, 0.8];
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
            let of = |views: &dyn Fn(&Case) -> Option<Vec<usize>>| -> Result<Vec<f64>> {
                let mut samples = Vec::with_capacity(chunk.len() * PLACES.len());
                for case in chunk {
                    let views = views(case).map(|mut views| {
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
                // The same seed for all three: the same noise.
                let batch = source.of_samples(&samples, false, seed)?;
                let lambdas = Lambdas { reference: 0.0, body: 1.0 };
                let predicted = objective.predict(adapter, &batch, lambdas)?;
                let errors: Vec<f32> = objective.errors(&batch, &predicted)?.detach().to_vec1()?;
                let mean = |of: &[f32]| of.iter().map(|&e| f64::from(e)).sum::<f64>() / of.len() as f64;
                Ok(errors.chunks(PLACES.len()).map(mean).collect())
            };
            let right = of(&|case| Some(case.right.clone()))?;
            let stranger = of(&|case| Some(case.stranger.clone()))?;
            let none = of(&|_| None)?;
            let all = right.into_iter().zip(stranger).zip(none);
            errors.extend(all.map(|((right, stranger), none)| CaseErrors { right, stranger, none }));
        }
        Ok(errors)
    }

    /// Means, and the share of photos that the right body explains best; nothing of no photos.
    pub fn numbers(&self, errors: &[CaseErrors]) -> BTreeMap<String, f64> {
        if errors.is_empty() {
            return BTreeMap::new();
        }
        let mean = |of: fn(&CaseErrors) -> f64| errors.iter().map(of).sum::<f64>() / errors.len() as f64;
        let name = self.name;
        BTreeMap::from([
            (format!("{name}_right"), mean(|e| e.right)),
            (format!("{name}_stranger"), mean(|e| e.stranger)),
            (format!("{name}_none"), mean(|e| e.none)),
            (format!("{name}_right_best"), mean(|e| f64::from(u8::from(e.is_right_best())))),
        ])
    }
}

fn cases<'a>(
    chosen: &[&'a Person],
    everybody: &'a [Person],
    origins: &[Origin],
    per_person: usize,
    targets: impl Fn(&'a Person) -> &'a Vec<usize>,
) -> Vec<Case> {
    let stranger_of = |person: &Person| {
        let place = everybody.iter().position(|other| other.identity == person.identity).unwrap_or_default();
        // A twin differs in nothing but the body, so the next person is of another family where there is one.
        let family =
            |identity: &str| identity.rsplit_once('-').map_or(identity.to_owned(), |(f, _)| f.to_owned());
        let next = (1..everybody.len()).map(|step| &everybody[(place + step) % everybody.len()]);
        let mut next = next.skip_while(|other| family(&other.identity) == family(&person.identity));
        next.next()
            .or_else(|| everybody.get((place + 1) % everybody.len()))
            .map_or(Vec::new(), |o| o.views.clone())
    };
    let mut cases = Vec::new();
    for person in chosen {
        for &target in targets(person).iter().take(per_person) {
            let right = others(target, &person.views, origins);
            if !right.is_empty() {
                let stranger = stranger_of(person);
                cases.push(Case { identity: person.identity.clone(), target, right, stranger });
            }
        }
    }
    cases
}
