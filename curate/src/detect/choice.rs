//! Which models are used: `[detectors]` of a recipe.

use serde::{Deserialize, Serialize};

use crate::role::Role;

/// The word in place of a model's name by which a role is off.
const OFF: &str = "none";

/// The names of the models to use; `None`: the only one of the role, and none for face embeddings. `"none"`:
/// none, for watermarks and face embeddings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModelChoice {
    /// The watermark classifier.
    pub watermark: Option<String>,
    /// The face detector.
    pub faces: Option<String>,
    /// The pose detector.
    pub people: Option<String>,
    /// What tells faces of different people apart; faces are only compared where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub face_embedding: Option<String>,
}

impl ModelChoice {
    /// Whether a role goes without a model on purpose.
    pub fn is_off(&self, role: Role) -> bool {
        self.name(role) == Some(OFF)
    }

    /// Goes without a model of the role.
    pub fn turn_off(&mut self, role: Role) {
        self.set(role, Some(OFF));
    }

    /// Chooses a model of the role; `None`: the only one.
    pub fn set(&mut self, role: Role, name: Option<&str>) {
        let chosen = match role {
            Role::Watermark => &mut self.watermark,
            Role::Faces => &mut self.faces,
            Role::People => &mut self.people,
            Role::FaceEmbedding => &mut self.face_embedding,
        };
        *chosen = name.map(str::to_owned);
    }

    /// The name of the model chosen for a role.
    pub fn name(&self, role: Role) -> Option<&str> {
        match role {
            Role::Watermark => self.watermark.as_deref(),
            Role::Faces => self.faces.as_deref(),
            Role::People => self.people.as_deref(),
            Role::FaceEmbedding => self.face_embedding.as_deref(),
        }
    }
}
