//! Which faces of one identity are another person's than most of them.
//!
//! The person is the group of faces that are alike, if more than half of all faces are in it. A face that is less alike to
//! the sum of the others in it than the rule asks is somebody else's. Where no group has more than half, nobody can say
//! whose gallery it is: dropping the smaller half would be a coin's toss, and dropping all of it would lose a gallery for
//! a threshold that is too strict. So nobody is flagged, and that is said.
//!
//! Faces are compared with sums of faces, never each with each: the work grows with their number, not with its square.
//! Sums are of whole numbers, so nothing depends on the order of photos or on threads.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use photo::embedding::DIMENSIONS;
use photo::score::rounded;
use photo::{Digest, Embedding, Reason, Rules};

use crate::judge::{Candidate, Gallery};
use crate::measure::Measurements;
use crate::people::Counted;

/// With fewer faces there is no majority: of two that differ either may be the wrong one.
const MIN_FACES: usize = 3;

/// Groups that are looked for at most. The first nearly always is the majority, the second where the faces of the few are
/// more alike than those of the many; many small groups are no majority anyway.
const MAX_GROUPS: usize = 8;

/// A group is settled after two or three rounds; the bound is for groups that never are.
const MAX_ROUNDS: usize = 10;

/// The length of a direction, in whole numbers: fine enough for four decimals, and sums of a million fit.
const LENGTH: f64 = 16_384.0;

type Direction = [i16; DIMENSIONS];

/// An identity whose faces are nobody's for the greater part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Divided {
    /// The identity's place among the galleries.
    pub gallery: usize,
    /// How many faces were compared.
    pub faces: usize,
    /// How many of them are alike at most.
    pub largest: usize,
}

/// How alike the faces of one identity are.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Likeness {
    /// The cosine similarity of each photo's face to the sum of the majority's other faces; `None` for a photo whose face was
    /// not compared, and for all where there is no majority.
    pub similarities: Vec<Option<f32>>,
    /// How many faces were compared and how many of them are alike at most, where that is no majority.
    pub divided: Option<(usize, usize)>,
}

/// Compares the faces of an identity's photos without fault. Copies of the same bytes count once.
pub(crate) fn likeness(gallery: &Gallery<'_>, reasons: &[Vec<Reason>], rules: &Rules) -> Likeness {
    let nothing = || Likeness { similarities: vec![None; gallery.photos.len()], divided: None };
    let Some(lowest) = rules.identity.compares_from() else { return nothing() };
    let face_of = |(photo, reasons): (&Candidate<'_>, &Vec<Reason>)| {
        let measured = photo.measured.ok().filter(|_| reasons.is_empty())?;
        Some((photo.sha256, direction(only_face(measured, rules)?)))
    };
    let faces: Vec<Option<(Digest, Direction)>> = gallery.photos.iter().zip(reasons).map(face_of).collect();
    let distinct: BTreeMap<Digest, &Direction> =
        faces.iter().flatten().map(|(sha256, face)| (*sha256, face)).collect();
    if distinct.len() < MIN_FACES {
        return nothing();
    }
    let directions: Vec<&Direction> = distinct.values().copied().collect();
    match majority(&directions, lowest) {
        Ok(found) => {
            let found: BTreeMap<Digest, f32> = distinct.into_keys().zip(found).collect();
            let similarity = |face: &Option<(Digest, Direction)>| found.get(&face.as_ref()?.0).copied();
            Likeness { similarities: faces.iter().map(similarity).collect(), divided: None }
        }
        Err(largest) => Likeness { divided: Some((distinct.len(), largest)), ..nothing() },
    }
}

/// The direction of the one face that counts.
fn only_face<'a>(measured: &'a Measurements, rules: &Rules) -> Option<&'a Embedding> {
    let (faces, people) = (measured.faces.as_ref()?, measured.people.as_ref()?);
    let counted = Counted::new(faces, people, rules);
    let [only] = counted.faces[..] else { return None };
    let place = faces.iter().position(|face| std::ptr::eq(face, only))?;
    let found = measured.face_embedding.as_ref()?.iter().find(|found| found.face == place)?;
    Some(&found.embedding)
}

/// The similarity of every face to the others of those that are alike, where more than half are; otherwise how many are at
/// most.
fn majority(faces: &[&Direction], lowest: f32) -> Result<Vec<f32>, usize> {
    let mut left: Vec<usize> = (0..faces.len()).collect();
    let mut largest = 1; // every face is like itself
    for _ in 0..MAX_GROUPS {
        if 2 * left.len() <= faces.len() {
            break;
        }
        let first = most_alike_to_all(faces, &left);
        let found = settled(faces, &left, first, lowest);
        let alike = found.iter().filter(|&&similarity| similarity >= lowest).count();
        if 2 * alike > faces.len() {
            return Ok(found);
        }
        largest = largest.max(alike);
        left.retain(|&place| found[place] < lowest && place != first);
    }
    Err(largest)
}

/// Of the faces left, the one that is most alike to all of them: the person's, where a person has most of them.
fn most_alike_to_all(faces: &[&Direction], left: &[usize]) -> usize {
    // The sum of a face's products with all faces is its product with their sum.
    let all = Sum::of(left.iter().map(|&place| faces[place]));
    let most = left.iter().copied().max_by_key(|&place| (product(faces[place], &all.0), Reverse(place)));
    most.expect("some faces are left")
}

/// The similarity of every face to the group that settles around the face `first`, among those left.
fn settled(faces: &[&Direction], left: &[usize], first: usize, lowest: f32) -> Vec<f32> {
    // As many faces as are half of all, those nearest to the first: if they are not of one person, no majority is.
    let alone = Sum::of([faces[first]].into_iter());
    let mut nearest = left.to_vec();
    nearest.sort_by_cached_key(|&place| (Reverse(product(faces[place], &alone.0)), place));
    nearest.truncate(faces.len().div_ceil(2));
    let mut members = vec![false; faces.len()];
    nearest.into_iter().for_each(|place| members[place] = true);
    let mut found = Vec::new();
    for _ in 0..MAX_ROUNDS {
        let sum = Sum::of(faces.iter().zip(&members).filter(|(_, member)| **member).map(|(face, _)| *face));
        let similarity = |(face, member): (&&Direction, &bool)| sum.similarity(face, *member);
        found = faces.iter().zip(&members).map(similarity).collect();
        let mut next = vec![false; faces.len()];
        left.iter().for_each(|&place| next[place] = found[place] >= lowest);
        if next == members || !next.contains(&true) {
            break;
        }
        members = next;
    }
    found
}

/// The sum of some faces.
struct Sum([i64; DIMENSIONS]);

impl Sum {
    fn of<'a>(faces: impl Iterator<Item = &'a Direction>) -> Self {
        let mut sum = [0; DIMENSIONS];
        for face in faces {
            for (sum, &number) in sum.iter_mut().zip(face) {
                *sum += i64::from(number);
            }
        }
        Self(sum)
    }

    /// The cosine of a face to the sum, less the face itself where that is in it: a face is no witness of its own. −1 where
    /// nothing is left. Rounded as scores are, so that what is shown is what is compared.
    fn similarity(&self, face: &Direction, is_in_it: bool) -> f32 {
        let rest = |(&sum, &number): (&i64, &i16)| sum - if is_in_it { i64::from(number) } else { 0 };
        let (mut product, mut squares) = (0, 0.0);
        for (rest, &number) in self.0.iter().zip(face).map(rest).zip(face) {
            product += rest * i64::from(number);
            squares += (rest as f64) * (rest as f64);
        }
        if squares == 0.0 {
            return -1.0;
        }
        rounded((product as f64 / (squares.sqrt() * LENGTH)) as f32).clamp(-1.0, 1.0)
    }
}

fn product(face: &Direction, sum: &[i64; DIMENSIONS]) -> i64 {
    face.iter().zip(sum).map(|(&a, &b)| i64::from(a) * b).sum()
}

/// The numbers at the length of all directions.
fn direction(embedding: &Embedding) -> Direction {
    let numbers = embedding.numbers().map(f64::from);
    let length = numbers.iter().map(|number| number * number).sum::<f64>().sqrt();
    numbers.map(|number| (number / length * LENGTH).round() as i16) // some number is not 0, by what an embedding is
}
