//! Exact duplicates: photos of one identity with the same bytes.

use std::collections::HashMap;

use super::near_duplicates::{Group, Member};
use super::photo_state::PhotoState;

/// A photo with the bytes of another one that comes first by key; both by their places in the gallery.
#[derive(Clone, Copy, Debug)]
pub(super) struct ExactDuplicate {
    /// The identity's place among the galleries.
    pub gallery: usize,
    pub copy: usize,
    pub first: usize,
}

/// The exact duplicates among the photos of one gallery.
pub(super) fn exact_duplicates(gallery: &[PhotoState<'_>]) -> Vec<ExactDuplicate> {
    let mut by_key: Vec<&PhotoState<'_>> = gallery.iter().collect();
    by_key.sort_by_key(|state| state.photo.key);
    let mut firsts = HashMap::new();
    let mut duplicates = Vec::new();
    for state in by_key {
        let first = *firsts.entry(state.photo.sha256).or_insert(state.place);
        if first != state.place {
            duplicates.push(ExactDuplicate { gallery: state.gallery, copy: state.place, first });
        }
    }
    duplicates
}

/// Adds exact duplicates of members to their groups: they are no candidates of their own.
pub(super) fn add_exact_duplicates(groups: &mut [Group], duplicates: &[ExactDuplicate]) {
    if duplicates.is_empty() {
        return;
    }
    let mut place_of = HashMap::new();
    for (number, group) in groups.iter().enumerate() {
        for (place, member) in group.members.iter().enumerate() {
            place_of.insert((member.gallery, member.photo), (number, place));
        }
    }
    for &ExactDuplicate { gallery, copy, first } in duplicates {
        if let Some(&(group, place)) = place_of.get(&(gallery, first)) {
            let original = groups[group].members[place];
            groups[group].members.push(Member { photo: copy, ..original });
        }
    }
}
