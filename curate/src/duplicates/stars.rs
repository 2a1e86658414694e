//! Groups of hashes that lie within a distance of a centre.

use rayon::prelude::*;

use super::bands::{Growing, Index, Near, Reach, spread};
use crate::hash::PerceptualHash;

/// Hashes that are placed at a time: all at once against the centres so far, then one by one against those that the
/// block adds. Larger blocks would lengthen the second part, smaller ones index the centres more often.
const BLOCK: usize = 1 << 15;

/// Where a hash stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The place of the centre in the list; its own for a centre.
    pub centre: usize,
    /// In how many bits it differs from the centre.
    pub distance: u32,
    /// Whether that distance is the mirrored photo's.
    pub mirrored: bool,
}

/// Groups hashes, which come best first; gives each one's place. The same on any number of threads.
pub fn stars(hashes: &[PerceptualHash], max_distance: u32) -> Vec<Place> {
    let reach = Reach::new(max_distance);
    let asked: Vec<(u64, u64)> =
        hashes.par_iter().map(|hash| (spread(hash.bits()), spread(hash.mirrored().bits()))).collect();
    let mut places = Vec::with_capacity(hashes.len());
    let mut centres = Centres::default();
    for (number, block) in asked.chunks(BLOCK).enumerate() {
        place_block(number * BLOCK, block, &reach, &mut centres, &mut places);
    }
    places
}

#[derive(Default)]
struct Centres {
    hashes: Vec<u64>,
    /// Their places in the whole list.
    places: Vec<usize>,
}

/// Places the hashes of a block that starts at `first`.
fn place_block(
    first: usize,
    block: &[(u64, u64)],
    reach: &Reach,
    centres: &mut Centres,
    places: &mut Vec<Place>,
) {
    let before = Index::new(reach, &centres.hashes);
    let joined: Vec<Option<Near>> =
        block.par_iter().map(|&(hash, mirrored)| before.nearest(hash, mirrored)).collect();

    // What joins no earlier centre joins one of the block's own, or becomes one, in the order of the list.
    let earlier = centres.hashes.len();
    let mut own = Growing::new(reach);
    let mut own_places: Vec<usize> = Vec::new();
    for (at, &(hash, mirrored)) in block.iter().enumerate() {
        if joined[at].is_none() && own.nearest(hash, mirrored, own_places.len()).is_none() {
            own.push(hash);
            own_places.push(at);
        }
    }
    let place = |at: usize| {
        let (hash, mirrored) = block[at];
        // The centres of the block that come before; a centre finds none.
        let among = own_places.partition_point(|&place| place < at);
        if own_places.get(among) == Some(&at) {
            return Place { centre: first + at, distance: 0, mirrored: false };
        }
        let own = own
            .nearest(hash, mirrored, among)
            .map(|near| (near.distance, earlier + near.place as usize, near));
        let joined = joined[at].map(|near| (near.distance, near.place as usize, near));
        let (distance, centre, near) = own.into_iter().chain(joined).min().expect("it joined a centre");
        let centre =
            centre.checked_sub(earlier).map_or_else(|| centres.places[centre], |own| first + own_places[own]);
        Place { centre, distance, mirrored: near.mirrored }
    };
    places.par_extend((0..block.len()).into_par_iter().map(place));
    centres.hashes.extend(own_places.iter().map(|&at| block[at].0));
    centres.places.extend(own_places.iter().map(|&at| first + at));
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// SplitMix64 (Steele, Lea and Flood 2014).
    pub(crate) fn numbers(seed: u64) -> impl Iterator<Item = u64> {
        (1..).map(move |step: u64| {
            let z = seed.wrapping_add(step.wrapping_mul(0x9E37_79B9_7F4A_7C15));
            let z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            let z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
            z ^ z >> 31
        })
    }

    /// Each hash against all centres before it, one by one.
    fn by_comparing_all(hashes: &[PerceptualHash], max_distance: u32) -> Vec<Place> {
        let mut centres: Vec<usize> = Vec::new();
        let place = |(at, &hash): (usize, &PerceptualHash)| {
            let near = centres.iter().flat_map(|&centre| {
                let apart = |other: PerceptualHash| (other.bits() ^ hashes[centre].bits()).count_ones();
                [(apart(hash), centre, false), (apart(hash.mirrored()), centre, true)]
            });
            match near.filter(|near| near.0 <= max_distance).min() {
                Some((distance, centre, mirrored)) => Place { centre, distance, mirrored },
                None => {
                    centres.push(at);
                    Place { centre: at, distance: 0, mirrored: false }
                }
            }
        };
        hashes.iter().enumerate().map(place).collect()
    }

    /// Hashes of which many are copies of earlier ones with some bits changed, every third one mirrored.
    fn crowd(count: usize) -> Vec<PerceptualHash> {
        let mut random = numbers(7);
        let mut next = move || random.next().expect("there is no last number");
        let mut hashes: Vec<PerceptualHash> = Vec::new();
        for at in 0..count {
            let copied = at > 10 && next() % 2 == 0;
            hashes.push(if copied {
                let of = hashes[next() as usize % at];
                let flips = next() % 10;
                let changed = (0..flips).fold(of.bits(), |bits, _| bits ^ 1 << (next() % 64));
                let changed = PerceptualHash::from_bits(changed);
                if at % 3 == 0 { changed.mirrored() } else { changed }
            } else {
                PerceptualHash::from_bits(next())
            });
        }
        hashes
    }

    #[test]
    fn the_groups_are_those_of_comparing_all_with_all() {
        let hashes = crowd(BLOCK + 3000); // more than one block
        for max_distance in [3, 8] {
            assert_eq!(stars(&hashes, max_distance), by_comparing_all(&hashes, max_distance));
        }
        let few = &hashes[..40];
        assert_eq!(stars(few, 30), by_comparing_all(few, 30));
    }

    #[test]
    fn the_number_of_threads_changes_nothing() {
        let hashes = crowd(3000);
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
            pool.install(|| stars(&hashes, 8))
        };
        assert_eq!(on(1), on(3));
    }

    #[test]
    fn a_chain_of_likenesses_does_not_become_one_group() {
        // Each differs from the next in 6 bits, from the one after that in 12.
        let chain: Vec<_> = (0..5).map(|link| PerceptualHash::from_bits((1_u64 << (6 * link)) - 1)).collect();
        let centres: Vec<usize> = stars(&chain, 8).iter().map(|place| place.centre).collect();
        assert_eq!(centres, [0, 0, 2, 2, 4]);
    }
}
