//! Whether the faces of one identity are one person's.
//!
//! The identity's main person is the largest cluster of similar faces, if it holds more than half of them. A
//! face whose similarity to the sum of the others in that cluster is below `min_similarity` is flagged as
//! another person's. Without a majority nothing is flagged, and a warning says so: dropping the smaller half
//! would be a coin's toss, and dropping all of it would lose a gallery for a threshold that is too strict.
//!
//! Faces are compared with sums of faces, never each with each: the work grows with their number, not with
//! its square. Sums are of whole numbers, so nothing depends on the order of photos or on threads.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use photo::embedding::DIMENSIONS;
use photo::score::rounded;
use photo::{Digest, Embedding, Rules};

use super::people::Counted;
use super::photo_state::PhotoState;
use crate::measurements::Measurements;

/// With fewer faces there is no majority: of two that differ either may be the wrong one.
const MIN_FACES: usize = 3;

/// Groups that are looked for at most. The first nearly always is the majority, the second where the faces of
/// the few are more alike than those of the many; many small groups are no majority anyway.
const MAX_GROUPS: usize = 8;

/// A group is settled after two or three rounds; the bound is for groups that never are.
const MAX_ROUNDS: usize = 10;

/// The length of a quantized unit vector, in whole numbers: fine enough for four decimals, and sums of a
/// million fit.
const LENGTH: f64 = 16_384.0;

/// An embedding as whole numbers, [`LENGTH`] long.
type UnitVector = [i16; DIMENSIONS];

/// An identity of which no person has more than half of the faces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoMajority {
    /// The identity's place among the galleries.
    pub gallery: usize,
    /// How many faces were compared.
    pub faces: usize,
    /// How many of them are alike at most.
    pub largest: usize,
}

/// How similar the faces of one identity are to those of its main person.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct FaceSimilarities {
    /// The cosine similarity of each photo's face to the sum of the majority's other faces; `None` for a
    /// photo whose face was not compared, and for all where there is no majority.
    pub similarities: Vec<Option<f32>>,
    /// Where no person has more than half of the faces.
    pub no_majority: Option<NoMajority>,
}

/// Compares the faces of a gallery's photos without fault. Copies of the same bytes count once.
pub(super) fn compare_faces(gallery: &[PhotoState<'_>]) -> FaceSimilarities {
    let nothing = || FaceSimilarities { similarities: vec![None; gallery.len()], no_majority: None };
    let Some(lowest) = gallery.first().and_then(|state| state.rules.identity.compares_from()) else {
        return nothing();
    };
    let faces: Vec<Option<(Digest, UnitVector)>> = gallery.iter().map(face_of).collect();
    let distinct: BTreeMap<Digest, &UnitVector> =
        faces.iter().flatten().map(|(sha256, face)| (*sha256, face)).collect();
    if distinct.len() < MIN_FACES {
        return nothing();
    }
    let vectors: Vec<&UnitVector> = distinct.values().copied().collect();
    match majority(&vectors, lowest) {
        Ok(found) => {
            let found: BTreeMap<Digest, f32> = distinct.into_keys().zip(found).collect();
            let similarity = |face: &Option<(Digest, UnitVector)>| found.get(&face.as_ref()?.0).copied();
            FaceSimilarities { similarities: faces.iter().map(similarity).collect(), no_majority: None }
        }
        Err(largest) => {
            let faces = distinct.len();
            let no_majority = Some(NoMajority { gallery: gallery[0].gallery, faces, largest });
            FaceSimilarities { no_majority, ..nothing() }
        }
    }
}

/// The face of a photo without fault, and the photo's digest.
fn face_of(state: &PhotoState<'_>) -> Option<(Digest, UnitVector)> {
    let measured = state.photo.measured.ok().filter(|_| state.is_good())?;
    Some((state.photo.sha256, unit_vector(only_face(measured, state.rules)?)))
}

/// The embedding of the one face that counts.
fn only_face<'a>(measured: &'a Measurements, rules: &Rules) -> Option<&'a Embedding> {
    let (faces, people) = (measured.faces.as_ref()?, measured.people.as_ref()?);
    let counted = Counted::new(faces, people, rules);
    let [only] = counted.faces[..] else { return None };
    let place = faces.iter().position(|face| std::ptr::eq(face, only))?;
    let found = measured.face_embedding.as_ref()?.iter().find(|found| found.face == place)?;
    Some(&found.embedding)
}

/// The similarity of every face to the others of those that are alike, where more than half are; otherwise
/// how many are at most.
fn majority(faces: &[&UnitVector], lowest: f32) -> Result<Vec<f32>, usize> {
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

/// Of the faces left, the one that is most alike to all of them: the person's, where a person has most of
/// them.
fn most_alike_to_all(faces: &[&UnitVector], left: &[usize]) -> usize {
    // The sum of a face's products with all faces is its product with their sum.
    let all = Sum::of(left.iter().map(|&place| faces[place]));
    let most = left.iter().copied().max_by_key(|&place| (product(faces[place], &all.0), Reverse(place)));
    most.expect("some faces are left")
}

/// The similarity of every face to the group that settles around the face `first`, among those left.
fn settled(faces: &[&UnitVector], left: &[usize], first: usize, lowest: f32) -> Vec<f32> {
    // As many faces as are half of all, those nearest to the first: if they are not of one person, no
    // majority is.
    let alone = Sum::of([faces[first]].into_iter());
    let mut nearest = left.to_vec();
    nearest.sort_by_cached_key(|&place| (Reverse(product(faces[place], &alone.0)), place));
    nearest.truncate(faces.len().div_ceil(2));
    let mut members = vec![false; faces.len()];
    nearest.into_iter().for_each(|place| members[place] = true);
    let mut found = Vec::new();
    for _ in 0..MAX_ROUNDS {
        let sum = Sum::of(faces.iter().zip(&members).filter(|(_, member)| **member).map(|(face, _)| *face));
        let similarity = |(face, member): (&&UnitVector, &bool)| sum.similarity(face, *member);
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
    fn of<'a>(faces: impl Iterator<Item = &'a UnitVector>) -> Self {
        let mut sum = [0; DIMENSIONS];
        for face in faces {
            for (sum, &number) in sum.iter_mut().zip(face) {
                *sum += i64::from(number);
            }
        }
        Self(sum)
    }

    /// The cosine of a face to the sum, less the face itself where that is in it: a face is no witness of its
    /// own. −1 where nothing is left. Rounded as scores are, so that what is shown is what is compared.
    fn similarity(&self, face: &UnitVector, is_in_it: bool) -> f32 {
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

fn product(face: &UnitVector, sum: &[i64; DIMENSIONS]) -> i64 {
    face.iter().zip(sum).map(|(&a, &b)| i64::from(a) * b).sum()
}

/// The embedding as whole numbers of one length.
fn unit_vector(embedding: &Embedding) -> UnitVector {
    let numbers = embedding.numbers().map(f64::from);
    let length = numbers.iter().map(|number| number * number).sum::<f64>().sqrt();
    numbers.map(|number| (number / length * LENGTH).round() as i16) // some number is not 0, by what an embedding is
}
