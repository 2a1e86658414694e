//! The thresholds between scores and verdicts, as a recipe's `[rules]` section holds them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::range::{OutOfRange, check};
use crate::site_rules::SiteRules;

/// What a photo must be like to be kept.
///
/// ```
/// use photo::Rules;
///
/// // A recipe's `[rules]`, here as JSON: what is left out has its default, and a site may have its own thresholds.
/// let json = r#"{ "watermark": { "max_score": 0.3 }, "site": { "phone": { "min_side": 600 } } }"#;
/// let rules: Rules = serde_json::from_str(json)?;
/// rules.check()?;
/// assert_eq!(rules.of_site("phone").min_side, 600);
/// assert_eq!(rules.of_site("phone").watermark.max_score, 0.3);
/// assert_eq!(rules.of_site("studio").min_side, 1000);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rules {
    /// The smallest width and height in pixels (paper, sec. 6: at least 1000×1000).
    pub min_side: u32,
    /// The fewest kept photos an identity may have (paper, sec. 6: 100).
    pub min_photos: usize,
    /// Watermarks.
    pub watermark: WatermarkRule,
    /// Faces; exactly one is kept (paper, sec. 6).
    pub faces: FacesRule,
    /// People.
    pub people: PeopleRule,
    /// Joints.
    pub joints: JointsRule,
    /// Duplicates.
    pub duplicates: DuplicatesRule,
    /// Whether the faces of an identity are one person's.
    #[serde(skip_serializing_if = "IdentityRule::is_default")]
    pub identity: IdentityRule,
    /// Other thresholds for single sites and imports, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub site: BTreeMap<String, SiteRules>,
}

/// When a watermark drops a photo.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WatermarkRule {
    /// The highest probability that is still kept, in 0..=1.
    pub max_score: f32,
}

/// When a face counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FacesRule {
    /// The lowest score of a face that counts, in 0..=1. A face outside the boxes of all people never counts.
    pub min_score: f32,
}

/// When a person counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PeopleRule {
    /// The lowest score of a person that counts, in 0..=1.
    pub min_score: f32,
    /// The lowest score of a person that counts where a face that counts lies in the box: two weak witnesses are as
    /// good as a strong one. In 0..=1.
    pub min_score_with_face: f32,
    /// People smaller than this share of the largest one's box height are background, in 0..=1.
    pub min_relative_height: f32,
}

/// When a joint is visible.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JointsRule {
    /// Joints with a lower confidence count as not visible, in 0..=1.
    pub min_score: f32,
}

/// When two photos are the same photo, and what follows where they stand under two identities.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DuplicatesRule {
    /// Perceptual hashes that differ in at most this many of 64 bits are near-duplicates.
    pub max_distance: u32,
    /// What becomes of a photo that stands under two identities.
    #[serde(skip_serializing_if = "AcrossIdentities::is_default")]
    pub across_identities: AcrossIdentities,
}

/// What becomes of a photo that stands under two identities: nobody can say whose it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AcrossIdentities {
    /// It is dropped from all of them.
    #[default]
    Drop,
    /// It stays under the identity that has the best copy.
    KeepBest,
    /// Identities are judged as if each were alone.
    Ignore,
}

/// When a face is another person's than the other faces of its identity. Needs a model of the role `face_embedding`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IdentityRule {
    /// The lowest cosine similarity of a face to the centre of the identity's faces that is still the same
    /// person's, in −1..=1. Absent, or −1: faces are not compared. A good value depends on the model. For two
    /// single photos DeepFace (`deepface/config/threshold.py`) takes 0.32 for ArcFace and 0.45 for
    /// insightface's buffalo_l; 0.35 is a good start, since a face is closer to the centre of many faces than
    /// to another single one.
    pub min_similarity: Option<f32>,
}

impl IdentityRule {
    /// The similarity below which a face is another person's; `None` where faces are not compared.
    pub fn compares_from(&self) -> Option<f32> {
        self.min_similarity.filter(|&lowest| lowest > -1.0)
    }

    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl AcrossIdentities {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            min_side: 1000,
            min_photos: 100,
            watermark: WatermarkRule::default(),
            faces: FacesRule::default(),
            people: PeopleRule::default(),
            joints: JointsRule::default(),
            duplicates: DuplicatesRule::default(),
            identity: IdentityRule::default(),
            site: BTreeMap::new(),
        }
    }
}

impl Default for WatermarkRule {
    fn default() -> Self {
        Self { max_score: 0.5 } // the more likely class of a two-class classifier
    }
}

impl Default for FacesRule {
    fn default() -> Self {
        Self { min_score: 0.4 } // below, detectors of this family fire on animals and logos
    }
}

impl Default for PeopleRule {
    fn default() -> Self {
        // On 102 real photos with YOLO11n-pose and YOLOv8n-face the class 0/1/2+ is right for 96 % with any min_score
        // from 0.5 to 0.6 and any min_score_with_face from 0.25 to 0.4; 92 % with 0.4 and every face counting.
        // People in the background count.
        Self { min_score: 0.5, min_score_with_face: 0.25, min_relative_height: 0.0 }
    }
}

impl Default for JointsRule {
    fn default() -> Self {
        Self { min_score: 0.5 } // the threshold below which Ultralytics' own drawing hides a joint
    }
}

impl Default for DuplicatesRule {
    fn default() -> Self {
        // On 91 real photos, copies that were re-encoded, rescaled or mirrored differ in at most 1 bit,
        // copies cut by 3 % in at most 7; no two different photos in fewer than 15. Of synthetic ones, one in
        // a hundred cuts differs in 8 or 9, which would take nearly three times as long to look for.
        Self { max_distance: 7, across_identities: AcrossIdentities::default() }
    }
}

impl Rules {
    /// Checks the thresholds, those of single sites too. A percentage where a share is meant would switch a rule off
    /// without a word, and NaN compares to nothing.
    ///
    /// # Errors
    /// Naming the first threshold that is out of range.
    pub fn check(&self) -> Result<(), OutOfRange> {
        for rules in self.of_all_sites() {
            let shares = [
                ("rules.watermark.max_score", rules.watermark.max_score),
                ("rules.faces.min_score", rules.faces.min_score),
                ("rules.people.min_score", rules.people.min_score),
                ("rules.people.min_score_with_face", rules.people.min_score_with_face),
                ("rules.people.min_relative_height", rules.people.min_relative_height),
                ("rules.joints.min_score", rules.joints.min_score),
            ];
            for (key, share) in shares {
                check(key, &share, (0.0..=1.0).contains(&share), "0 to 1")?;
            }
            let bits = rules.duplicates.max_distance;
            check("rules.duplicates.max_distance", &bits, bits <= 64, "0 to 64, the bits of a hash")?;
            if let Some(lowest) = rules.identity.min_similarity {
                let expected = "-1 to 1; ArcFace tells people apart at about 0.35";
                check("rules.identity.min_similarity", &lowest, (-1.0..=1.0).contains(&lowest), expected)?;
            }
        }
        Ok(())
    }

    /// The rules that hold for a site: its own thresholds over those of all.
    pub fn of_site(&self, site: &str) -> Self {
        let common = Self { site: BTreeMap::new(), ..self.clone() };
        match self.site.get(site) {
            Some(own) => own.over(common),
            None => common,
        }
    }

    /// The rules of every site that has thresholds of its own, after those of all others.
    pub fn of_all_sites(&self) -> Vec<Self> {
        let common = Self { site: BTreeMap::new(), ..self.clone() };
        std::iter::once(common).chain(self.site.keys().map(|site| self.of_site(site))).collect()
    }

    /// Whether faces are compared, on any site.
    pub fn compare_faces(&self) -> bool {
        self.of_all_sites().iter().any(|rules| rules.identity.compares_from().is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_out_of_range_are_refused_by_name() {
        assert_eq!(Rules::default().check(), Ok(()));
        let mut rules = Rules::default();
        rules.people.min_score = 50.0;
        assert!(rules.check().unwrap_err().to_string().contains("`rules.people.min_score = 50`"));
        rules.people.min_score = f32::NAN;
        assert!(rules.check().unwrap_err().to_string().contains("NaN"));
        rules.people.min_score = 0.5;
        rules.duplicates.max_distance = 65;
        assert!(rules.check().is_err());
        rules.duplicates.max_distance = 7;
        rules.identity.min_similarity = Some(1.5);
        assert!(rules.check().unwrap_err().to_string().contains("= 1.5` is out of range: -1 to 1"));
    }
}
