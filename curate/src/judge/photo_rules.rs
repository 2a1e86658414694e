//! The rules that look at one photo alone, and what a reviewer decided on it.

use photo::{Reason, Rules, WatermarkScore};

use super::candidate::Candidate;
use super::people::{Counted, PeopleClass};
use crate::measurements::Measurements;
use crate::role::Role;

/// What a reviewer's decision leaves of the reasons. A photo that was kept by hand takes part in everything
/// that follows as a good one, and one that was dropped by hand leaves its place to a copy.
pub(super) fn apply_decision(photo: &Candidate<'_>, mut reasons: Vec<Reason>, rules: &Rules) -> Vec<Reason> {
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

/// The reasons to drop a photo that follow from it alone.
pub(super) fn reasons_of_photo(photo: &Candidate<'_>, rules: &Rules) -> Vec<Reason> {
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

/// The models that were not run, if any. Whether faces are compared is for the rules to say.
fn not_measured(measured: &Measurements, rules: &Rules) -> Option<Reason> {
    let compared = rules.identity.compares_from().map(|_| Role::FaceEmbedding);
    let needed = Role::REQUIRED.into_iter().chain(compared);
    let missing: Vec<_> = needed.filter(|&role| !measured.has(role)).map(|role| role.to_string()).collect();
    (!missing.is_empty()).then_some(Reason::NotMeasured { missing })
}

/// The reasons that are certain from what was measured, whatever the models that were not run would find.
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
