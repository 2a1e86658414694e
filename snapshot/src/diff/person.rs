//! People who came, went or have other photos.

use std::collections::BTreeMap;

use photo::Split;
use serde::Serialize;

use super::photo::PhotoState;

/// A person of whom two snapshots say something else.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PersonChange {
    /// `site/slug`.
    pub identity: String,
    /// How the first snapshot has the person; `None` where it does not.
    pub before: Option<PersonState>,
    /// How the second one has.
    pub after: Option<PersonState>,
}

/// What a snapshot has of a person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PersonState {
    /// The person's side; `None` where no photo is kept.
    pub split: Option<Split>,
    /// Kept photos.
    pub kept: usize,
    /// Dropped photos.
    pub dropped: usize,
}

/// The people who differ, sorted.
pub(super) fn changes(old: &[PhotoState], new: &[PhotoState]) -> Vec<PersonChange> {
    let (mut before, mut after) = (people(old), people(new));
    let names = before.keys().chain(after.keys()).copied();
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    names.dedup();
    let change = |identity: &str| PersonChange {
        identity: identity.to_owned(),
        before: before.remove(identity),
        after: after.remove(identity),
    };
    names.into_iter().map(change).filter(|change| change.before != change.after).collect()
}

/// What a snapshot has of each person.
pub(super) fn people(photos: &[PhotoState]) -> BTreeMap<&str, PersonState> {
    let mut people: BTreeMap<&str, PersonState> = BTreeMap::new();
    for photo in photos {
        let person = people.entry(&photo.identity).or_default();
        match &photo.kept {
            Some(kept) => {
                person.split = Some(kept.split);
                person.kept += 1;
            }
            None => person.dropped += 1,
        }
    }
    people
}
