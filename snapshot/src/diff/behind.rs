//! The scores and limits behind a verdict that changed.

use std::collections::{BTreeMap, BTreeSet};

use photo::identity_name::site_of;
use photo::{Reason, Rules};
use serde::Serialize;
use serde_json::Value;

use super::person;
use super::photo::PhotoState;
use super::setting::as_written;

/// What is behind a reason that came or went.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Behind {
    /// The reason's name.
    pub reason: &'static str,
    /// What is compared with the limit, where it is a number.
    pub score: Option<ScoreChange>,
    /// The limits that the reason follows from.
    pub limits: Vec<LimitChange>,
}

/// A number before and after; the same twice where only the limit moved.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ScoreChange {
    /// What it is.
    pub name: &'static str,
    /// In the first snapshot; `None` where it was not measured.
    pub before: Option<f64>,
    /// In the second one.
    pub after: Option<f64>,
}

/// A limit before and after.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LimitChange {
    /// Its key: `rules.watermark.max_score`.
    pub key: String,
    /// Its value for the photo's site in the first snapshot; null where there is none.
    pub before: Value,
    /// In the second one.
    pub after: Value,
}

/// The limits of two snapshots, and how many photos of each person they keep.
pub(super) struct Limits<'a> {
    rules: [&'a Rules; 2],
    kept: [BTreeMap<String, usize>; 2],
}

impl<'a> Limits<'a> {
    pub fn new(rules: [&'a Rules; 2], photos: [&[PhotoState]; 2]) -> Self {
        let kept = photos.map(|photos| {
            let people = person::people(photos).into_iter();
            people.map(|(identity, state)| (identity.to_owned(), state.kept)).collect()
        });
        Self { rules, kept }
    }

    /// What is behind the reasons that only one of the two states has, sorted by name.
    pub fn behind(&self, before: &PhotoState, after: &PhotoState) -> Vec<Behind> {
        let names = |state: &PhotoState| -> BTreeSet<&'static str> {
            state.verdict.reasons().iter().map(Reason::name).collect()
        };
        let changed: Vec<&'static str> = names(before).symmetric_difference(&names(after)).copied().collect();
        if changed.is_empty() {
            return Vec::new();
        }
        let [old, new] = [(before, self.rules[0]), (after, self.rules[1])].map(|(state, rules)| {
            serde_json::to_value(rules.of_site(site_of(&state.identity))).expect("rules have a JSON form")
        });
        let limit = |key: &&str| {
            let at = |rules: &Value| rules.pointer(&format!("/{}", key.replace('.', "/"))).cloned();
            let [before, after] = [&old, &new].map(|rules| as_written(at(rules).unwrap_or(Value::Null)));
            LimitChange { key: format!("rules.{key}"), before, after }
        };
        changed
            .into_iter()
            .map(|reason| Behind {
                reason,
                score: self.score(reason, before, after),
                limits: keys(reason).iter().map(limit).collect(),
            })
            .collect()
    }

    fn score(&self, reason: &str, before: &PhotoState, after: &PhotoState) -> Option<ScoreChange> {
        let change = |name, of: &dyn Fn(&PhotoState) -> Option<f64>| {
            let (before, after) = (of(before), of(after));
            (before.is_some() || after.is_some()).then_some(ScoreChange { name, before, after })
        };
        match reason {
            "watermark" => change("watermark", &|photo| photo.scores.watermark.map(short)),
            "no_face" => change("face", &|photo| photo.scores.face.map(short)),
            "no_person" | "several_people" => change("person", &|photo| photo.scores.person.map(short)),
            "other_person" => change("similarity", &|photo| photo.scores.similarity.map(short)),
            "too_small" => {
                change("shorter side in px", &|photo| Some(f64::from(photo.width?.min(photo.height?))))
            }
            "near_duplicate" | "two_identities" => change("bits that differ", &|photo| {
                photo.verdict.reasons().iter().find_map(|found| match found {
                    Reason::NearDuplicate { distance, .. } | Reason::TwoIdentities { distance, .. } => {
                        Some(f64::from(*distance))
                    }
                    _ => None,
                })
            }),
            "too_few_photos" => {
                let (before, after) = (count_left(before, &self.kept[0]), count_left(after, &self.kept[1]));
                Some(ScoreChange { name: "photos left of the person", before, after })
            }
            _ => None,
        }
    }
}

fn count_left(photo: &PhotoState, kept: &BTreeMap<String, usize>) -> Option<f64> {
    let of_reason = photo.verdict.reasons().iter().find_map(|found| match found {
        Reason::TooFewPhotos { kept } => Some(*kept),
        _ => None,
    });
    of_reason.or_else(|| kept.get(&photo.identity).copied()).map(|kept| kept as f64)
}

/// The keys of the rules that a reason follows from.
fn keys(reason: &str) -> &'static [&'static str] {
    match reason {
        "too_small" => &["min_side"],
        "watermark" => &["watermark.max_score"],
        "no_face" => &["faces.min_score"],
        "no_person" => &["people.min_score", "people.min_score_with_face"],
        "several_people" => &[
            "people.min_score",
            "people.min_score_with_face",
            "people.min_relative_height",
            "faces.min_score",
        ],
        "no_visible_joint" => &["joints.min_score"],
        "other_person" => &["identity.min_similarity"],
        "near_duplicate" => &["duplicates.max_distance"],
        "two_identities" => &["duplicates.max_distance", "duplicates.across_identities"],
        "too_few_photos" => &["min_photos"],
        _ => &[],
    }
}

/// A score as it is shown: 0.9 as 0.9, not as the nearest number that 32 bits hold.
fn short(score: f32) -> f64 {
    score.to_string().parse().unwrap_or_else(|_| f64::from(score))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_one_of_the_rules() {
        let mut rules = Rules::default();
        rules.identity.min_similarity = Some(0.4);
        let rules = serde_json::to_value(rules).unwrap();
        for reason in ["too_small", "watermark", "no_face", "no_person", "several_people", "no_visible_joint"]
            .into_iter()
            .chain(["other_person", "near_duplicate", "too_few_photos"])
        {
            assert!(!keys(reason).is_empty(), "{reason}");
            for key in keys(reason) {
                assert!(rules.pointer(&format!("/{}", key.replace('.', "/"))).is_some(), "{key}");
            }
        }
    }
}
