//! Leader clustering: groups of fingerprints that lie within a distance of a leader.

use rayon::prelude::*;

use super::multi_index::{DynamicIndex, Index, Neighbour, Query, SearchRadius, spread};
use crate::pixels::hash::Fingerprint;

/// Photos that are assigned at a time: all at once against the leaders so far, then one by one against those
/// that the block adds. Larger blocks would lengthen the second part, smaller ones index the leaders more
/// often.
const BLOCK: usize = 1 << 15;

/// The hashes that each leader is indexed by.
const PARTS: usize = 2;

/// The group that a photo belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The place of the group's leader in the list; its own for a leader.
    pub leader: usize,
    /// In how many bits it differs from the leader.
    pub distance: u32,
    /// Whether that distance is the mirrored photo's.
    pub mirrored: bool,
}

/// Groups photos, which come best first; gives each one's leader. The same on any number of threads.
pub fn assign(prints: &[Fingerprint], max_distance: u32) -> Vec<Assignment> {
    assign_where(prints, max_distance, |_, _, _| true)
}

/// The same where a photo joins only leaders that `is_same` lets pass: by the places of the photo and of the
/// leader, and whether one of them is mirrored. It is called for those within the distance.
pub fn assign_where(
    prints: &[Fingerprint],
    max_distance: u32,
    is_same: impl Fn(usize, usize, bool) -> bool + Sync,
) -> Vec<Assignment> {
    let radius = SearchRadius::new(max_distance);
    let mut places = Vec::with_capacity(prints.len());
    let mut leaders = Leaders::default();
    for (number, block) in prints.chunks(BLOCK).enumerate() {
        place_block(number * BLOCK, block, &radius, &mut leaders, &mut places, &is_same);
    }
    places
}

#[derive(Default)]
struct Leaders {
    /// Their hashes, [`PARTS`] of each.
    hashes: Vec<u64>,
    /// Their places in the whole list.
    places: Vec<usize>,
}

/// What a photo is indexed by.
fn parts(print: Fingerprint) -> [u64; PARTS] {
    print.hashes().map(|hash| spread(hash.bits()))
}

/// What a photo is looked for by.
fn query_of(print: Fingerprint) -> Query {
    let [whole, inner] = print.hashes().map(|hash| (spread(hash.bits()), spread(hash.mirrored().bits())));
    [(whole.0, false), (inner.0, false), (whole.1, true), (inner.1, true)]
}

/// A leader's number and the distance from it, instead of one of its hashes' number.
fn of_leader(near: Neighbour) -> Neighbour {
    Neighbour { place: near.place / PARTS as u32, ..near }
}

/// Places the photos of a block that starts at `first`.
fn place_block(
    first: usize,
    block: &[Fingerprint],
    radius: &SearchRadius,
    leaders: &mut Leaders,
    places: &mut Vec<Assignment>,
    is_same: &(impl Fn(usize, usize, bool) -> bool + Sync),
) {
    let before = Index::new(radius, &leaders.hashes);
    let own = DynamicIndex::new(radius);
    let mut block = Block { first, prints: block, own, own_places: Vec::new(), is_same };
    let count = block.prints.len();
    let nearest_before = |at: usize| block.nearest_before(at, &before, leaders);
    let joined: Vec<Option<Neighbour>> = (0..count).into_par_iter().map(nearest_before).collect();
    // What joins no earlier leader joins one of the block's own, or becomes one, in the order of the list.
    for at in (0..count).filter(|&at| joined[at].is_none()) {
        if block.nearest_own(at, block.own_places.len()).is_none() {
            parts(block.prints[at]).into_iter().for_each(|hash| block.own.push(hash));
            block.own_places.push(at);
        }
    }
    places.par_extend((0..count).into_par_iter().map(|at| block.place(at, joined[at], leaders)));
    let own = block.own_places.iter();
    leaders.hashes.extend(own.clone().flat_map(|&at| parts(block.prints[at])));
    leaders.places.extend(own.map(|&at| first + at));
}

/// Photos that are placed together, and those of them that lead.
struct Block<'a, S> {
    /// The place of the first in the whole list.
    first: usize,
    prints: &'a [Fingerprint],
    own: DynamicIndex,
    /// Leaders by their places in the block.
    own_places: Vec<usize>,
    is_same: &'a S,
}

impl<S: Fn(usize, usize, bool) -> bool> Block<'_, S> {
    /// The nearest of the leaders of earlier blocks.
    fn nearest_before(&self, at: usize, before: &Index, leaders: &Leaders) -> Option<Neighbour> {
        let is_same = |near: Neighbour| {
            (self.is_same)(self.first + at, leaders.places[of_leader(near).place as usize], near.mirrored)
        };
        before.nearest(&query_of(self.prints[at]), is_same).map(of_leader)
    }

    /// The nearest of the block's own leaders before the `among`th.
    fn nearest_own(&self, at: usize, among: usize) -> Option<Neighbour> {
        let is_same = |near: Neighbour| {
            let leader = self.own_places[of_leader(near).place as usize];
            (self.is_same)(self.first + at, self.first + leader, near.mirrored)
        };
        self.own.nearest(&query_of(self.prints[at]), among * PARTS, is_same).map(of_leader)
    }

    /// `joined` is the nearest of the leaders of earlier blocks, where there is one.
    fn place(&self, at: usize, joined: Option<Neighbour>, leaders: &Leaders) -> Assignment {
        // The leaders of the block that come before; a leader finds none.
        let among = self.own_places.partition_point(|&place| place < at);
        if self.own_places.get(among) == Some(&at) {
            return Assignment { leader: self.first + at, distance: 0, mirrored: false };
        }
        let earlier = leaders.places.len();
        let own = self.nearest_own(at, among);
        let own = own.map(|near| (near.distance, earlier + near.place as usize, near));
        let joined = joined.map(|near| (near.distance, near.place as usize, near));
        let (distance, leader, near) = own.into_iter().chain(joined).min().expect("it joined a leader");
        let own = |own: usize| self.first + self.own_places[own];
        let leader = leader.checked_sub(earlier).map_or_else(|| leaders.places[leader], own);
        Assignment { leader, distance, mirrored: near.mirrored }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::pixels::hash::PerceptualHash;

    /// SplitMix64 (Steele, Lea and Flood 2014).
    pub(crate) fn numbers(seed: u64) -> impl Iterator<Item = u64> {
        (1..).map(move |step: u64| {
            let z = seed.wrapping_add(step.wrapping_mul(0x9E37_79B9_7F4A_7C15));
            let z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            let z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
            z ^ z >> 31
        })
    }

    /// Each photo against all leaders before it, one by one.
    fn by_comparing_all(prints: &[Fingerprint], max_distance: u32) -> Vec<Assignment> {
        let mut leaders: Vec<usize> = Vec::new();
        let place = |(at, print): (usize, &Fingerprint)| {
            let near = leaders.iter().flat_map(|&leader| {
                let apart = |mirrored: bool| {
                    let own = print.hashes().map(|hash| if mirrored { hash.mirrored() } else { hash });
                    let pairs = own.into_iter().flat_map(|a| prints[leader].hashes().map(|b| (a, b)));
                    pairs.map(|(a, b)| (a.bits() ^ b.bits()).count_ones()).min().expect("there are pairs")
                };
                [(apart(false), leader, false), (apart(true), leader, true)]
            });
            match near.filter(|near| near.0 <= max_distance).min() {
                Some((distance, leader, mirrored)) => Assignment { leader, distance, mirrored },
                None => {
                    leaders.push(at);
                    Assignment { leader: at, distance: 0, mirrored: false }
                }
            }
        };
        prints.iter().enumerate().map(place).collect()
    }

    /// Photos of which many are copies of earlier ones' parts with some bits changed, every third one
    /// mirrored.
    fn crowd(count: usize) -> Vec<Fingerprint> {
        let mut random = numbers(7);
        let mut next = move || random.next().expect("there is no last number");
        let mut prints: Vec<Fingerprint> = Vec::new();
        for at in 0..count {
            let copied = at > 10 && next() % 2 == 0;
            let whole = if copied {
                let of = prints[next() as usize % at].hashes()[next() as usize % 2];
                let flips = next() % 10;
                let changed = (0..flips).fold(of.bits(), |bits, _| bits ^ 1 << (next() % 64));
                let changed = PerceptualHash::from_bits(changed);
                if at % 3 == 0 { changed.mirrored() } else { changed }
            } else {
                PerceptualHash::from_bits(next())
            };
            let margin = (0..8).fold(whole.bits(), |bits, _| bits ^ 1 << (next() % 64));
            prints.push(Fingerprint { whole, inner: PerceptualHash::from_bits(margin) });
        }
        prints
    }

    #[test]
    fn the_groups_are_those_of_comparing_all_with_all() {
        let prints = crowd(BLOCK + 3000); // more than one block
        for max_distance in [3, 8] {
            assert_eq!(assign(&prints, max_distance), by_comparing_all(&prints, max_distance));
        }
        let few = &prints[..40];
        assert_eq!(assign(few, 30), by_comparing_all(few, 30));
    }

    #[test]
    fn the_number_of_threads_changes_nothing() {
        let prints = crowd(3000);
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
            pool.install(|| assign(&prints, 8))
        };
        assert_eq!(on(1), on(3));
    }

    #[test]
    fn a_photo_joins_the_nearest_centre_that_is_let_pass() {
        let hash = |bits: u64| {
            let hash = PerceptualHash::from_bits(bits);
            Fingerprint { whole: hash, inner: hash }
        };
        let prints = [hash(0), hash(0xFF00), hash(0b1), hash(0xFF01), hash(0)];
        let leaders = |is_same: &(dyn Fn(usize, usize, bool) -> bool + Sync)| -> Vec<usize> {
            assign_where(&prints, 4, is_same).iter().map(|place| place.leader).collect()
        };
        assert_eq!(leaders(&|_, _, _| true), [0, 1, 0, 1, 0]);
        // The third is another one than the first: the fifth, which is near both, joins the third where it
        // may not join the first.
        assert_eq!(leaders(&|a, b, _| (a, b) != (2, 0)), [0, 1, 2, 1, 0]);
        assert_eq!(leaders(&|a, b, _| (a, b) != (2, 0) && (a, b) != (4, 0)), [0, 1, 2, 1, 2]);
        assert_eq!(leaders(&|_, _, _| false), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn a_chain_of_likenesses_does_not_become_one_group() {
        // Each differs from the next in 6 bits, from the one after that in 12.
        let hash = |link: u32| PerceptualHash::from_bits((1_u64 << (6 * link)) - 1);
        let chain: Vec<_> = (0..5).map(|link| Fingerprint { whole: hash(link), inner: hash(link) }).collect();
        let leaders: Vec<usize> = assign(&chain, 8).iter().map(|place| place.leader).collect();
        assert_eq!(leaders, [0, 0, 2, 2, 4]);
    }
}
