//! Which views of whom come in which batch: a pure function of the seed and the epoch.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// Some views of one person, as indices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GroupPlan {
    /// Which person, as an index into the numbers of views that were given.
    pub identity: usize,
    /// Which views, as indices among the person's views; distinct.
    pub views: Vec<usize>,
}

/// The batches of one epoch.
///
/// Each person's views are shuffled and cut into groups of `views_per_group`; what does not fill a group waits for
/// another epoch's shuffle. A person with fewer views makes one group of all of them; with fewer than 2, none. A batch
/// has `groups_per_batch` groups, each of another person; it has fewer when no more people have groups left.
pub(crate) fn epoch(
    views: &[usize],
    views_per_group: usize,
    groups_per_batch: usize,
    seed: u64,
    epoch: u64,
) -> Vec<Vec<GroupPlan>> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(epoch);
    let mut waiting: Vec<Vec<GroupPlan>> = views
        .iter()
        .enumerate()
        .map(|(identity, &count)| {
            let mut order: Vec<usize> = (0..count).collect();
            order.shuffle(&mut rng);
            let size = views_per_group.min(count);
            if size < 2 {
                return Vec::new();
            }
            order.chunks_exact(size).map(|views| GroupPlan { identity, views: views.to_vec() }).collect()
        })
        .filter(|groups: &Vec<_>| !groups.is_empty())
        .collect();

    // Always those with the most groups left, so that one person with many views is not alone in the last batches;
    // which of equals is chance.
    let mut batches = Vec::new();
    while !waiting.is_empty() {
        waiting.shuffle(&mut rng);
        waiting.sort_by_key(|groups| std::cmp::Reverse(groups.len()));
        let mut batch: Vec<GroupPlan> =
            waiting.iter_mut().take(groups_per_batch).filter_map(Vec::pop).collect();
        batch.shuffle(&mut rng);
        batches.push(batch);
        waiting.retain(|groups| !groups.is_empty());
    }
    batches.shuffle(&mut rng);
    batches
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const VIEWS: [usize; 7] = [10, 4, 3, 2, 1, 0, 9];

    #[test]
    fn every_view_comes_once_an_epoch_as_far_as_groups_allow() {
        let batches = epoch(&VIEWS, 4, 3, 7, 0);
        let mut seen = BTreeSet::new();
        for group in batches.iter().flatten() {
            assert!(group.views.iter().all(|&view| view < VIEWS[group.identity]));
            assert!(group.views.iter().all(|&view| seen.insert((group.identity, view))));
        }
        let of = |identity| seen.iter().filter(|(i, _)| *i == identity).count();
        assert_eq!([0, 1, 2, 3, 4, 5, 6].map(of), [8, 4, 3, 2, 0, 0, 8]);
    }

    #[test]
    fn what_is_left_over_comes_in_another_epoch() {
        let seen: BTreeSet<usize> = (0..20)
            .flat_map(|number| epoch(&[10], 4, 1, 7, number).concat())
            .flat_map(|group| group.views)
            .collect();
        assert_eq!(seen.len(), 10);
    }

    #[test]
    fn nobody_is_twice_in_a_batch_and_batches_are_full_while_they_can_be() {
        for number in 0..20 {
            let batches = epoch(&[40, 8, 8, 8, 8, 8], 4, 2, 1, number);
            for batch in &batches {
                let people: BTreeSet<usize> = batch.iter().map(|group| group.identity).collect();
                assert_eq!(people.len(), batch.len());
            }
            // 20 groups, of which one person has 10: each batch can have that person and another one
            assert_eq!(batches.len(), 10);
        }
    }

    #[test]
    fn the_order_is_that_of_the_seed_and_the_epoch() {
        let plan = |seed, number| epoch(&VIEWS, 2, 2, seed, number);
        assert_eq!(plan(7, 0), plan(7, 0));
        assert_ne!(plan(7, 0), plan(8, 0));
        assert_ne!(plan(7, 0), plan(7, 1));
        assert_eq!(plan(7, 0).len(), plan(7, 1).len());
    }
}
