//! Scores and rules to verdicts: pure and instant, no inference.
//!
//! All galleries are judged together, since copies of a photo may stand under several identities; an identity's smallest
//! number of photos counts what is left of it in the end. The result does not depend on the order in which galleries
//! and photos are given, nor on the number of threads.

use std::collections::HashMap;

use photo::{AcrossIdentities, Digest, Reason, Rules, Verdict, WatermarkScore};
use rayon::prelude::*;

use crate::copies::{self, Group, Look};
use crate::duplicates::Sight;
use crate::hash::Fingerprint;
use crate::measure::Measurements;
use crate::model::Role;
use crate::people::{Counted, PeopleClass};
use crate::purity::{self, Divided, Likeness};
use crate::thumbnail::Thumbnail;

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
    /// What the photo is known by, unique within the identity. Of photos with the same bytes the lowest key stays, so
    /// the key should follow from the photo (its URL, its place in the gallery), not from the time of its arrival.
    pub key: &'a str,
    /// The digest of its bytes.
    pub sha256: Digest,
    /// Its measurements, or what the decoder said.
    pub measured: Result<&'a Measurements, &'a str>,
    /// What a person decided on it: the highest rule.
    pub decided: Option<bool>,
}

/// What the rules make of all photos.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// The verdict on every photo, gallery by gallery in the order given.
    pub verdicts: Vec<Vec<Verdict>>,
    /// Photos that look the same, where there are at least two, by their centres.
    pub groups: Vec<Group>,
    /// How alike each photo's face is to most faces of its identity, from −1 to 1, gallery by gallery; `None` where it was
    /// not compared.
    pub similarities: Vec<Vec<Option<f32>>>,
    /// Identities whose faces were compared, but are nobody's for the greater part.
    pub divided: Vec<Divided>,
}

/// The verdict on every photo.
pub fn judge(galleries: &[Gallery<'_>], rules: &Rules) -> Judgement {
    let site_rules: Vec<Rules> = galleries.iter().map(|gallery| rules.of_site(gallery.site)).collect();
    let mut reasons: Vec<Vec<Vec<Reason>>> = galleries
        .par_iter()
        .zip(&site_rules)
        .map(|(gallery, rules)| {
            gallery.photos.iter().map(|photo| decided(photo, alone(photo, rules), rules)).collect()
        })
        .collect();
    let (similarities, divided) = compare_faces(galleries, &mut reasons, &site_rules);
    let same_bytes: Vec<Vec<(usize, usize)>> = galleries.par_iter().map(same_bytes).collect();
    for ((gallery, reasons), copies) in galleries.iter().zip(&mut reasons).zip(&same_bytes) {
        for &(copy, first) in copies {
            reasons[copy].push(Reason::Duplicate { of: gallery.photos[first].sha256 });
        }
    }
    let looks = looks(galleries, &reasons);
    let sight = |look: &Look| sight(&galleries[look.gallery].photos[look.photo], &site_rules[look.gallery]);
    let mut groups = match rules.duplicates.across_identities {
        AcrossIdentities::Ignore => copies::groups_apart(&looks, rules.duplicates.max_distance, &sight),
        _ => copies::groups(&looks, rules.duplicates.max_distance, &sight),
    };
    for group in &groups {
        let given = copies::reasons(group, &looks, rules.duplicates.across_identities, |gallery| {
            &galleries[gallery].identity
        });
        for (look, reason) in given {
            reasons[looks[look].gallery][looks[look].photo].push(reason);
        }
    }
    for ((gallery, reasons), rules) in galleries.iter().zip(&mut reasons).zip(&site_rules) {
        for (photo, reasons) in gallery.photos.iter().zip(reasons) {
            *reasons = decided(photo, std::mem::take(reasons), rules);
        }
    }
    copies::add_same_bytes(&mut groups, &looks, &same_bytes);
    let groups = groups.into_iter().filter(|group| group.members.len() > 1).collect();
    for (reasons, rules) in reasons.iter_mut().zip(&site_rules) {
        mark_too_few(reasons, rules.min_photos);
    }
    let verdicts = reasons.into_iter().map(|all| all.into_iter().map(Verdict::from_reasons).collect());
    Judgement { verdicts: verdicts.collect(), groups, similarities, divided }
}

/// Adds the reasons of faces that are another person's, before copies are compared: a good photo never falls to one that
/// is dropped itself.
fn compare_faces(
    galleries: &[Gallery<'_>],
    reasons: &mut [Vec<Vec<Reason>>],
    site_rules: &[Rules],
) -> (Vec<Vec<Option<f32>>>, Vec<Divided>) {
    let likeness: Vec<Likeness> = galleries
        .par_iter()
        .zip(&*reasons)
        .zip(site_rules)
        .map(|((gallery, reasons), rules)| purity::likeness(gallery, reasons, rules))
        .collect();
    let (mut similarities, mut divided) = (Vec::with_capacity(likeness.len()), Vec::new());
    for (place, found) in likeness.into_iter().enumerate() {
        let lowest = site_rules[place].identity.compares_from().unwrap_or(-1.0);
        let photos = galleries[place].photos.iter().zip(&mut reasons[place]).zip(&found.similarities);
        for ((photo, reasons), similarity) in photos {
            if let Some(similarity) = similarity.filter(|&similarity| similarity < lowest)
                && photo.decided != Some(true)
            {
                reasons.push(Reason::OtherPerson { similarity });
            }
        }
        divided.extend(found.divided.map(|(faces, largest)| Divided { gallery: place, faces, largest }));
        similarities.push(found.similarities);
    }
    (similarities, divided)
}

/// What a person's decision leaves of the reasons. A photo that was kept by hand takes part in everything that follows as
/// a good one, and one that was dropped by hand leaves its place to a copy.
fn decided(photo: &Candidate<'_>, mut reasons: Vec<Reason>, rules: &Rules) -> Vec<Reason> {
    match photo.decided {
        Some(true) => {
            reasons.retain(Reason::is_final);
            let missing = photo.measured.ok().and_then(|measured| not_measured(measured, rules));
            if let Some(missing) = missing.filter(|missing| !reasons.contains(missing)) {
                reasons.push(missing);
            }
        }
        Some(false) if !reasons.contains(&Reason::Review) => reasons.push(Reason::Review),
        _ => {}
    }
    reasons
}

/// The reasons that lie in the photo itself.
fn alone(photo: &Candidate<'_>, rules: &Rules) -> Vec<Reason> {
    let measured = match photo.measured {
        Ok(measured) => measured,
        Err(detail) => return vec![Reason::Unreadable { detail: detail.to_owned() }],
    };
    let mut reasons = reasons_alone(measured, rules);
    if reasons.is_empty() {
        reasons.extend(not_measured(measured, rules));
    }
    reasons
}

/// The models that were not asked, if any. Whether faces are compared is for the rules to say.
fn not_measured(measured: &Measurements, rules: &Rules) -> Option<Reason> {
    let compared = rules.identity.compares_from().map(|_| Role::FaceEmbedding);
    let needed = Role::REQUIRED.into_iter().chain(compared);
    let missing: Vec<_> = needed.filter(|&role| !measured.has(role)).map(|role| role.to_string()).collect();
    (!missing.is_empty()).then_some(Reason::NotMeasured { missing })
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

/// Photos of a gallery with the bytes of another one that comes first by key: the copy's place and the first one's.
fn same_bytes(gallery: &Gallery<'_>) -> Vec<(usize, usize)> {
    let mut by_key: Vec<usize> = (0..gallery.photos.len()).collect();
    by_key.sort_by_key(|&place| gallery.photos[place].key);
    let mut first = HashMap::new();
    let copy_of = |place: usize| {
        let of = *first.entry(gallery.photos[place].sha256).or_insert(place);
        (of != place).then_some((place, of))
    };
    by_key.into_iter().filter_map(copy_of).collect()
}

/// What is compared: every readable photo once, the best first. Photos with a fault of their own come last, so that a
/// good photo never falls to one that is dropped itself.
fn looks(galleries: &[Gallery<'_>], reasons: &[Vec<Vec<Reason>>]) -> Vec<Look> {
    let of_gallery = |(gallery, photos): (usize, &Gallery<'_>)| -> Vec<Look> {
        let look = |(photo, candidate): (usize, &Candidate<'_>)| {
            let facts = &candidate.measured.ok()?.facts;
            let reasons = &reasons[gallery][photo];
            if reasons.iter().any(|reason| matches!(reason, Reason::Duplicate { .. })) {
                return None;
            }
            Some(Look {
                gallery,
                photo,
                // A hash of another form than today's compares with nothing.
                print: Fingerprint {
                    whole: facts.perceptual_hash.parse().ok()?,
                    inner: facts.inner_hash.parse().ok()?,
                },
                is_good: reasons.is_empty(),
                pixels: u64::from(facts.width) * u64::from(facts.height),
                sharpness: facts.sharpness,
                file_bytes: facts.file_bytes,
                sha256: candidate.sha256,
            })
        };
        photos.photos.iter().enumerate().filter_map(look).collect()
    };
    let mut looks: Vec<Look> = galleries.par_iter().enumerate().flat_map_iter(of_gallery).collect();
    looks.par_sort_by(|a, b| {
        let identity = |look: &Look| &galleries[look.gallery].identity;
        a.by_quality(b).then_with(|| identity(a).cmp(identity(b)))
    });
    looks
}

/// What a second look sees of a photo: its colours, and where its person is, as far as models were asked.
fn sight(photo: &Candidate<'_>, rules: &Rules) -> Option<Sight> {
    let measured = photo.measured.ok()?;
    let thumbnail: Thumbnail = measured.facts.thumbnail.parse().ok()?;
    let (faces, people) = (measured.faces.as_deref().unwrap_or_default(), measured.people.as_deref());
    let person = people.and_then(|people| Counted::new(faces, people, rules).main_person());
    let size = (measured.facts.width, measured.facts.height);
    Some(Sight::new(&thumbnail, person.map(|person| person.bbox), size))
}

fn mark_too_few(reasons: &mut [Vec<Reason>], min_photos: usize) {
    let kept = reasons.iter().filter(|reasons| reasons.is_empty()).count();
    if kept < min_photos {
        for reasons in reasons.iter_mut().filter(|reasons| reasons.is_empty()) {
            reasons.push(Reason::TooFewPhotos { kept });
        }
    }
}
