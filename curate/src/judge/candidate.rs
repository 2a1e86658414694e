//! What is judged: photos with their measurements, by identity.

use photo::Digest;

use crate::measurements::Measurements;

/// The photos of one identity.
#[derive(Clone, Debug)]
pub struct Gallery<'a> {
    /// The site's name, which may have thresholds of its own.
    pub site: &'a str,
    /// `site/slug`.
    pub identity: String,
    /// Its photos.
    pub photos: Vec<Candidate<'a>>,
}

/// One photo that is judged.
#[derive(Clone, Debug)]
pub struct Candidate<'a> {
    /// What the photo is known by, unique within the identity. Of photos with the same bytes the lowest key
    /// stays, so the key should follow from the photo (its URL, its place in the gallery), not from the time
    /// of its arrival.
    pub key: &'a str,
    /// The digest of its bytes.
    pub sha256: Digest,
    /// Its measurements, or the decoder's error.
    pub measured: Result<&'a Measurements, &'a str>,
    /// What a reviewer decided on it: the highest rule.
    pub decided: Option<bool>,
}
