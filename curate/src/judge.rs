//! Scores and rules to verdicts: pure and instant, no inference.
//!
//! Photos of one identity are judged together, since duplicates and the smallest number of photos are facts of the
//! whole. The result does not depend on the order in which they are given.

use std::collections::BTreeMap;

use photo::{Digest, Reason, Rules, Verdict, WatermarkScore};

use crate::hash::PerceptualHash;
use crate::measure::Measurements;
use crate::model::Role;
use crate::people::{Counted, PeopleClass};

/// One photo of the identity that is judged.
#[derive(Clone, Debug)]
pub struct Candidate<K> {
    /// What the photo is known by, unique within the identity. Of photos with the same bytes the lowest key stays, so
    /// the key should follow from the photo (its URL, its place in the gallery), not from the time of its arrival.
    pub key: K,
    /// The digest of its bytes.
    pub sha256: Digest,
    /// Its measurements, or what the decoder said.
    pub measured: Result<Measurements, String>,
}

/// The verdict on every photo of one identity, by key.
pub fn judge<K: Ord + Clone>(photos: &[Candidate<K>], rules: &Rules) -> BTreeMap<K, Verdict> {
    let mut ordered: Vec<&Candidate<K>> = photos.iter().collect();
    ordered.sort_by(|a, b| a.key.cmp(&b.key));
    let mut reasons: Vec<Vec<Reason>> = ordered.iter().map(|photo| alone(photo, rules)).collect();
    mark_duplicates(&ordered, &mut reasons);
    mark_near_duplicates(&ordered, &mut reasons, rules.duplicates.max_distance);
    let kept = reasons.iter().filter(|reasons| reasons.is_empty()).count();
    if kept < rules.min_photos {
        for reasons in reasons.iter_mut().filter(|reasons| reasons.is_empty()) {
            reasons.push(Reason::TooFewPhotos { kept });
        }
    }
    let verdicts = reasons.into_iter().map(Verdict::from_reasons);
    ordered.iter().map(|photo| photo.key.clone()).zip(verdicts).collect()
}

/// The reasons that lie in the photo itself.
fn alone<K>(photo: &Candidate<K>, rules: &Rules) -> Vec<Reason> {
    let measured = match &photo.measured {
        Ok(measured) => measured,
        Err(detail) => return vec![Reason::Unreadable { detail: detail.clone() }],
    };
    let mut reasons = reasons_alone(measured, rules);
    if reasons.is_empty() {
        let missing = Role::ALL.into_iter().filter(|&role| !measured.has(role)).map(|role| role.to_string());
        let missing: Vec<_> = missing.collect();
        if !missing.is_empty() {
            reasons.push(Reason::NotMeasured { missing });
        }
    }
    reasons
}

/// The reasons that are certain from what was measured, whatever the models that were not asked would say.
pub(crate) fn reasons_alone(measured: &Measurements, rules: &Rules) -> Vec<Reason> {
    let mut reasons = Vec::new();
    let (width, height) = (measured.facts.width, measured.facts.height);
    if width.min(height) < rules.min_side {
        reasons.push(Reason::TooSmall { width, height });
    }
    if let Some((region, score)) = measured.watermark.as_ref().and_then(WatermarkScore::highest)
        && score > rules.watermark.max_score
    {
        reasons.push(Reason::Watermark { score, region });
    }
    let Some(people) = &measured.people else { return reasons };
    let Some(faces) = &measured.faces else {
        match Counted::class_whatever_faces(people, rules) {
            Some((PeopleClass::Several, people)) => reasons.push(Reason::SeveralPeople { faces: 0, people }),
            Some((PeopleClass::None, _)) => reasons.push(Reason::NoPerson),
            Some((PeopleClass::One, _)) | None => {}
        }
        return reasons;
    };
    let counted = Counted::new(faces, people, rules);
    match counted.class() {
        PeopleClass::None => reasons.push(Reason::NoPerson),
        PeopleClass::Several => {
            reasons.push(Reason::SeveralPeople { faces: counted.faces.len(), people: counted.people.len() });
        }
        PeopleClass::One => {
            if counted.faces.is_empty() {
                reasons.push(Reason::NoFace);
            }
            let visible =
                |joint: &photo::Joint| joint.confidence >= rules.joints.min_score && joint.confidence > 0.0;
            if !counted.main_person().is_some_and(|person| person.joints.0.iter().any(visible)) {
                reasons.push(Reason::NoVisibleJoint);
            }
        }
    }
    reasons
}

/// Of equal bytes the first by key stays.
fn mark_duplicates<K>(photos: &[&Candidate<K>], reasons: &mut [Vec<Reason>]) {
    let mut seen = std::collections::BTreeSet::new();
    for (photo, reasons) in photos.iter().zip(reasons) {
        if !seen.insert(photo.sha256) {
            reasons.push(Reason::Duplicate { of: photo.sha256 });
        }
    }
}

/// Of photos that look the same the best stays. Only photos without another reason take part, so that a good photo
/// never falls to one that is dropped itself.
fn mark_near_duplicates<K>(photos: &[&Candidate<K>], reasons: &mut [Vec<Reason>], max_distance: u32) {
    struct Look<'a> {
        place: usize,
        hash: PerceptualHash,
        sha256: Digest,
        measured: &'a Measurements,
    }
    let mut looks: Vec<Look> = photos
        .iter()
        .enumerate()
        .filter(|&(place, _)| reasons[place].is_empty())
        .filter_map(|(place, photo)| {
            let measured = photo.measured.as_ref().ok()?;
            // A hash of another form than today's compares with nothing.
            let hash = measured.facts.perceptual_hash.parse().ok()?;
            Some(Look { place, hash, sha256: photo.sha256, measured })
        })
        .collect();
    // The best first: with more pixels, then more bytes (less lost when it was saved), then the lower digest.
    let size = |look: &Look| {
        let facts = &look.measured.facts;
        (u64::from(facts.width) * u64::from(facts.height), facts.file_bytes)
    };
    looks.sort_by(|a, b| size(b).cmp(&size(a)).then(a.sha256.cmp(&b.sha256)));
    let mut kept: Vec<Look> = Vec::new();
    for look in looks {
        let distances = kept.iter().map(|better| (look.hash.distance(better.hash), better.sha256));
        match distances
            .min_by_key(|&(distance, _)| distance)
            .filter(|&(distance, _)| distance <= max_distance)
        {
            Some((distance, of)) => reasons[look.place].push(Reason::NearDuplicate { of, distance }),
            None => kept.push(look),
        }
    }
}
