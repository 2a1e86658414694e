//! An index over hashes by their parts (multi-index hashing, Norouzi, Punjani and Fleet 2012).
//!
//! A hash is cut into four bands of 16 bits. Two hashes that differ in at most d bits differ in few bits of
//! at least one band: with limits r₀…r₃ whose sum is d − 3, a pair that exceeds every limit would differ in
//! at least (r₀+1)+…+(r₃+1) = d + 1 bits. So it is enough to look, band by band, at the hashes whose band
//! lies within the limit.

use std::ops::Range;

use rayon::prelude::*;

const BANDS: usize = 4;
const BAND_BITS: usize = 16;

/// The bits of a hash spread over the bands like cards: bit i goes to band i mod 4. Neighbouring frequencies
/// of a photo go together; spread out they fill the buckets of every band more evenly.
pub(super) fn spread(bits: u64) -> u64 {
    (0..64).fold(0, |out, bit| out | (bits >> bit & 1) << (bit % BANDS * BAND_BITS + bit / BANDS))
}

/// Hashes that can be asked for all within a distance.
pub(super) struct Index {
    radius: SearchRadius,
    bands: Vec<Band>,
}

/// Which buckets to look into: for each band, the flips that keep a hash within the band's limit.
#[derive(Clone)]
pub(super) struct SearchRadius {
    max_distance: u32,
    /// Masks of a band's bits, those with fewer bits first.
    flips: Vec<u16>,
    /// How many of `flips` each band needs.
    needed: [usize; BANDS],
}

/// The hashes in the order of one band's value.
struct Band {
    /// Where the hashes with a value start; one more at the end.
    starts: Vec<u32>,
    hashes: Vec<u64>,
    /// The hashes' places in the list that was indexed.
    places: Vec<u32>,
}

/// The spread hashes that a photo is looked for by, and whether each is that of its mirror image.
pub(super) type Query = [(u64, bool); 4];

/// A hash that lies within the distance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Neighbour {
    pub distance: u32,
    /// Its place in the list that was indexed.
    pub place: u32,
    /// Whether it is near the hash of the mirror image, and farther from the other ones.
    pub mirrored: bool,
}

impl SearchRadius {
    pub fn new(max_distance: u32) -> Self {
        let mut flips: Vec<u16> = (0..=u16::MAX).collect();
        flips.sort_by_key(|mask| (mask.count_ones(), *mask));
        let slots = max_distance as usize + 1;
        let needed = std::array::from_fn(|band| {
            // the limit of the band, plus 1; 0 where the other bands suffice
            let limit = slots / BANDS + usize::from(band < slots % BANDS);
            flips.partition_point(|mask| (mask.count_ones() as usize) < limit)
        });
        Self { max_distance, flips, needed }
    }

    /// How many buckets a question looks into.
    fn buckets(&self) -> usize {
        self.needed.iter().sum()
    }

    fn buckets_near(&self, hash: u64, band: usize) -> impl Iterator<Item = usize> {
        let value = band_value(hash, band);
        self.flips[..self.needed[band]].iter().map(move |flip| usize::from(value ^ flip))
    }
}

/// An index that grows hash by hash. Its buckets are chains, which is fast as long as they are short.
pub(super) struct DynamicIndex {
    radius: SearchRadius,
    hashes: Vec<u64>,
    /// The hash that was added last, by band and value.
    heads: Vec<u32>,
    /// The hash that was added before it with the same value, by hash and band.
    next: Vec<[u32; BANDS]>,
}

/// No hash.
const END: u32 = u32::MAX;

impl DynamicIndex {
    pub fn new(radius: &SearchRadius) -> Self {
        let heads = vec![END; BANDS << BAND_BITS];
        Self { radius: radius.clone(), hashes: Vec::new(), heads, next: Vec::new() }
    }

    /// Adds a hash; its place is the number of those before it.
    pub fn push(&mut self, hash: u64) {
        let place = self.hashes.len() as u32;
        self.hashes.push(hash);
        self.next.push(std::array::from_fn(|band| {
            let head = &mut self.heads[band << BAND_BITS | usize::from(band_value(hash, band))];
            std::mem::replace(head, place)
        }));
    }

    /// The hash among the first `among` that is nearest to one of those asked for, within the distance and of
    /// those that `is_same` lets pass; of equally near ones the one that was added first.
    pub fn nearest(
        &self,
        query: &Query,
        among: usize,
        is_same: impl Fn(Neighbour) -> bool,
    ) -> Option<Neighbour> {
        let mut nearest: Option<Neighbour> = None;
        for &(hash, mirrored) in query {
            let mut compare = |place: u32| {
                let is_nearer = |near: &Neighbour| nearest.is_none_or(|best| *near < best) && is_same(*near);
                nearest = self.near(place, (hash, mirrored), among).filter(is_nearer).or(nearest);
            };
            if self.hashes.len() <= self.radius.buckets() {
                (0..self.hashes.len() as u32).for_each(compare);
                continue;
            }
            for band in 0..BANDS {
                for bucket in self.radius.buckets_near(hash, band) {
                    let mut place = self.heads[band << BAND_BITS | bucket];
                    while place != END {
                        compare(place);
                        place = self.next[place as usize][band];
                    }
                }
            }
        }
        nearest
    }

    /// The hash at `place`, where that is among the first `among` and within the distance.
    fn near(&self, place: u32, (hash, mirrored): (u64, bool), among: usize) -> Option<Neighbour> {
        let distance = (hash ^ self.hashes[place as usize]).count_ones();
        let is_near = distance <= self.radius.max_distance && (place as usize) < among;
        is_near.then_some(Neighbour { distance, place, mirrored })
    }
}

impl Index {
    /// An index over spread hashes.
    pub fn new(radius: &SearchRadius, hashes: &[u64]) -> Self {
        // Fewer hashes than buckets are looked at one by one: a single bucket holds them all.
        let bands = if hashes.len() <= radius.buckets() {
            vec![Band {
                starts: Vec::new(),
                hashes: hashes.to_vec(),
                places: (0..hashes.len() as u32).collect(),
            }]
        } else {
            (0..BANDS).into_par_iter().map(|band| Band::new(band, hashes)).collect()
        };
        Self { radius: radius.clone(), bands }
    }

    /// Calls `found` with every hash within the distance of one that is asked for, some of them several
    /// times.
    pub fn each_near(&self, query: &Query, mut found: impl FnMut(Neighbour)) {
        for &(hash, mirrored) in query {
            let mut compare = |band: &Band, range: Range<usize>| {
                self.compare(band, range, (hash, mirrored), &mut found);
            };
            for (number, band) in self.bands.iter().enumerate() {
                if band.starts.is_empty() {
                    compare(band, 0..band.hashes.len());
                    continue;
                }
                for bucket in self.radius.buckets_near(hash, number) {
                    compare(band, band.starts[bucket] as usize..band.starts[bucket + 1] as usize);
                }
            }
        }
    }

    fn compare(
        &self,
        band: &Band,
        range: Range<usize>,
        (hash, mirrored): (u64, bool),
        found: &mut impl FnMut(Neighbour),
    ) {
        for (at, other) in range.clone().zip(&band.hashes[range]) {
            let distance = (hash ^ other).count_ones();
            if distance <= self.radius.max_distance {
                found(Neighbour { distance, place: band.places[at], mirrored });
            }
        }
    }

    /// The nearest hash within the distance and of those that `is_same` lets pass; of equally near ones the
    /// one that was listed first.
    pub fn nearest(&self, query: &Query, is_same: impl Fn(Neighbour) -> bool) -> Option<Neighbour> {
        let mut nearest: Option<Neighbour> = None;
        self.each_near(query, |near| {
            if nearest.is_none_or(|best| near < best) && is_same(near) {
                nearest = Some(near);
            }
        });
        nearest
    }
}

impl Band {
    fn new(band: usize, hashes: &[u64]) -> Self {
        let mut starts = vec![0_u32; (1 << BAND_BITS) + 1];
        for &hash in hashes {
            starts[usize::from(band_value(hash, band)) + 1] += 1;
        }
        for bucket in 1..starts.len() {
            starts[bucket] += starts[bucket - 1];
        }
        let mut next = starts.clone();
        let mut sorted = vec![0; hashes.len()];
        let mut places = vec![0; hashes.len()];
        for (place, &hash) in (0..).zip(hashes) {
            let slot = &mut next[usize::from(band_value(hash, band))];
            (sorted[*slot as usize], places[*slot as usize]) = (hash, place);
            *slot += 1;
        }
        Self { starts, hashes: sorted, places }
    }
}

fn band_value(hash: u64, band: usize) -> u16 {
    (hash >> (band * BAND_BITS)) as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::clustering::leader::tests::numbers;

    #[test]
    fn spreading_keeps_every_distance() {
        let hashes: Vec<u64> = numbers(1).take(50).collect();
        for (a, b) in hashes.iter().zip(&hashes[1..]) {
            assert_eq!((spread(*a) ^ spread(*b)).count_ones(), (a ^ b).count_ones());
        }
    }

    #[test]
    fn the_index_finds_all_that_a_comparison_with_every_hash_finds() {
        for max_distance in [0, 1, 3, 7, 8, 9, 12] {
            let radius = SearchRadius::new(max_distance);
            // far more hashes than buckets, so that the index is used; some of them close to the first ones
            let mut hashes: Vec<u64> = numbers(2).take(6000).collect();
            for place in 100..1100 {
                let flips = place % 14;
                hashes[place] =
                    (0..flips).fold(hashes[place % 100], |hash, i| hash ^ 1 << ((place * 7 + i * 5) % 64));
            }
            let index = Index::new(&radius, &hashes);
            for asked in &hashes[..100] {
                let mut found = Vec::new();
                let asked_for = [(*asked, false), (!*asked, true), (*asked, false), (!*asked, true)];
                index.each_near(&asked_for, |near| {
                    found.push((near.place, near.distance, near.mirrored));
                });
                found.sort_unstable();
                found.dedup();
                let expected: Vec<_> = (0..)
                    .zip(&hashes)
                    .flat_map(|(place, hash)| {
                        let apart = (asked ^ hash).count_ones();
                        [(place, apart, false), (place, 64 - apart, true)]
                    })
                    .filter(|&(_, distance, _)| distance <= max_distance)
                    .collect();
                assert_eq!(found, expected, "{max_distance}");
            }
        }
    }
}
