//! Thresholds of one site, where they differ from those of all: a recipe's `[rules.site.NAME]` section.

use serde::{Deserialize, Serialize};

use crate::Rules;

/// Thresholds that hold for one site or import instead of the recipe's. How alike duplicates are is no site's
/// own, since photos of all sites are compared with each other.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SiteRules {
    /// Instead of [`Rules::min_side`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_side: Option<u32>,
    /// Instead of [`Rules::min_photos`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_photos: Option<usize>,
    /// Watermarks.
    #[serde(skip_serializing_if = "SiteWatermark::is_empty")]
    pub watermark: SiteWatermark,
    /// Faces.
    #[serde(skip_serializing_if = "SiteScore::is_empty")]
    pub faces: SiteScore,
    /// People.
    #[serde(skip_serializing_if = "SitePeople::is_empty")]
    pub people: SitePeople,
    /// Joints.
    #[serde(skip_serializing_if = "SiteScore::is_empty")]
    pub joints: SiteScore,
    /// Whether the faces of an identity are one person's.
    #[serde(skip_serializing_if = "SiteIdentity::is_empty")]
    pub identity: SiteIdentity,
}

/// When a watermark of this site drops a photo.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SiteWatermark {
    /// The highest probability that is still kept, in 0..=1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_score: Option<f32>,
}

/// When a face or a joint on this site counts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SiteScore {
    /// The lowest score that counts, in 0..=1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_score: Option<f32>,
}

/// When a person on this site counts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SitePeople {
    /// The lowest score that counts, in 0..=1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_score: Option<f32>,
    /// The lowest score that counts where a face lies in the box, in 0..=1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_score_with_face: Option<f32>,
    /// The share of the largest person's height below which people are background, in 0..=1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_relative_height: Option<f32>,
}

/// When a face on this site is another person's.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SiteIdentity {
    /// The lowest similarity that is still the same person's; −1: faces of this site are not compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_similarity: Option<f32>,
}

impl SiteWatermark {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl SiteScore {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl SitePeople {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl SiteIdentity {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl SiteRules {
    /// The rules with this site's thresholds in their place.
    pub(crate) fn over(&self, mut rules: Rules) -> Rules {
        put(self.min_side, &mut rules.min_side);
        put(self.min_photos, &mut rules.min_photos);
        put(self.watermark.max_score, &mut rules.watermark.max_score);
        put(self.faces.min_score, &mut rules.faces.min_score);
        put(self.people.min_score, &mut rules.people.min_score);
        put(self.people.min_score_with_face, &mut rules.people.min_score_with_face);
        put(self.people.min_relative_height, &mut rules.people.min_relative_height);
        put(self.joints.min_score, &mut rules.joints.min_score);
        if self.identity.min_similarity.is_some() {
            rules.identity.min_similarity = self.identity.min_similarity;
        }
        rules
    }
}

fn put<T: Copy>(own: Option<T>, common: &mut T) {
    if let Some(own) = own {
        *common = own;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sites_own_thresholds_hold_for_it_alone() {
        let own: SiteRules =
            serde_json::from_str(r#"{"min_side": 600, "people": {"min_score": 0.3}}"#).expect("known keys");
        let rules = Rules { site: [("small".to_owned(), own)].into(), ..Rules::default() };
        let small = rules.of_site("small");
        assert_eq!((small.min_side, small.people.min_score), (600, 0.3));
        assert_eq!(small.people.min_score_with_face, Rules::default().people.min_score_with_face);
        assert_eq!(rules.of_site("other"), Rules::default());
    }

    #[test]
    fn faces_are_compared_on_the_sites_whose_rules_say_so() {
        let lowest = |of_all: Option<f32>, of_site: Option<f32>| {
            let own =
                SiteRules { identity: SiteIdentity { min_similarity: of_site }, ..SiteRules::default() };
            let mut rules = Rules { site: [("own".to_owned(), own)].into(), ..Rules::default() };
            rules.identity.min_similarity = of_all;
            let of = |site| rules.of_site(site).identity.compares_from();
            (rules.compare_faces(), of("own"), of("other"))
        };
        assert_eq!(lowest(None, None), (false, None, None));
        assert_eq!(lowest(Some(0.3), None), (true, Some(0.3), Some(0.3)));
        assert_eq!(lowest(Some(0.3), Some(-1.0)), (true, None, Some(0.3)));
        assert_eq!(lowest(None, Some(0.4)), (true, Some(0.4), None));
        assert_eq!(lowest(Some(-1.0), None), (false, None, None));
    }

    #[test]
    fn rules_that_compare_no_faces_have_the_digest_they_had_before_faces_were_compared() {
        let json = serde_json::to_string(&Rules::default()).expect("rules have a JSON form");
        assert!(!json.contains("identity\":{") && !json.contains("similarity"), "{json}");
    }

    #[test]
    fn an_unknown_threshold_of_a_site_is_refused() {
        let refused = serde_json::from_str::<SiteRules>(r#"{"min_sides": 600}"#).unwrap_err();
        assert!(refused.to_string().contains("min_sides"), "{refused}");
    }
}
