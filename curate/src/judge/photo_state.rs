//! A photo while it is judged.

use photo::{Reason, Rules};

use super::candidate::Candidate;

/// A photo while it is judged: what is known of it, and what speaks against it so far.
#[derive(Debug)]
pub(super) struct PhotoState<'a> {
    /// The identity's place among the galleries.
    pub gallery: usize,
    /// The photo's place in the gallery.
    pub place: usize,
    pub photo: &'a Candidate<'a>,
    /// The rules of its site.
    pub rules: &'a Rules,
    pub reasons: Vec<Reason>,
    /// How similar its face is to the identity's main person, where it was compared.
    pub similarity: Option<f32>,
}

impl PhotoState<'_> {
    /// Whether nothing speaks against it.
    pub fn is_good(&self) -> bool {
        self.reasons.is_empty()
    }
}
