//! Which photos, captions and conditions come in which step: a pure function of the seed and the step.

use photo::Digest;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use snapshot::Snapshot;

use super::settings::{DropoutSettings, ReferencePhoto, SampleSettings};
use crate::views::People;

/// Where a photo comes from, as far as the snapshot knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    sha256: Digest,
    page: Option<String>,
    day: Option<String>,
}

impl Origin {
    /// The origins of all photos of a snapshot, in the order of its table.
    pub fn of(snapshot: &Snapshot) -> Vec<Self> {
        snapshot.photos().iter().map(Self::trace).collect()
    }

    fn trace(photo: &snapshot::KeptPhoto) -> Self {
        Self {
            sha256: photo.facts.sha256,
            page: photo.facts.page_url.clone(),
            // `Wed, 21 Oct 2015 07:28:00 GMT`: without the time of day.
            day: photo.facts.last_modified.as_deref().map(|date| date.chars().take(16).collect()),
        }
    }

    /// Whether both are known to be of another page or another day: photos of one page or day often show one occasion,
    /// with the same clothes and the same room.
    fn is_elsewhere(&self, other: &Self) -> bool {
        let differ = |a: &Option<String>, b: &Option<String>| a.is_some() && b.is_some() && a != b;
        differ(&self.page, &other.page) || differ(&self.day, &other.day)
    }
}

/// Which conditions of a sample are replaced by their null.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// The reference.
    pub reference: bool,
    /// The body.
    pub body: bool,
    /// The caption.
    pub text: bool,
}

impl Dropped {
    /// A draw: each on its own, and all of them together.
    pub fn draw(settings: &DropoutSettings, rng: &mut impl Rng) -> Self {
        let [reference, body, text, all] = [settings.reference, settings.body, settings.text, settings.all]
            .map(|probability| rng.random_bool(probability));
        Self { reference: reference || all, body: body || all, text: text || all }
    }
}

/// One sample; photos by their rows in the snapshot's table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SamplePlan {
    /// Index of the person.
    pub person: usize,
    /// The photo to be predicted.
    pub target: usize,
    /// The photo whose image embedding is the reference; the target only where the settings say so.
    pub reference: usize,
    /// The photos that make c_body, never the target.
    pub views: Vec<usize>,
    /// Whether c_body is drawn from its posterior.
    pub draw_body: bool,
    /// What is left out.
    pub dropped: Dropped,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepPlan {
    /// The samples.
    pub samples: Vec<SamplePlan>,
    /// Whether the reference stream is there at all.
    pub reference_stream: bool,
    /// Whether the body's stream is.
    pub body_stream: bool,
    /// What noise and timesteps follow from.
    pub seed: u64,
}

/// The samples of `step`. `origins` has an entry for each photo of the snapshot.
pub fn plan(
    people: &People,
    origins: &[Origin],
    samples: &SampleSettings,
    dropout: &DropoutSettings,
    seed: u64,
    step: u64,
) -> StepPlan {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(step);
    let mut order: Vec<usize> = Vec::new();
    let drawn = (0..samples.batch).map(|_| {
        // Nobody comes twice before everybody has come.
        if order.is_empty() {
            order = (0..people.people.len()).collect();
            order.shuffle(&mut rng);
        }
        let person = order.pop().unwrap_or_default();
        let views = &people.people[person].views;
        let target = *views.choose(&mut rng).unwrap_or(&0);
        let others = others(target, views, origins);
        let another = *others.choose(&mut rng).unwrap_or(&target);
        let reference = match samples.reference {
            ReferencePhoto::Another => another,
            ReferencePhoto::Target => target,
        };
        let count = rng.random_range(1..=samples.body_views.min(others.len()).max(1));
        let mut shuffled = others;
        let (chosen, _) = shuffled.partial_shuffle(&mut rng, count);
        SamplePlan {
            person,
            target,
            reference,
            views: chosen.to_vec(),
            draw_body: rng.random_bool(samples.draw_body),
            dropped: Dropped::draw(dropout, &mut rng),
        }
    });
    let samples = drawn.collect();
    // The first step has every stream that is trained, so that the audit sees its gradients. A training that
    // never leaves out the body's stream has the reference's as well, even where that is never trained later:
    // that was the rule before the body's could be left out, and the same settings must keep giving the same
    // batches.
    let has = |without: f64, is_first: bool, rng: &mut ChaCha8Rng| !rng.random_bool(without) || is_first;
    let (without_reference, without_body) = (dropout.without_reference_stream, dropout.without_body_stream);
    let is_first = step == 0 && (without_body == 0.0 || without_reference < 1.0);
    let reference_stream = has(without_reference, is_first, &mut rng);
    let seed = rng.random();
    // Drawn after everything else: with `without_body_stream = 0` the other draws stay what they were.
    let body_stream = has(without_body, step == 0 && without_body < 1.0, &mut rng) || !reference_stream;
    StepPlan { samples, reference_stream, body_stream, seed }
}

/// The photos among `views` that may condition `target`: of another page or day where there are any that are known to
/// be, else all but the target and its copies.
pub fn others(target: usize, views: &[usize], origins: &[Origin]) -> Vec<usize> {
    let is_other = |view: &usize| *view != target && origins[*view].sha256 != origins[target].sha256;
    let others: Vec<usize> = views.iter().copied().filter(is_other).collect();
    let elsewhere: Vec<usize> =
        others.iter().copied().filter(|&view| origins[view].is_elsewhere(&origins[target])).collect();
    if elsewhere.is_empty() { others } else { elsewhere }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::views::Person;

    fn people(count: usize, views: usize) -> People {
        let person = |index: usize| Person {
            identity: format!("p{index}"),
            views: (index * views..(index + 1) * views).collect(),
            held_out: Vec::new(),
        };
        People { people: (0..count).map(person).collect(), families: Vec::new(), left_out: Vec::new() }
    }

    /// Two photos a page.
    fn origins(count: usize) -> Vec<Origin> {
        let origin = |index: usize| Origin {
            sha256: Digest::of(index.to_string()),
            page: Some(format!("page {}", index / 2)),
            day: None,
        };
        (0..count).map(origin).collect()
    }

    #[test]
    fn neither_reference_nor_body_ever_contain_the_target_or_a_photo_of_its_page() {
        let (people, origins) = (people(5, 6), origins(30));
        let settings = SampleSettings { batch: 12, ..SampleSettings::default() };
        for step in 0..200 {
            let plan = plan(&people, &origins, &settings, &DropoutSettings::default(), 3, step);
            for sample in plan.samples {
                assert!(!sample.views.is_empty() && sample.views.len() <= 4);
                for view in sample.views.iter().chain([&sample.reference]) {
                    assert_ne!(view / 2, sample.target / 2, "{sample:?}");
                    assert_eq!(view / 6, sample.target / 6, "of the same person");
                }
            }
        }
    }

    #[test]
    fn where_nothing_is_elsewhere_the_other_photos_are_taken_and_copies_are_none() {
        let mut origins = origins(4);
        for origin in &mut origins {
            origin.page = Some("one page".to_owned());
        }
        origins[2].sha256 = origins[0].sha256;
        assert_eq!(others(0, &[0, 1, 2, 3], &origins), [1, 3]);
        origins[3].day = Some("a day".to_owned());
        assert_eq!(others(0, &[0, 1, 2, 3], &origins), [1, 3], "the target's day is not known");
        origins[0].day = Some("another".to_owned());
        assert_eq!(others(0, &[0, 1, 2, 3], &origins), [3]);
    }

    #[test]
    fn a_step_is_that_of_its_seed_and_number_and_everybody_comes_before_anybody_twice() {
        let (people, origins) = (people(7, 4), origins(28));
        let of = |seed, step| {
            plan(&people, &origins, &SampleSettings::default(), &DropoutSettings::default(), seed, step)
        };
        assert_eq!(of(1, 5), of(1, 5));
        assert_ne!(of(1, 5), of(1, 6));
        assert_ne!(of(1, 5), of(2, 5));
        let mut first: Vec<usize> = of(1, 5).samples[..7].iter().map(|sample| sample.person).collect();
        first.sort_unstable();
        assert_eq!(first, [0, 1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn as_an_ip_adapter_the_reference_is_the_target_and_there_is_no_body() {
        let settings =
            SampleSettings { batch: 6, reference: ReferencePhoto::Target, ..SampleSettings::default() };
        let usual = DropoutSettings::default();
        let alone =
            DropoutSettings { without_reference_stream: 0.0, without_body_stream: 1.0, ..usual.clone() };
        for step in 0..50 {
            let of = |settings, dropout| plan(&people(4, 4), &origins(16), settings, dropout, 2, step);
            let found = of(&settings, &alone);
            assert!(found.reference_stream && !found.body_stream);
            assert!(found.samples.iter().all(|sample| sample.reference == sample.target));
            let targets = |plan: &StepPlan| plan.samples.iter().map(|one| one.target).collect::<Vec<_>>();
            let another = of(&SampleSettings { batch: 6, ..SampleSettings::default() }, &usual);
            assert!(another.body_stream && targets(&another) == targets(&found), "the same photos");
        }
    }

    #[test]
    fn the_first_step_has_the_streams_that_are_trained() {
        let first = |without_reference_stream, without_body_stream| {
            let dropout = DropoutSettings {
                without_reference_stream,
                without_body_stream,
                ..DropoutSettings::default()
            };
            let plan = plan(&people(4, 4), &origins(16), &SampleSettings::default(), &dropout, 2, 0);
            (plan.reference_stream, plan.body_stream)
        };
        assert_eq!(first(0.99, 0.0), (true, true));
        assert_eq!(
            first(1.0, 0.0),
            (true, true),
            "as runs of this id had it before the body's could be left out"
        );
        assert_eq!(first(0.0, 1.0), (true, false));
        assert_eq!(first(0.9, 0.9), (true, true));
    }

    #[test]
    fn conditions_are_dropped_independently_at_their_rates() {
        let settings = DropoutSettings::default();
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        const DRAWS: usize = 20_000;
        let draws: Vec<Dropped> = (0..DRAWS).map(|_| Dropped::draw(&settings, &mut rng)).collect();
        let share = |is: &dyn Fn(&Dropped) -> bool| {
            draws.iter().filter(|dropped| is(dropped)).count() as f64 / DRAWS as f64
        };
        // 1 − (1 − p)(1 − all), and the product of both for two.
        let with_all = |p: f64| 1.0 - (1.0 - p) * 0.95;
        assert!((share(&|d| d.reference) - with_all(0.4)).abs() < 0.02);
        assert!((share(&|d| d.body) - with_all(0.1)).abs() < 0.02);
        assert!((share(&|d| d.text) - with_all(0.05)).abs() < 0.02);
        assert!((share(&|d| d.body && d.text) - (0.05 + 0.95 * 0.1 * 0.05)).abs() < 0.02);
    }
}
