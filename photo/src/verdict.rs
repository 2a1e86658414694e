//! Keep, or drop with every reason.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Digest;
use crate::tiles::Region;

/// Why a photo is dropped, with the score or the fact behind it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum Reason {
    /// The bytes are no photo that can be read.
    Unreadable {
        /// What the decoder said.
        detail: String,
    },
    /// Width or height is below `min_side`.
    TooSmall {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
    /// The watermark model is too sure that there is a watermark.
    Watermark {
        /// The probability.
        score: f32,
        /// The region with the highest probability.
        region: Region,
    },
    /// No face and no person was found.
    NoPerson,
    /// A person was found, but no face.
    NoFace,
    /// More than one person was found.
    SeveralPeople {
        /// Faces above the score; 0 where the people alone decided and no face was looked for.
        faces: usize,
        /// People above the score.
        people: usize,
    },
    /// No joint is visible, so that the weighting (paper, eq. 12) is a maximum over nothing.
    NoVisibleJoint,
    /// The face is another person's than most faces under this identity.
    OtherPerson {
        /// The cosine similarity to the centre of theirs, in −1..=1.
        similarity: f32,
    },
    /// The same bytes stand earlier under this identity.
    Duplicate {
        /// The photo's bytes.
        of: Digest,
    },
    /// A sharper or larger photo that looks the same stands under this identity.
    NearDuplicate {
        /// The photo that is kept in its place.
        of: Digest,
        /// In how many bits of 64 the perceptual hashes differ.
        distance: u32,
    },
    /// The same photo, or a copy of it, stands under another identity: nobody can say whose it is.
    TwoIdentities {
        /// The other one, as `site/slug`.
        identity: String,
        /// The photo there.
        of: Digest,
        /// In how many bits of 64 the perceptual hashes differ.
        distance: u32,
    },
    /// No score so far drops the photo, but models are still to be asked: `bolid measure` does.
    NotMeasured {
        /// The roles of the models that were not asked.
        missing: Vec<String>,
    },
    /// A person looked at it and decided so.
    Review,
    /// The identity has fewer photos left than `min_photos`.
    TooFewPhotos {
        /// How many are left.
        kept: usize,
    },
}

impl Reason {
    /// Whether no decision can keep the photo all the same: nothing can be made of it, or the same bytes are
    /// kept already.
    pub fn is_final(&self) -> bool {
        matches!(
            self,
            Self::Unreadable { .. }
                | Self::NoPerson
                | Self::NoVisibleJoint
                | Self::Duplicate { .. }
                | Self::NotMeasured { .. }
                | Self::Review
        )
    }

    /// The reason's name in tables, filters and files.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "unreadable",
            Self::TooSmall { .. } => "too_small",
            Self::Watermark { .. } => "watermark",
            Self::NoPerson => "no_person",
            Self::NoFace => "no_face",
            Self::SeveralPeople { .. } => "several_people",
            Self::NoVisibleJoint => "no_visible_joint",
            Self::OtherPerson { .. } => "other_person",
            Self::Duplicate { .. } => "duplicate",
            Self::NearDuplicate { .. } => "near_duplicate",
            Self::TwoIdentities { .. } => "two_identities",
            Self::NotMeasured { .. } => "not_measured",
            Self::Review => "review",
            Self::TooFewPhotos { .. } => "too_few_photos",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match self {
            Self::Unreadable { detail } => write!(f, ": {detail}"),
            Self::TooSmall { width, height } => write!(f, ": {width}×{height} px"),
            Self::Watermark { score, region } => write!(f, ": {score:.3} in the {region}"),
            // None counted may also mean that nobody asked, people being enough to know.
            Self::SeveralPeople { faces: 0, people } => write!(f, ": {people} people"),
            Self::SeveralPeople { faces, people } => write!(f, ": {faces} faces, {people} people"),
            Self::OtherPerson { similarity } => {
                write!(f, ": similarity {similarity:.3} to the others' faces")
            }
            Self::Duplicate { of } => write!(f, " of {}", of.short()),
            Self::NearDuplicate { of, distance } => {
                write!(f, " of {}, {distance} of 64 bits differ", of.short())
            }
            Self::TwoIdentities { identity, of, distance } => {
                write!(f, ": {} of {identity}, {distance} of 64 bits differ", of.short())
            }
            Self::NotMeasured { missing } => write!(f, " by {}; run `bolid measure`", missing.join(", ")),
            Self::TooFewPhotos { kept } => write!(f, ": {kept} left"),
            Self::NoPerson | Self::NoFace | Self::NoVisibleJoint | Self::Review => Ok(()),
        }
    }
}

/// What the rules make of a photo.
///
/// ```
/// use photo::{Reason, Verdict};
///
/// assert!(Verdict::from_reasons(Vec::new()).is_keep());
/// let verdict = Verdict::from_reasons(vec![Reason::TooSmall { width: 800, height: 600 }, Reason::NoFace]);
/// assert_eq!(verdict.to_string(), "drop: too_small: 800×600 px; no_face");
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It goes into snapshots.
    Keep,
    /// It does not, for every reason listed (at least one).
    Drop(Vec<Reason>),
}

impl Verdict {
    /// `Keep` without reasons, otherwise `Drop`.
    pub fn from_reasons(reasons: Vec<Reason>) -> Self {
        if reasons.is_empty() { Self::Keep } else { Self::Drop(reasons) }
    }

    /// Whether the photo is kept.
    pub fn is_keep(&self) -> bool {
        matches!(self, Self::Keep)
    }

    /// The reasons; none for a kept photo.
    pub fn reasons(&self) -> &[Reason] {
        match self {
            Self::Keep => &[],
            Self::Drop(reasons) => reasons,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Drop(reasons) = self else { return f.write_str("keep") };
        for (i, reason) in reasons.iter().enumerate() {
            write!(f, "{} {reason}", if i == 0 { "drop:" } else { ";" })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_told_in_words_and_nothing_is_counted_that_was_not_asked() {
        let mark = Reason::Watermark { score: 0.9312, region: Region::BottomRight };
        let several = |faces| Reason::SeveralPeople { faces, people: 2 };
        let verdict = Verdict::from_reasons(vec![mark, several(0), several(3)]);
        assert_eq!(
            verdict.to_string(),
            "drop: watermark: 0.931 in the bottom right; several_people: 2 people; several_people: 3 faces, 2 people"
        );
    }
}
