//! What is known of a photo before it is judged.

use photo::{Detection, FaceEmbedding, ImageFacts, Person, WatermarkScore};
use serde::{Deserialize, Serialize};

use crate::role::Role;

/// What is known of a photo before it is judged. A score is `None` where its model was not run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measurements {
    /// From the header and the pixels.
    pub facts: ImageFacts,
    /// From the watermark model.
    pub watermark: Option<WatermarkScore>,
    /// Faces by falling score, in photo px.
    pub faces: Option<Vec<Detection>>,
    /// People by falling score, in photo px.
    pub people: Option<Vec<Person>>,
    /// The embeddings of the faces of people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub face_embedding: Option<Vec<FaceEmbedding>>,
}

impl Measurements {
    /// The facts alone.
    pub fn of(facts: ImageFacts) -> Self {
        Self { facts, watermark: None, faces: None, people: None, face_embedding: None }
    }

    /// Whether the model of a role was run.
    pub fn has(&self, role: Role) -> bool {
        match role {
            Role::Watermark => self.watermark.is_some(),
            Role::Faces => self.faces.is_some(),
            Role::People => self.people.is_some(),
            Role::FaceEmbedding => self.face_embedding.is_some(),
        }
    }
}
