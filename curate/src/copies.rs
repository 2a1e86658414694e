//! Which photos are copies of each other, which copy stays, and what becomes of the others.
//!
//! Photos are compared across all identities. A group forms around its largest good photo ([`crate::duplicates`]); the
//! largest of its sharpest photos stays. A group with photos of several identities is a conflict: it shows that one of
//! the galleries holds a photo of somebody else, but not which.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};

use photo::{AcrossIdentities, Digest, Reason};
use rayon::prelude::*;

use crate::duplicates::{Place, Sight, stars_where};
use crate::hash::Fingerprint;

/// Copies count as equally sharp down to this share of the sharpest one's Laplacian variance: darkening by 7 % takes
/// 14 % of it and saving at a lower quality less, while a blur that the eye sees halves it at least.
const EQUALLY_SHARP: f32 = 0.6;

/// What is compared of a photo.
#[derive(Clone, Debug)]
pub(crate) struct Look {
    /// The identity's place among the galleries.
    pub gallery: usize,
    /// The photo's place in the gallery.
    pub photo: usize,
    pub print: Fingerprint,
    /// Whether it has no fault of its own.
    pub is_good: bool,
    pub pixels: u64,
    pub sharpness: f32,
    pub file_bytes: u64,
    pub sha256: Digest,
}

impl Look {
    /// The better one first: without fault, with more pixels, then more bytes (less lost when it was saved), then the
    /// lower digest.
    pub fn by_quality(&self, other: &Self) -> Ordering {
        let quality = |look: &Self| (look.is_good, look.pixels, look.file_bytes);
        quality(other).cmp(&quality(self)).then(self.sha256.cmp(&other.sha256))
    }
}

/// Photos that look the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The photos, the centre first, then by falling quality.
    pub members: Vec<Member>,
}

/// A photo of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// The identity's place among the galleries.
    pub gallery: usize,
    /// The photo's place in the gallery.
    pub photo: usize,
    /// In how many bits of 64 its hashes differ from the centre's.
    pub distance: u32,
    /// Whether it is near when mirrored.
    pub mirrored: bool,
    /// Its place among the looks.
    look: usize,
}

/// What a second look sees of a photo; one without is compared by its hashes alone. It is made when it is asked for, which
/// is rare: kept for a million photos it would take gigabytes.
pub(crate) type SightOf<'a> = &'a (dyn Fn(&Look) -> Option<Sight> + Sync);

/// Groups over all identities. `looks`: the best first.
pub(crate) fn groups(looks: &[Look], max_distance: u32, sight: SightOf) -> Vec<Group> {
    let all: Vec<usize> = (0..looks.len()).collect();
    by_centre(looks, &all, &places(looks, &all, max_distance, sight))
}

/// Groups of each identity alone.
pub(crate) fn groups_apart(looks: &[Look], max_distance: u32, sight: SightOf) -> Vec<Group> {
    let mut galleries: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (place, look) in looks.iter().enumerate() {
        galleries.entry(look.gallery).or_default().push(place);
    }
    let groups = galleries
        .into_par_iter()
        .flat_map_iter(|(_, chosen)| by_centre(looks, &chosen, &places(looks, &chosen, max_distance, sight)));
    groups.collect()
}

/// Where the looks `chosen` stand among themselves.
fn places(looks: &[Look], chosen: &[usize], max_distance: u32, sight: SightOf) -> Vec<Place> {
    let prints: Vec<Fingerprint> = chosen.iter().map(|&place| looks[place].print).collect();
    stars_where(&prints, max_distance, |photo, centre, mirrored| {
        let (photo, centre) = (&looks[chosen[photo]], &looks[chosen[centre]]);
        // The same bytes under two people are the same, whatever else is known of them.
        photo.sha256 == centre.sha256
            || sight(photo).zip(sight(centre)).is_none_or(|(photo, centre)| centre.is_same(&photo, mirrored))
    })
}

/// The groups of the looks `chosen`, whose places among themselves are `places`.
fn by_centre(looks: &[Look], chosen: &[usize], places: &[Place]) -> Vec<Group> {
    let mut group_of: HashMap<usize, usize> = HashMap::new();
    let mut groups: Vec<Group> = Vec::new();
    for (&look, place) in chosen.iter().zip(places) {
        let Look { gallery, photo, .. } = looks[look];
        let member = Member { gallery, photo, distance: place.distance, mirrored: place.mirrored, look };
        // A centre comes before all that join it.
        let group = *group_of.entry(place.centre).or_insert_with(|| {
            groups.push(Group { members: Vec::new() });
            groups.len() - 1
        });
        groups[group].members.push(member);
    }
    groups
}

/// What a group costs its members: a look's place and the reason.
pub(crate) fn reasons<'a>(
    group: &Group,
    looks: &[Look],
    across: AcrossIdentities,
    identity: impl Fn(usize) -> &'a String,
) -> Vec<(usize, Reason)> {
    if group.members.len() < 2 {
        return Vec::new();
    }
    let mut given = Vec::new();
    let mut galleries: Vec<usize> = group.members.iter().map(|member| member.gallery).collect();
    galleries.sort_unstable();
    galleries.dedup();
    for &gallery in &galleries {
        let own =
            || group.members.iter().filter(|member| member.gallery == gallery).map(|member| member.look);
        let Some(stays) = best(looks, own()) else { continue };
        for look in own().filter(|&look| look != stays && looks[look].is_good) {
            given.push((
                look,
                Reason::NearDuplicate { of: looks[stays].sha256, distance: apart(looks, look, stays) },
            ));
        }
    }
    if galleries.len() > 1 && across != AcrossIdentities::Ignore {
        let all = || group.members.iter().map(|member| member.look);
        let best_of_all = best(looks, all()).unwrap_or(group.members[0].look);
        for look in all() {
            if across == AcrossIdentities::KeepBest && looks[look].gallery == looks[best_of_all].gallery {
                continue;
            }
            let other = all().find(|&other| looks[other].gallery != looks[look].gallery);
            let other = other.expect("the group has photos of several identities");
            let reason = Reason::TwoIdentities {
                identity: identity(looks[other].gallery).clone(),
                of: looks[other].sha256,
                distance: apart(looks, look, other),
            };
            given.push((look, reason));
        }
    }
    given
}

/// Of the good ones, the largest of those as sharp as the sharpest.
fn best(looks: &[Look], among: impl Iterator<Item = usize> + Clone) -> Option<usize> {
    let mut good = among.filter(|&look| looks[look].is_good);
    let sharpest = good.clone().map(|look| looks[look].sharpness).fold(0.0, f32::max);
    good.find(|&look| looks[look].sharpness >= EQUALLY_SHARP * sharpest)
}

fn apart(looks: &[Look], a: usize, b: usize) -> u32 {
    looks[a].print.distance(looks[b].print)
}

/// Adds photos with the bytes of a member, which are no looks of their own. `same_bytes`: for each gallery, the copy's
/// place and the first one's.
pub(crate) fn add_same_bytes(groups: &mut [Group], looks: &[Look], same_bytes: &[Vec<(usize, usize)>]) {
    if same_bytes.iter().all(Vec::is_empty) {
        return;
    }
    let mut place_of = HashMap::new();
    for (number, group) in groups.iter().enumerate() {
        for (place, member) in group.members.iter().enumerate() {
            place_of.insert((looks[member.look].gallery, looks[member.look].photo), (number, place));
        }
    }
    for (gallery, copies) in same_bytes.iter().enumerate() {
        for &(photo, first) in copies {
            if let Some(&(group, place)) = place_of.get(&(gallery, first)) {
                let original = groups[group].members[place];
                groups[group].members.push(Member { photo, ..original });
            }
        }
    }
}
