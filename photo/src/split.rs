//! Train, validation or test: by identity, from the identity's name, so that a person is never on two sides and photos
//! move nobody.
//!
//! The hash of its name gives an identity a place on a circle from 0 to 1. With the usual shares, the first
//! tenth is for testing, the second for validation, the rest for training. Where a side that is asked for
//! would be empty and there are at least as many people as sides, it borrows the person nearest to it on the
//! circle:
//!
//! - from train, as long as that keeps somebody: test takes the highest place, validation the lowest;
//! - otherwise from the larger of the others.
//!
//! So at most two people are elsewhere than their hash says. Adding people sends those back, or has a
//! newcomer take their turn; nobody else moves, unless train had just one person by hash, or there were fewer
//! people than sides. (No rule that knows only who is there can do without an exception.)

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Digest;
use crate::range::{OutOfRange, check};

/// The side of the dataset that an identity is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// Weights are fitted on it.
    Train,
    /// Settings are chosen on it.
    Validation,
    /// Figures are reported on it.
    Test,
}

impl Split {
    /// `train`, `validation` or `test`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }
}

/// A recipe's `[splits]` section: which share of the people is on which side, the rest training.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Splits {
    /// The share for validation, in 0..1; with 0 there is no such side.
    pub validation: f64,
    /// The share for testing, likewise.
    pub test: f64,
}

impl Default for Splits {
    fn default() -> Self {
        Self { validation: 0.1, test: 0.1 } // 80/10/10 is the usual way to divide a dataset
    }
}

/// The parts that places on the circle are counted in: shares are told apart to a millionth.
const PARTS: u64 = 1_000_000;

impl Splits {
    /// Checks the shares; a percentage where a share is meant is one error, no room for training another.
    ///
    /// # Errors
    /// Naming the share that is out of range.
    pub fn check(&self) -> Result<(), OutOfRange> {
        for (key, share) in [("splits.validation", self.validation), ("splits.test", self.test)] {
            check(key, &share, (0.0..1.0).contains(&share), "from 0 to below 1, a share of the people")?;
            // Below a millionth a share would be none without a word.
            let is_seen = share == 0.0 || parts(share) > 0;
            check(key, &share, is_seen, "0, or at least a millionth")?;
        }
        let sum = self.validation + self.test;
        check(
            "splits.validation + splits.test",
            &sum,
            sum < 1.0,
            "below 1, so that somebody is left to train on",
        )
    }

    /// The side that an identity's hash says, whoever else is there.
    pub fn by_hash(&self, identity: &str) -> Split {
        let (test, validation) = (parts(self.test), parts(self.validation));
        match place(Digest::of(identity)) {
            place if place < test => Split::Test,
            place if place < test + validation => Split::Validation,
            _ => Split::Train,
        }
    }

    /// The side of each of the people of a dataset, in any order; a name that comes twice is one person.
    ///
    /// ```
    /// use photo::{Split, Splits};
    ///
    /// let shares = Splits { validation: 0.2, test: 0.2 };
    /// let few = shares.assign(["demo/ada", "demo/bea", "demo/cleo"]);
    /// for side in [Split::Train, Split::Validation, Split::Test] {
    ///     assert!(few.values().any(|of| *of == side)); // as many people as sides: none is empty
    /// }
    /// ```
    pub fn assign<'a>(&self, identities: impl IntoIterator<Item = &'a str>) -> BTreeMap<&'a str, Split> {
        let mut sides: BTreeMap<&str, Split> =
            identities.into_iter().map(|identity| (identity, self.by_hash(identity))).collect();
        // Train is filled first: it is the one that the others borrow from.
        let asked = [(Split::Train, 1.0), (Split::Test, self.test), (Split::Validation, self.validation)];
        let asked: Vec<Split> =
            asked.into_iter().filter(|(_, share)| *share > 0.0).map(|(of, _)| of).collect();
        if sides.len() < asked.len() {
            return sides;
        }
        for empty in asked {
            if count(&sides, empty) == 0
                && let Some(identity) = nearest(&sides, empty)
            {
                sides.insert(identity, empty);
            }
        }
        sides
    }
}

/// Whom an empty side borrows: nobody where no side has two people.
fn nearest<'a>(sides: &BTreeMap<&'a str, Split>, empty: Split) -> Option<&'a str> {
    let from = if count(sides, Split::Train) > 1 {
        Split::Train
    } else {
        [Split::Validation, Split::Test].into_iter().max_by_key(|&side| count(sides, side))?
    };
    let mut there: Vec<(u64, &str)> = (sides.iter())
        .filter(|(_, side)| **side == from)
        .map(|(identity, _)| (place(Digest::of(identity)), *identity))
        .collect();
    there.sort_unstable();
    // Around the circle: test, validation, train, test.
    let follows = matches!(
        (empty, from),
        (Split::Test, Split::Validation) | (Split::Validation, Split::Train) | (Split::Train, Split::Test)
    );
    let found = if follows { there.first() } else { there.last() };
    found.filter(|_| there.len() > 1).map(|(_, identity)| *identity)
}

fn count(sides: &BTreeMap<&str, Split>, side: Split) -> usize {
    sides.values().filter(|found| **found == side).count()
}

pub(crate) fn parts(share: f64) -> u64 {
    (share * PARTS as f64).round() as u64
}

/// Where a digest stands, from 0 to below [`PARTS`]: first by its hundredth, so that finer shares move nobody who
/// was placed by whole per cents.
pub(crate) fn place(digest: Digest) -> u64 {
    let head = digest.as_bytes()[..8].try_into().expect("a digest has 32 bytes");
    let head = u64::from_be_bytes(head);
    let below = PARTS / 100;
    head % 100 * below + head / 100 % below
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|i| format!("demo/person-{i}")).collect()
    }

    fn assign<'a>(splits: Splits, people: &[&'a str]) -> BTreeMap<&'a str, Split> {
        splits.assign(people.iter().copied())
    }

    /// Who is elsewhere than the hash says.
    fn borrowed<'a>(splits: Splits, sides: &BTreeMap<&'a str, Split>) -> Vec<&'a str> {
        sides.iter().filter(|(name, side)| splits.by_hash(name) != **side).map(|(name, _)| *name).collect()
    }

    /// Sets of people of all sizes up to ten: windows of a list of names, by a step that mixes them.
    fn sets(names: &[String]) -> impl Iterator<Item = Vec<&str>> {
        (3..=10).flat_map(move |size| {
            (0..400).map(move |from| {
                (0..size).map(|i| names[(from * 7 + i * 131) % names.len()].as_str()).collect::<Vec<_>>()
            })
        })
    }

    const SHARES: [Splits; 5] = [
        Splits { validation: 0.1, test: 0.1 },
        Splits { validation: 0.4, test: 0.5 },
        Splits { validation: 0.0, test: 0.02 },
        Splits { validation: 0.001, test: 0.0 },
        Splits { validation: 0.45, test: 0.01 },
    ];

    #[test]
    fn of_many_identities_about_80_10_10_percent_fall_on_each_side() {
        let mut counts = [0_i32; 3];
        for name in names(10_000) {
            counts[Splits::default().by_hash(&name) as usize] += 1;
        }
        for (count, expected) in counts.into_iter().zip([8_000, 1_000, 1_000]) {
            // five standard deviations of a binomial with p = 0.1 and n = 10,000 are 150
            assert!((count - expected).abs() < 200, "{counts:?}");
        }
    }

    #[test]
    fn by_hash_people_are_where_the_first_eight_bytes_modulo_100_put_them() {
        // Python: int.from_bytes(hashlib.sha256(name).digest()[:8]) % 100 is 22, 19 and 4
        let sides =
            ["demo/person-0", "demo/person-18", "demo/person-1"].map(|name| Splits::default().by_hash(name));
        assert_eq!(sides, [Split::Train, Split::Validation, Split::Test]);
    }

    #[test]
    fn with_as_many_people_as_sides_none_is_empty_and_two_people_are_borrowed_at_most() {
        let names = names(997);
        for splits in SHARES {
            for people in sets(&names) {
                let sides = assign(splits, &people);
                for (side, share) in
                    [(Split::Train, 1.0), (Split::Validation, splits.validation), (Split::Test, splits.test)]
                {
                    assert_eq!(count(&sides, side) > 0, share > 0.0, "{splits:?} {sides:?}");
                }
                assert!(borrowed(splits, &sides).len() <= 2, "{splits:?} {sides:?}");
            }
        }
    }

    #[test]
    fn the_order_of_people_and_names_that_come_twice_change_nothing() {
        let names = names(997);
        for people in sets(&names) {
            let mut twice = people.clone();
            twice.reverse();
            twice.extend(&people);
            assert_eq!(assign(SHARES[0], &twice), assign(SHARES[0], &people));
        }
    }

    #[test]
    fn adding_people_moves_at_most_those_who_were_borrowed() {
        let names = names(997);
        let mut moves = 0;
        for splits in SHARES {
            for people in sets(&names) {
                let before = assign(splits, &people);
                let in_train = people.iter().filter(|name| splits.by_hash(name) == Split::Train).count();
                for newcomer in names.iter().step_by(61).filter(|name| !people.contains(&name.as_str())) {
                    let more: Vec<&str> = people.iter().copied().chain([newcomer.as_str()]).collect();
                    let after = assign(splits, &more);
                    let borrowed = borrowed(splits, &before);
                    let moved: Vec<&str> =
                        people.iter().copied().filter(|name| before[name] != after[name]).collect();
                    // With one person in train, or none, its neighbours lend until it can.
                    if in_train > 1 {
                        assert!(
                            moved.iter().all(|name| borrowed.contains(name)),
                            "{newcomer}: {before:?} {after:?}"
                        );
                    }
                    moves += moved.len();
                }
            }
        }
        assert!(moves > 0, "nobody was ever moved, so that nothing is tested");
    }

    #[test]
    fn fewer_people_than_sides_stay_where_their_hash_says() {
        let people = ["demo/person-0", "demo/person-18"];
        assert_eq!(borrowed(SHARES[0], &assign(SHARES[0], &people)), [""; 0]);
        assert!(assign(SHARES[0], &[]).is_empty());
    }

    #[test]
    fn shares_out_of_range_are_refused_by_name() {
        let message = |validation, test| Splits { validation, test }.check().unwrap_err().to_string();
        assert_eq!(Splits::default().check(), Ok(()));
        assert_eq!(Splits { validation: 0.0, test: 0.0 }.check(), Ok(()));
        assert!(message(10.0, 0.1).contains("`splits.validation = 10`"));
        assert!(message(0.1, -0.1).contains("`splits.test = -0.1`"));
        assert!(message(f64::NAN, 0.1).contains("NaN"));
        assert!(message(0.1, 1e-9).contains("at least a millionth"));
        assert!(message(0.5, 0.5).contains("`splits.validation + splits.test = 1`"));
    }
}
