//! Near-duplicates: which photos are copies of each other, which copy stays, and what becomes of the others.
//!
//! Photos are compared across all identities. A group forms around its largest good photo
//! ([`clustering`](super::clustering)); the largest of its sharpest photos stays. A group with photos of
//! several identities is a conflict: it shows that one of the galleries holds a photo of somebody else, but
//! not which.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};

use photo::{AcrossIdentities, Digest, Reason};
use rayon::prelude::*;

use super::clustering::{Appearance, Assignment, assign_where};
use crate::pixels::hash::Fingerprint;

/// Copies count as equally sharp down to this share of the sharpest one's Laplacian variance: darkening by 7
/// % takes 14 % of it and saving at a lower quality less, while a blur that the eye sees halves it at least.
const EQUALLY_SHARP: f32 = 0.6;

/// A photo that may be a duplicate of another: what is compared of it.
#[derive(Clone, Debug)]
pub(super) struct DuplicateCandidate {
    /// Its place among all photos that are judged.
    pub index: usize,
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

impl DuplicateCandidate {
    /// The better one first: without fault, with more pixels, then more bytes (less lost when it was saved),
    /// then the lower digest.
    pub fn by_quality(&self, other: &Self) -> Ordering {
        let quality = |candidate: &Self| (candidate.is_good, candidate.pixels, candidate.file_bytes);
        quality(other).cmp(&quality(self)).then(self.sha256.cmp(&other.sha256))
    }
}

/// Photos that look the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The photos, the leader first, then by falling quality.
    pub members: Vec<Member>,
}

/// A photo of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// The identity's place among the galleries.
    pub gallery: usize,
    /// The photo's place in the gallery.
    pub photo: usize,
    /// In how many bits of 64 its hashes differ from the leader's.
    pub distance: u32,
    /// Whether it is near when mirrored.
    pub mirrored: bool,
    /// Its place among the candidates.
    pub(super) candidate: usize,
}

/// The appearance of a photo; one without is compared by its hashes alone. It is made when it is asked for,
/// which is rare: kept for a million photos it would take gigabytes.
pub(super) type AppearanceOf<'a> = &'a (dyn Fn(&DuplicateCandidate) -> Option<Appearance> + Sync);

/// Groups over all identities. `candidates`: the best first.
pub(super) fn groups(
    candidates: &[DuplicateCandidate],
    max_distance: u32,
    appearance: AppearanceOf,
) -> Vec<Group> {
    let all: Vec<usize> = (0..candidates.len()).collect();
    by_leader(candidates, &all, &assignments(candidates, &all, max_distance, appearance))
}

/// Groups of each identity alone.
pub(super) fn groups_by_gallery(
    candidates: &[DuplicateCandidate],
    max_distance: u32,
    appearance: AppearanceOf,
) -> Vec<Group> {
    let mut galleries: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (place, candidate) in candidates.iter().enumerate() {
        galleries.entry(candidate.gallery).or_default().push(place);
    }
    let groups = galleries.into_par_iter().flat_map_iter(|(_, chosen)| {
        by_leader(candidates, &chosen, &assignments(candidates, &chosen, max_distance, appearance))
    });
    groups.collect()
}

/// The leaders of the candidates `chosen` among themselves.
fn assignments(
    candidates: &[DuplicateCandidate],
    chosen: &[usize],
    max_distance: u32,
    appearance: AppearanceOf,
) -> Vec<Assignment> {
    let prints: Vec<Fingerprint> = chosen.iter().map(|&place| candidates[place].print).collect();
    assign_where(&prints, max_distance, |photo, leader, mirrored| {
        let (photo, leader) = (&candidates[chosen[photo]], &candidates[chosen[leader]]);
        // The same bytes under two people are the same, whatever else is known of them.
        photo.sha256 == leader.sha256
            || appearance(photo)
                .zip(appearance(leader))
                .is_none_or(|(photo, leader)| leader.is_same(&photo, mirrored))
    })
}

/// The groups of the candidates `chosen`, whose assignments among themselves are `assignments`.
fn by_leader(candidates: &[DuplicateCandidate], chosen: &[usize], assignments: &[Assignment]) -> Vec<Group> {
    let mut group_of: HashMap<usize, usize> = HashMap::new();
    let mut groups: Vec<Group> = Vec::new();
    for (&candidate, assignment) in chosen.iter().zip(assignments) {
        let DuplicateCandidate { gallery, photo, .. } = candidates[candidate];
        let member = Member {
            gallery,
            photo,
            distance: assignment.distance,
            mirrored: assignment.mirrored,
            candidate,
        };
        // A leader comes before all that join it.
        let group = *group_of.entry(assignment.leader).or_insert_with(|| {
            groups.push(Group { members: Vec::new() });
            groups.len() - 1
        });
        groups[group].members.push(member);
    }
    groups
}

/// What a group costs its members: a candidate's place and the reason.
pub(super) fn reasons<'a>(
    group: &Group,
    candidates: &[DuplicateCandidate],
    across: AcrossIdentities,
    identity: impl Fn(usize) -> &'a str,
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
            || group.members.iter().filter(|member| member.gallery == gallery).map(|member| member.candidate);
        let Some(stays) = best(candidates, own()) else { continue };
        for candidate in own().filter(|&candidate| candidate != stays && candidates[candidate].is_good) {
            given.push((
                candidate,
                Reason::NearDuplicate {
                    of: candidates[stays].sha256,
                    distance: apart(candidates, candidate, stays),
                },
            ));
        }
    }
    if galleries.len() > 1 && across != AcrossIdentities::Ignore {
        let all = || group.members.iter().map(|member| member.candidate);
        let best_of_all = best(candidates, all()).unwrap_or(group.members[0].candidate);
        for candidate in all() {
            if across == AcrossIdentities::KeepBest
                && candidates[candidate].gallery == candidates[best_of_all].gallery
            {
                continue;
            }
            let other = all().find(|&other| candidates[other].gallery != candidates[candidate].gallery);
            let other = other.expect("the group has photos of several identities");
            let reason = Reason::TwoIdentities {
                identity: identity(candidates[other].gallery).to_owned(),
                of: candidates[other].sha256,
                distance: apart(candidates, candidate, other),
            };
            given.push((candidate, reason));
        }
    }
    given
}

/// Of the good ones, the largest of those as sharp as the sharpest.
fn best(candidates: &[DuplicateCandidate], among: impl Iterator<Item = usize> + Clone) -> Option<usize> {
    let mut good = among.filter(|&candidate| candidates[candidate].is_good);
    let sharpest = good.clone().map(|candidate| candidates[candidate].sharpness).fold(0.0, f32::max);
    good.find(|&candidate| candidates[candidate].sharpness >= EQUALLY_SHARP * sharpest)
}

fn apart(candidates: &[DuplicateCandidate], a: usize, b: usize) -> u32 {
    candidates[a].print.distance(candidates[b].print)
}
