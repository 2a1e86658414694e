//! Who is in a snapshot, which of their views train and which are held out.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;

use photo::Split;
use snapshot::Snapshot;

/// One person and the rows of the snapshot's table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The person, `site/slug`.
    pub identity: String,
    /// The views that may be trained on, as indices into [`Snapshot::photos`].
    pub views: Vec<usize>,
    /// The views that never are.
    pub held_out: Vec<usize>,
}

/// The people of one side of a snapshot.
#[derive(Clone, Debug)]
pub struct People {
    /// Those with two views or more to train on, sorted by name.
    pub people: Vec<Person>,
    /// Groups of people who look alike but for their bodies, as indices into `people`; a person
    /// without such a group has one alone.
    pub families: Vec<Vec<usize>>,
    /// Those with fewer, who are in no batch.
    pub left_out: Vec<String>,
}

/// There is nobody to train on.
#[derive(Debug, thiserror::Error)]
#[error(
    "snapshot {snapshot}: nobody {side} has {least} photos or more, of {people} people there; take a snapshot of more \
     people, or set `data.split`",
    side = .split.map_or_else(String::new, |split| format!("of the {} split", split.name())),
    snapshot = .snapshot.display()
)]
pub struct NobodyThere {
    /// The snapshot's folder.
    pub snapshot: PathBuf,
    /// The side; `None` for everybody.
    pub split: Option<Split>,
    /// How many photos a person has to have.
    pub least: usize,
    /// Its people.
    pub people: usize,
}

/// Of how many views one is held out, of a person whom the snapshot holds none out of.
const HELD_OUT_OF: usize = 8;

impl People {
    /// The people of `split`, or everybody. With `hold_out`, the photos that the snapshot marks `held_out`
    /// are kept from training, so that a model is judged by the photos that every other reader of the
    /// snapshot holds out too. Of a person without any (outside of the train split, or in a snapshot of
    /// before that column) it is every eighth view of eight or more, by the digests of the photos. Both are
    /// the same whatever else is in the snapshot. People named `NAME-0`, `NAME-1`, … are a family.
    ///
    /// # Errors
    /// [`NobodyThere`].
    pub fn of(snapshot: &Snapshot, split: Option<Split>, hold_out: bool) -> Result<Self, NobodyThere> {
        let (mut people, mut left_out) = (Vec::new(), Vec::new());
        let sides = [Split::Train, Split::Validation, Split::Test];
        let mut all: Vec<(&str, Range<usize>)> = (sides.into_iter())
            .filter(|side| split.is_none_or(|split| split == *side))
            .flat_map(|side| snapshot.identities(side))
            .collect();
        all.sort_by_key(|(_, rows)| rows.start);
        for (identity, rows) in all {
            let (mut rows, mut held_out) =
                if hold_out { held_out(snapshot, rows) } else { (rows.collect(), Vec::new()) };
            if rows.len() < 2 {
                left_out.push(identity.to_owned());
                continue;
            }
            rows.sort_unstable();
            held_out.sort_unstable();
            people.push(Person { identity: identity.to_owned(), views: rows, held_out });
        }
        if people.is_empty() {
            let snapshot = snapshot.path().to_owned();
            return Err(NobodyThere { snapshot, split, least: 2, people: left_out.len() });
        }
        let mut families: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (index, person) in people.iter().enumerate() {
            families.entry(family_of(&person.identity)).or_default().push(index);
        }
        let families = families.into_values().collect();
        Ok(Self { people, families, left_out })
    }
}

/// The rows of one person that may be trained on, and those held out.
fn held_out(snapshot: &Snapshot, rows: Range<usize>) -> (Vec<usize>, Vec<usize>) {
    let photos = snapshot.photos();
    let (marked, rest): (Vec<usize>, Vec<usize>) = rows.partition(|&row| photos[row].held_out);
    if !marked.is_empty() {
        return (rest, marked);
    }
    let mut by_digest = rest;
    by_digest.sort_by_key(|&row| photos[row].facts.sha256);
    let last = by_digest.split_off(by_digest.len() - by_digest.len() / HELD_OUT_OF);
    (by_digest, last)
}

/// `site/name-3` belongs to `site/name`; a name without a number at its end is a family of its own.
fn family_of(identity: &str) -> &str {
    match identity.rsplit_once('-') {
        Some((family, number)) if !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) => {
            family
        }
        _ => identity,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbered_names_are_a_family_and_others_are_not() {
        assert_eq!(family_of("drawn/f00012-3"), "drawn/f00012");
        assert_eq!(family_of("site/anna-berg"), "site/anna-berg");
        assert_eq!(family_of("site/anna"), "site/anna");
        assert_eq!(family_of("site/anna-"), "site/anna-");
    }
}
