//! Which photos of somebody who is trained on are held out of training, from the photos' bytes.
//!
//! The hash of its bytes gives a photo a place from 0 to 1. Of a person's photos, those below 0.1 are held
//! out: at least the lowest one of four photos or more, and never more than a third. Added photos change what
//! is held out only at those two bounds: the one that was guaranteed is let go when another falls below 0.1,
//! and where more than a third do, the lowest are taken.

use crate::Digest;
use crate::split::{parts, place};

/// The share of a person's photos that is held out, by hash.
const SHARE: f64 = 0.1;
/// The fewest photos of which one is held out: of three, it would be missed.
const FROM: usize = 4;
/// At most one photo of so many is held out.
const AT_MOST_ONE_OF: usize = 3;

/// For each photo of a person, whether it is held out. The digests are those of the photos' bytes.
pub fn held_out(photos: &[Digest]) -> Vec<bool> {
    let mut by_place: Vec<(u64, Digest, usize)> =
        photos.iter().enumerate().map(|(index, &digest)| (place(digest), digest, index)).collect();
    by_place.sort_unstable();
    let by_hash = by_place.iter().filter(|(place, ..)| *place < parts(SHARE)).count();
    let least = usize::from(photos.len() >= FROM);
    let mut held = vec![false; photos.len()];
    for (.., index) in &by_place[..by_hash.max(least).min(photos.len() / AT_MOST_ONE_OF)] {
        held[*index] = true;
    }
    held
}

#[cfg(test)]
mod tests {
    use super::*;

    fn photos(count: usize, salt: usize) -> Vec<Digest> {
        (0..count).map(|i| Digest::of(format!("photo {salt} {i}"))).collect()
    }

    #[test]
    fn a_tenth_of_the_photos_is_held_out_one_of_four_and_a_third_at_most() {
        let mut held_of_many = 0;
        for salt in 0..300 {
            for count in 0..30 {
                let held = held_out(&photos(count, salt)).into_iter().filter(|held| *held).count();
                assert!(held <= count / 3 && (count < 4 || held > 0), "{held} of {count}");
            }
            held_of_many += held_out(&photos(100, salt)).into_iter().filter(|held| *held).count();
        }
        // 30,000 photos with p = 0.1: five standard deviations are 260
        assert!((held_of_many as i32 - 3_000).abs() < 260, "{held_of_many}");
    }

    #[test]
    fn added_photos_change_what_is_held_out_only_at_the_two_bounds() {
        for salt in 0..300 {
            let all = photos(40, salt);
            for count in 0..39 {
                let by_hash =
                    |photos: &[Digest]| photos.iter().filter(|photo| place(**photo) < parts(SHARE)).count();
                let (before, after) = (held_out(&all[..count]), held_out(&all[..=count]));
                let is_within = |count| (1..=count / 3).contains(&by_hash(&all[..count]));
                if is_within(count) && is_within(count + 1) {
                    assert_eq!(before, after[..count], "{salt} {count}");
                }
            }
        }
    }

    #[test]
    fn what_is_held_out_does_not_depend_on_the_order_of_photos() {
        let (mut all, held) = (photos(23, 1), held_out(&photos(23, 1)));
        all.reverse();
        assert!(held_out(&all).into_iter().rev().eq(held));
    }
}
