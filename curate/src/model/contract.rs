//! What the input and the output of a model look like, by role.

use std::fmt;
use std::str::FromStr;

use photo::embedding::DIMENSIONS;
use photo::tiles::REGIONS;
use serde::{Deserialize, Serialize};

use crate::align::SIDE_PX;
use crate::tensor::Normalisation;
use crate::yolo::{BOX_ROWS, POSE_ROWS};

/// What a model is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// A two-class classifier: clean, watermarked.
    Watermark,
    /// A detector of faces.
    Faces,
    /// A detector of people and their 17 joints.
    People,
    /// A network that tells faces of different people apart. Optional: only `rules.identity` asks for it.
    FaceEmbedding,
}

impl Role {
    /// Every role, in the order of tables.
    pub const ALL: [Self; 4] = [Self::Watermark, Self::Faces, Self::People, Self::FaceEmbedding];

    /// The roles without which nothing can be measured.
    pub const REQUIRED: [Self; 3] = [Self::Watermark, Self::Faces, Self::People];

    /// Whether a dataset can go without a model of the role: then what it would say is not checked.
    pub fn may_be_off(self) -> bool {
        matches!(self, Self::Watermark | Self::FaceEmbedding)
    }

    /// The name in `models.toml` and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Watermark => "watermark",
            Self::Faces => "faces",
            Self::People => "people",
            Self::FaceEmbedding => "face_embedding",
        }
    }

    /// The output contract as `models.toml` writes it.
    pub fn output(self) -> &'static str {
        match self {
            Self::Watermark => "logits[n,2]",
            Self::Faces => "yolo[n,5,anchors]",
            Self::People => "yolo[n,56,anchors]",
            Self::FaceEmbedding => "embedding[n,512]",
        }
    }

    /// How often a model of the role looks at one photo.
    pub(crate) fn looks(self) -> usize {
        match self {
            Self::Watermark => REGIONS.len(),
            Self::Faces | Self::People | Self::FaceEmbedding => 1,
        }
    }

    /// Width and height in px of the input, where neither the file nor the user says: those of the published models
    /// (ConvNeXt-tiny of boomb0om/watermark-detection; YOLO; ArcFace).
    pub(crate) fn usual_input(self) -> [u32; 2] {
        match self {
            Self::Watermark => [256, 256],
            Self::Faces | Self::People => [640, 640],
            Self::FaceEmbedding => [SIDE_PX; 2],
        }
    }

    /// Width and height in px that the input must have: faces are aligned in a square of a fixed size.
    pub(crate) fn only_input(self) -> Option<[u32; 2]> {
        (self == Self::FaceEmbedding).then_some([SIDE_PX; 2])
    }

    /// The normalisation of the published models.
    pub(crate) fn usual_normalisation(self) -> Normalisation {
        match self {
            Self::Watermark => Normalisation::Imagenet,
            Self::Faces | Self::People => Normalisation::Unit,
            Self::FaceEmbedding => Normalisation::Arcface,
        }
    }

    /// The output's dimensions after the batch; `None`: any length.
    pub(crate) fn output_dimensions(self) -> &'static [Option<usize>] {
        match self {
            Self::Watermark => &[Some(2)],
            Self::Faces => &[Some(BOX_ROWS), None],
            Self::People => &[Some(POSE_ROWS), None],
            Self::FaceEmbedding => &[Some(DIMENSIONS)],
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A text that names no role.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no role of a model; the roles are watermark, faces, people, face_embedding")]
pub struct ParseRoleError(String);

impl FromStr for Role {
    type Err = ParseRoleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|role| role.name() == text).ok_or_else(|| ParseRoleError(text.to_owned()))
    }
}

/// Whether the dimensions of an outlet (−1: open) allow those of the contract (`None`: any length).
pub(crate) fn fits(found: &[i64], contract: &[Option<usize>]) -> bool {
    found.len() == contract.len()
        && found.iter().zip(contract).all(|(&found, &wanted)| match wanted {
            Some(wanted) => found < 0 || found == wanted as i64,
            None => true,
        })
}

/// Dimensions as a person writes them: `[n,3,640,640]`, an open one as `?`.
pub(crate) fn shown(dimensions: &[i64]) -> String {
    let shown = dimensions.iter().map(|&length| if length < 0 { "?".to_owned() } else { length.to_string() });
    format!("[{}]", shown.collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_dimensions_fit_and_wrong_ones_do_not() {
        let people = [None, Some(56), None];
        assert!(fits(&[-1, 56, 8400], &people) && fits(&[1, -1, -1], &people));
        assert!(!fits(&[-1, 5, 8400], &people) && !fits(&[-1, 56], &people));
        assert_eq!(shown(&[-1, 56, 8400]), "[?,56,8400]");
    }

    #[test]
    fn roles_are_read_back_from_their_names() {
        for role in Role::ALL {
            assert_eq!(role.name().parse::<Role>().unwrap(), role);
        }
        assert!(
            "pose"
                .parse::<Role>()
                .unwrap_err()
                .to_string()
                .contains("watermark, faces, people, face_embedding")
        );
    }
}
