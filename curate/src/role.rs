//! What a model is for.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

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

    /// Whether a dataset can go without a model of the role: then what it would find is not checked.
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

#[cfg(test)]
mod tests {
    use super::*;

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
