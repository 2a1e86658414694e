//! Which views of whom come in which step: a pure function of the seed and the step, so that a run
//! that is resumed, or has more workers, sees the same samples.

use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::people::People;

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
    /// Share of the steps in which each view sees nothing but itself, so that what single views say
    /// can be stored and combined later.
    pub alone: f64,
}

impl Default for SamplerSettings {
    fn default() -> Self {
        Self { people: 16, views: 8, families: 0, alone: 0.25 }
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
}

/// The samples of `step`.
pub fn plan(people: &People, settings: &SamplerSettings, seed: u64, step: u64) -> StepPlan {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(step);
    let rows = who(people, settings, &mut rng)
        .into_iter()
        .map(|person| row(person, &people.people[person].views, settings.views, &mut rng))
        .collect();
    StepPlan { rows, alone: rng.random_bool(settings.alone.clamp(0.0, 1.0)), seed: rng.random() }
}

fn who(people: &People, settings: &SamplerSettings, rng: &mut ChaCha8Rng) -> Vec<usize> {
    let wanted = settings.people.min(people.people.len());
    let mut chosen: Vec<usize> = Vec::with_capacity(wanted);
    let mut families: Vec<&Vec<usize>> = people.families.iter().filter(|family| family.len() > 1).collect();
    if settings.families > 0 && !families.is_empty() {
        families.shuffle(rng);
        let share = wanted.div_ceil(settings.families);
        for family in families {
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
    RowPlan { person, views, sides, target }
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
    fn nobody_comes_twice_and_families_come_together() {
        let people = people(64, 4, 8);
        let settings = SamplerSettings { people: 16, families: 2, ..SamplerSettings::default() };
        for step in 0..20 {
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
