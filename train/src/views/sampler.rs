//! Which views of whom come in which step: a pure function of the seed and the step, so that a run
//! that is resumed, or has more workers, sees the same samples.

use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::people::People;
use photo::range::{OutOfRange, check};

/// What a step is made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SamplerSettings {
    /// People in a step; fewer where there are not as many.
    pub people: usize,
    /// Views of each, encoded in two disjoint sets of random size.
    pub views: usize,
    /// Of how many families a step's people are, where families have several: people who differ in
    /// nothing but their bodies are the hardest to tell apart. 0 draws people alone.
    pub families: usize,
    /// Share of the batches whose people come in families, once it has risen; the others mix people of
    /// different looks.
    pub family_share: f64,
    /// Batches over which that share rises from 0: a training that begins with twins only learns nothing.
    pub family_ramp_steps: u64,
    /// People of whom a view is drawn by the decoder: a drawn view costs as much as several that are
    /// encoded.
    pub drawn: usize,
    /// Share of the steps in which each view sees nothing but itself, so that what single views say
    /// can be stored and combined later.
    pub alone: f64,
}

impl Default for SamplerSettings {
    fn default() -> Self {
        Self {
            people: 16,
            views: 8,
            families: 0,
            family_share: 0.5,
            family_ramp_steps: 1000,
            drawn: 8,
            alone: 0.25,
        }
    }
}

impl SamplerSettings {
    /// Checks the values against their ranges.
    ///
    /// # Errors
    /// Naming the first key that is out of range.
    pub fn check(&self) -> Result<(), OutOfRange> {
        let is_share = |value: f64| (0.0..=1.0).contains(&value);
        check("views.people", &self.people, self.people >= 1, "at least 1")?;
        check("views.views", &self.views, self.views >= 2, "at least 2: they are split into two sets")?;
        check("views.families", &self.families, 2 * self.families <= self.people, "half of `views.people`")?;
        check("views.family_share", &self.family_share, is_share(self.family_share), "0 to 1")?;
        check("views.alone", &self.alone, is_share(self.alone), "0 to 1")
    }
}

/// One step's samples.
#[derive(Clone, Debug, PartialEq)]
pub struct StepPlan {
    /// The people.
    pub rows: Vec<RowPlan>,
    /// Whether views see only themselves.
    pub alone: bool,
    /// Seeds everything else of the step: augmentation, noise.
    pub seed: u64,
}

/// One person's samples.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowPlan {
    /// Who, as an index into [`People::people`].
    pub person: usize,
    /// The views, as indices into the snapshot's photos. Where a person has fewer than the step asks
    /// for, the first stands again behind them, in no set.
    pub views: Vec<usize>,
    /// The set of each: 0, 1, or 2 for none.
    pub sides: Vec<usize>,
    /// Which of the views is drawn by the decoder, from the other set.
    pub target: usize,
    /// Whether it is.
    pub is_drawn: bool,
}

/// The samples of `step`.
pub fn plan(people: &People, settings: &SamplerSettings, seed: u64, step: u64) -> StepPlan {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(step);
    let risen = (step as f64 / settings.family_ramp_steps.max(1) as f64).min(1.0);
    let in_families = rng.random_bool(settings.family_share * risen);
    let families = if in_families { settings.families } else { 0 };
    let mut rows: Vec<RowPlan> = who(people, settings.people, families, &mut rng)
        .into_iter()
        .map(|person| row(person, &people.people[person].views, settings.views, &mut rng))
        .collect();
    for row in rows.iter_mut().take(settings.drawn.max(1)) {
        row.is_drawn = true;
    }
    StepPlan { rows, alone: rng.random_bool(settings.alone), seed: rng.random() }
}

fn who(people: &People, wanted: usize, families: usize, rng: &mut ChaCha8Rng) -> Vec<usize> {
    let wanted = wanted.min(people.people.len());
    let mut chosen: Vec<usize> = Vec::with_capacity(wanted);
    let mut several: Vec<&Vec<usize>> = people.families.iter().filter(|family| family.len() > 1).collect();
    if families > 0 && !several.is_empty() {
        several.shuffle(rng);
        let share = wanted.div_ceil(families);
        for family in several {
            let mut family = family.clone();
            family.shuffle(rng);
            let room = wanted - chosen.len();
            chosen.extend(family.into_iter().take(share.min(room)));
        }
    }
    // The rest at random among those who are not in yet.
    let mut rest: Vec<usize> = (0..people.people.len()).filter(|person| !chosen.contains(person)).collect();
    let missing = wanted - chosen.len();
    chosen.extend(rest.partial_shuffle(rng, missing).0.iter());
    chosen.shuffle(rng); // whoever is drawn by the decoder is of any family
    chosen
}

fn row(person: usize, of: &[usize], count: usize, rng: &mut ChaCha8Rng) -> RowPlan {
    let mut all = of.to_vec();
    let taken = count.max(2).min(all.len());
    let mut views: Vec<usize> = all.partial_shuffle(rng, taken).0.to_vec();
    let first = rng.random_range(1..taken);
    let mut sides: Vec<usize> = (0..taken).map(|view| usize::from(view >= first)).collect();
    let target = rng.random_range(0..taken);
    sides.resize(count.max(2), 2);
    views.resize(count.max(2), views[0]);
    RowPlan { person, views, sides, target, is_drawn: false }
}

#[cfg(test)]
mod tests {
    use super::super::people::Person;
    use super::*;

    fn people(count: usize, views: usize, twins: usize) -> People {
        let person = |index: usize| Person {
            identity: format!("p{index}"),
            views: (index * 100..index * 100 + views).collect(),
            held_out: Vec::new(),
        };
        let families = (0..count).collect::<Vec<_>>().chunks(twins).map(<[usize]>::to_vec).collect();
        People { people: (0..count).map(person).collect(), families, left_out: Vec::new() }
    }

    #[test]
    fn a_step_is_that_of_its_seed_and_number() {
        let people = people(40, 12, 4);
        let settings = SamplerSettings { families: 2, ..SamplerSettings::default() };
        assert_eq!(plan(&people, &settings, 1, 7), plan(&people, &settings, 1, 7));
        assert_ne!(plan(&people, &settings, 1, 7), plan(&people, &settings, 1, 8));
        assert_ne!(plan(&people, &settings, 1, 7), plan(&people, &settings, 2, 7));
    }

    #[test]
    fn sets_are_disjoint_and_both_have_views_and_the_target_is_one_of_them() {
        for (views, step) in
            [(12, 0), (3, 1), (2, 2)].into_iter().flat_map(|(v, s)| (0..20).map(move |i| (v, s + 3 * i)))
        {
            let people = people(30, views, 1);
            for row in plan(&people, &SamplerSettings::default(), 5, step).rows {
                let members = |set| row.sides.iter().filter(|&&side| side == set).count();
                assert!(members(0) > 0 && members(1) > 0);
                assert_eq!(members(0) + members(1), views.min(8));
                assert!(row.sides[row.target] < 2);
                let mut used: Vec<usize> = row.views[..views.min(8)].to_vec();
                used.sort_unstable();
                used.dedup();
                assert_eq!(used.len(), views.min(8));
            }
        }
    }

    #[test]
    fn families_come_more_and_more_often_until_their_share_is_reached() {
        let people = people(64, 4, 8);
        let settings = SamplerSettings { families: 2, family_ramp_steps: 400, ..SamplerSettings::default() };
        let in_two_families = |step: u64| {
            let rows = plan(&people, &settings, 3, step).rows;
            let families: std::collections::BTreeSet<usize> = rows.iter().map(|row| row.person / 8).collect();
            families.len() == 2
        };
        let share = |steps: std::ops::Range<u64>| {
            let count = (steps.end - steps.start) as f64;
            steps.filter(|&step| in_two_families(step)).count() as f64 / count
        };
        assert!(share(0..40) < 0.15);
        let risen = share(400..800);
        assert!((risen - 0.5).abs() < 0.1, "{risen}");
    }

    #[test]
    fn what_the_decoder_draws_in_a_step_of_families_is_of_several() {
        let people = people(64, 4, 8);
        let settings =
            SamplerSettings { families: 2, family_share: 1.0, drawn: 6, ..SamplerSettings::default() };
        let of_several = (1000..1020).filter(|&step| {
            let rows = plan(&people, &settings, 3, step).rows;
            let drawn = rows.iter().filter(|row| row.is_drawn).map(|row| row.person / 8);
            drawn.collect::<std::collections::BTreeSet<_>>().len() == 2
        });
        assert!(of_several.count() > 15);
    }

    #[test]
    fn settings_without_sense_are_refused_by_name() {
        let with = |change: fn(&mut SamplerSettings)| {
            let mut settings = SamplerSettings::default();
            change(&mut settings);
            settings.check().unwrap_err().to_string()
        };
        assert!(SamplerSettings::default().check().is_ok());
        assert!(with(|s| s.family_share = f64::NAN).contains("views.family_share"));
        assert!(with(|s| s.alone = -0.1).contains("views.alone"));
        assert!(with(|s| s.families = 9).contains("views.families = 9"));
        assert!(with(|s| s.views = 1).contains("two sets"));
    }

    #[test]
    fn as_many_people_are_drawn_as_asked_for() {
        let people = people(30, 6, 1);
        for (drawn, expected) in [(3, 3), (100, 16), (0, 1)] {
            let settings = SamplerSettings { drawn, ..SamplerSettings::default() };
            let rows = plan(&people, &settings, 5, 1).rows;
            assert_eq!(rows.iter().filter(|row| row.is_drawn).count(), expected);
        }
    }

    #[test]
    fn nobody_comes_twice_and_families_come_together() {
        let people = people(64, 4, 8);
        let settings =
            SamplerSettings { people: 16, families: 2, family_share: 1.0, ..SamplerSettings::default() };
        for step in 1000..1020 {
            let plan = plan(&people, &settings, 3, step);
            let mut chosen: Vec<usize> = plan.rows.iter().map(|row| row.person).collect();
            chosen.sort_unstable();
            let families: std::collections::BTreeSet<usize> =
                chosen.iter().map(|person| person / 8).collect();
            chosen.dedup();
            assert_eq!((chosen.len(), families.len()), (16, 2));
        }
    }
}
