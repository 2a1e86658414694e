//! Scores and rules to verdicts: pure and instant, no inference.
//!
//! All galleries are judged together, since copies of a photo may stand under several identities.
//! `min_photos` is checked last, on the photos that survive every other rule. The result does not depend on
//! the order in which galleries and photos are given, nor on the number of threads.
//!
//! | module | what |
//! |---|---|
//! | `candidate` | what is judged |
//! | `photo_state` | a photo while it is judged |
//! | `photo_rules` | the rules that look at one photo alone, and a reviewer's decision |
//! | [`people`] | how many people a photo shows |
//! | `identity_check` | which faces are another person's than most of their identity |
//! | `exact_duplicates` | photos with the same bytes |
//! | `near_duplicates` | which copy of a photo stays, and what becomes of a photo under two identities |
//! | [`clustering`] | photos that look the same, among a million |

mod candidate;
pub mod clustering;
mod exact_duplicates;
mod identity_check;
mod near_duplicates;
pub mod people;
pub(crate) mod photo_rules;
mod photo_state;

use photo::{AcrossIdentities, Reason, Rules, Verdict};
use rayon::prelude::*;

use self::clustering::Appearance;
use self::exact_duplicates::{ExactDuplicate, add_exact_duplicates, exact_duplicates};
use self::identity_check::compare_faces;
use self::near_duplicates::{DuplicateCandidate, groups, groups_by_gallery};
use self::people::Counted;
use self::photo_rules::{apply_decision, reasons_of_photo};
use self::photo_state::PhotoState;
use crate::pixels::hash::Fingerprint;
use crate::pixels::thumbnail::Thumbnail;

pub use self::candidate::{Candidate, Gallery};
pub use self::identity_check::NoMajority;
pub use self::near_duplicates::{Group, Member};
pub use self::people::PeopleClass;

/// What the rules make of all photos.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// The verdict on every photo, gallery by gallery in the order given.
    pub verdicts: Vec<Vec<Verdict>>,
    /// Photos that look the same, where there are at least two, by their leaders.
    pub groups: Vec<Group>,
    /// How similar each photo's face is to those of the identity's main person, from −1 to 1, gallery by
    /// gallery; `None` where it was not compared.
    pub similarities: Vec<Vec<Option<f32>>>,
    /// Identities whose faces were compared, but of which no person has more than half.
    pub without_majority: Vec<NoMajority>,
}

/// The verdict on every photo.
pub fn judge(galleries: &[Gallery<'_>], rules: &Rules) -> Judgement {
    let site_rules: Vec<Rules> = galleries.iter().map(|gallery| rules.of_site(gallery.site)).collect();
    let mut photos = photo_states(galleries, &site_rules);
    mark_faults(&mut photos);
    let without_majority = mark_other_people(&mut photos);
    let exact = mark_exact_duplicates(&mut photos);
    let candidates = duplicate_candidates(&photos, galleries);
    let mut groups = mark_near_duplicates(&mut photos, &candidates, galleries, rules);
    apply_review(&mut photos);
    mark_small_galleries(&mut photos);
    add_exact_duplicates(&mut groups, &exact);
    groups.retain(|group| group.members.len() > 1);
    let mut verdicts: Vec<Vec<Verdict>> = vec![Vec::new(); galleries.len()];
    let mut similarities = vec![Vec::new(); galleries.len()];
    for PhotoState { gallery, reasons, similarity, .. } in photos {
        verdicts[gallery].push(Verdict::from_reasons(reasons));
        similarities[gallery].push(similarity);
    }
    Judgement { verdicts, groups, similarities, without_majority }
}

/// All photos, gallery by gallery, with nothing against them yet.
fn photo_states<'a>(galleries: &'a [Gallery<'a>], site_rules: &'a [Rules]) -> Vec<PhotoState<'a>> {
    let mut photos = Vec::with_capacity(galleries.iter().map(|gallery| gallery.photos.len()).sum());
    for (gallery, (given, rules)) in galleries.iter().zip(site_rules).enumerate() {
        photos.extend(given.photos.iter().enumerate().map(|(place, photo)| PhotoState {
            gallery,
            place,
            photo,
            rules,
            reasons: Vec::new(),
            similarity: None,
        }));
    }
    photos
}

fn is_same_gallery(a: &PhotoState<'_>, b: &PhotoState<'_>) -> bool {
    a.gallery == b.gallery
}

/// What speaks against each photo by itself. One that was kept by hand takes part in all that follows as a
/// good one, and one that was dropped by hand leaves its place to a copy.
fn mark_faults(photos: &mut [PhotoState<'_>]) {
    photos.par_iter_mut().for_each(|state| {
        let reasons = reasons_of_photo(state.photo, state.rules);
        state.reasons = apply_decision(state.photo, reasons, state.rules);
    });
}

/// Marks faces that are another person's, before copies are compared: a good photo never falls to one that is
/// dropped itself. Gives the identities of which no person has more than half.
fn mark_other_people(photos: &mut [PhotoState<'_>]) -> Vec<NoMajority> {
    let by_gallery = photos.par_chunk_by_mut(is_same_gallery);
    by_gallery.filter_map(|gallery| mark_other_people_of(gallery)).collect()
}

fn mark_other_people_of(gallery: &mut [PhotoState<'_>]) -> Option<NoMajority> {
    let found = compare_faces(gallery);
    for (state, similarity) in gallery.iter_mut().zip(found.similarities) {
        state.similarity = similarity;
        let lowest = state.rules.identity.compares_from().unwrap_or(-1.0);
        if let Some(similarity) = similarity.filter(|&similarity| similarity < lowest)
            && state.photo.decided != Some(true)
        {
            state.reasons.push(Reason::OtherPerson { similarity });
        }
    }
    found.no_majority
}

fn mark_exact_duplicates(photos: &mut [PhotoState<'_>]) -> Vec<ExactDuplicate> {
    photos.par_chunk_by_mut(is_same_gallery).flat_map_iter(mark_gallery).collect()
}

fn mark_gallery(gallery: &mut [PhotoState<'_>]) -> Vec<ExactDuplicate> {
    let exact = exact_duplicates(gallery);
    for &ExactDuplicate { copy, first, .. } in &exact {
        let of = gallery[first].photo.sha256;
        gallery[copy].reasons.push(Reason::Duplicate { of });
    }
    exact
}

/// Marks all but the best of each group of photos that look the same, and gives the groups.
fn mark_near_duplicates(
    photos: &mut [PhotoState<'_>],
    candidates: &[DuplicateCandidate],
    galleries: &[Gallery<'_>],
    rules: &Rules,
) -> Vec<Group> {
    let (across, max_distance) = (rules.duplicates.across_identities, rules.duplicates.max_distance);
    let appearance = |candidate: &DuplicateCandidate| appearance(&photos[candidate.index]);
    let groups = match across {
        AcrossIdentities::Ignore => groups_by_gallery(candidates, max_distance, &appearance),
        _ => groups(candidates, max_distance, &appearance),
    };
    let identity = |gallery: usize| galleries[gallery].identity.as_str();
    for group in &groups {
        for (candidate, reason) in near_duplicates::reasons(group, candidates, across, identity) {
            photos[candidates[candidate].index].reasons.push(reason);
        }
    }
    groups
}

/// What is compared: every readable photo once, the best first. Photos with a fault of their own come last,
/// so that a good photo never falls to one that is dropped itself.
fn duplicate_candidates(photos: &[PhotoState<'_>], galleries: &[Gallery<'_>]) -> Vec<DuplicateCandidate> {
    let mut candidates: Vec<DuplicateCandidate> = photos
        .par_iter()
        .enumerate()
        .filter_map(|(index, state)| duplicate_candidate(index, state))
        .collect();
    candidates.par_sort_by(|a, b| {
        let identity = |candidate: &DuplicateCandidate| &galleries[candidate.gallery].identity;
        a.by_quality(b).then_with(|| identity(a).cmp(identity(b)))
    });
    candidates
}

fn duplicate_candidate(index: usize, state: &PhotoState<'_>) -> Option<DuplicateCandidate> {
    let facts = &state.photo.measured.ok()?.facts;
    if state.reasons.iter().any(|reason| matches!(reason, Reason::Duplicate { .. })) {
        return None;
    }
    Some(DuplicateCandidate {
        index,
        gallery: state.gallery,
        photo: state.place,
        // A hash of another form than today's compares with nothing.
        print: Fingerprint {
            whole: facts.perceptual_hash.parse().ok()?,
            inner: facts.inner_hash.parse().ok()?,
        },
        is_good: state.is_good(),
        pixels: u64::from(facts.width) * u64::from(facts.height),
        sharpness: facts.sharpness,
        file_bytes: facts.file_bytes,
        sha256: state.photo.sha256,
    })
}

/// A photo's colours, and where its person is, as far as models ran.
fn appearance(state: &PhotoState<'_>) -> Option<Appearance> {
    let measured = state.photo.measured.ok()?;
    let thumbnail: Thumbnail = measured.facts.thumbnail.parse().ok()?;
    let (faces, people) = (measured.faces.as_deref().unwrap_or_default(), measured.people.as_deref());
    let person = people.and_then(|people| Counted::new(faces, people, state.rules).main_person());
    let size = (measured.facts.width, measured.facts.height);
    Some(Appearance::new(&thumbnail, person.map(|person| person.bbox), size))
}

/// What reviewers decided is the highest rule.
fn apply_review(photos: &mut [PhotoState<'_>]) {
    photos.par_iter_mut().for_each(|state| {
        state.reasons = apply_decision(state.photo, std::mem::take(&mut state.reasons), state.rules);
    });
}

/// Drops all photos of an identity of which too few are left.
fn mark_small_galleries(photos: &mut [PhotoState<'_>]) {
    for gallery in photos.chunk_by_mut(is_same_gallery) {
        let kept = gallery.iter().filter(|state| state.is_good()).count();
        if kept < gallery[0].rules.min_photos {
            for state in gallery.iter_mut().filter(|state| state.is_good()) {
                state.reasons.push(Reason::TooFewPhotos { kept });
            }
        }
    }
}
