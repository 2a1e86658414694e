//! How faces are compared: each is aligned by eyes and nose and becomes an embedding, a unit vector whose
//! cosine to that of another face says whether they are one person's.
//!
//! Which faces count is for the rules to say, and what is stored must not change with them. So every face
//! that sensible rules may count is embedded: of a photo that may be kept nearly always one.
//!
//! Input: 112 × 112 px in which eyes and nose lie where ArcFace has them ([`face_align`]). Output: 512
//! numbers. Where a face is small in the photo as decoded, the photo is decoded again, larger.

use photo::embedding::DIMENSIONS;
use photo::{Affine, Detection, Digest, Embedding, FaceEmbedding, Person};

use super::cache_key::Conditions;
use super::cascade::{Cascade, Escalated};
use super::detector::Detector;
use super::face::FaceDetector;
use super::face_align::{self, SIDE_PX};
use super::pose::PoseDetector;
use super::views::PhotoViews;
use super::watermark::resized;
use crate::decode::{DecodedPhoto, MinDecodeSize};
use crate::judge::people::is_inside;
use crate::measurements::Measurements;
use crate::model::tensor::{Input, Normalisation};
use crate::model::{Contract, Device, ModelEntry, ModelError, Registry, Runtime};
use crate::role::Role;

/// Version of the face preprocessing; part of the cache key. Raised whenever selection, alignment or scaling
/// changes.
const VERSION: u32 = 1;

/// Faces below have no embedding: as low as a rule on faces makes sense.
pub const MIN_SCORE: f32 = 0.25;

/// The surest faces of a photo that are embedded: with more of them, no rules make it a photo of one person.
pub const MAX_FACES: usize = 3;

/// A network that embeds faces. It has no fallback: similarities depend on small differences.
#[derive(Debug)]
pub(crate) struct FaceEmbedder(Cascade);

impl Detector for FaceEmbedder {
    /// The embeddings of the faces of people, in the order of the faces.
    type Output = Vec<FaceEmbedding>;

    const CONTRACT: Contract = Contract {
        role: Role::FaceEmbedding,
        output: "embedding[n,512]",
        output_dimensions: &[Some(DIMENSIONS)],
        head_joints: None,
        usual_input_px: [SIDE_PX; 2],
        fixed_input_px: Some([SIDE_PX; 2]),
        usual_normalisation: Normalisation::Arcface,
        inferences_per_photo: 1,
    };

    fn new(models: Cascade) -> Self {
        Self(models)
    }

    fn models(&self) -> &Cascade {
        &self.0
    }

    fn load(
        registry: &Registry,
        entry: &ModelEntry,
        runtime: &Runtime,
        device: Device,
    ) -> Result<Self, ModelError> {
        Cascade::without_fallback(registry, entry, &Self::CONTRACT, runtime, device).map(Self::new)
    }

    /// How large a face is shows only once it was found. The photo is decoded again then, so that the scores
    /// of all other models stay what they were.
    fn min_decode_size(_input_px: [u32; 2]) -> MinDecodeSize {
        MinDecodeSize::ANY
    }

    /// Of a photo that is an aligned face already.
    fn inputs(entry: &ModelEntry, photo: &DecodedPhoto) -> Vec<Input> {
        let [width, height] = entry.input_size;
        vec![Input::of(&resized(&photo.image, width, height), entry.normalisation)]
    }

    fn detect(
        &self,
        photo: &mut PhotoViews<'_>,
        known: &Measurements,
    ) -> Result<Escalated<Vec<FaceEmbedding>>, ModelError> {
        let (faces, people) = (known.faces.as_deref(), known.people.as_deref());
        let squares = squares(faces.unwrap_or_default(), people.unwrap_or_default());
        let value = self.embed(photo, squares)?;
        Ok(Escalated { value, used_fallback: false })
    }

    fn cache_key(entry: &ModelEntry, conditions: &Conditions<'_>) -> Digest {
        // Other detectors find other faces and joints, so that other squares are cut.
        let found = [FaceDetector::cache_key_among(conditions), PoseDetector::cache_key_among(conditions)];
        Digest::of_json(&(VERSION, entry.sha256, entry.normalisation, found, conditions.device))
    }
}

impl FaceEmbedder {
    /// The embedding of a photo that is an aligned face already.
    pub fn embed_aligned(&self, photo: &DecodedPhoto) -> Result<Option<Embedding>, ModelError> {
        let inputs = Self::inputs(self.0.entry(), photo);
        let outputs = self.0.first().run(&inputs[0])?;
        Ok(outputs.images().next().and_then(Embedding::of))
    }

    /// The embeddings of faces. The photo is decoded again, once and only where it has fewer pixels than the
    /// square of a face; what cannot be had is done without.
    fn embed(
        &self,
        photo: &mut PhotoViews<'_>,
        squares: Vec<(usize, Affine)>,
    ) -> Result<Vec<FaceEmbedding>, ModelError> {
        let decoded = photo.decoded();
        let (facts, size) = (&decoded.facts, decoded.image.dimensions());
        let min_sizes = squares.iter().map(|(_, map)| face_align::min_decode_size(map, facts));
        let is_reduced = size.0 < facts.width || size.1 < facts.height;
        let is_too_small = |min_size: &MinDecodeSize| is_reduced && size.0.max(size.1) < min_size.longer_px;
        let min_size = min_sizes.reduce(MinDecodeSize::max).filter(is_too_small);
        let again = min_size.and_then(|min_size| photo.decode_again(min_size));
        let image = again.as_ref().map_or(&decoded.image, |larger| &larger.image);
        let mut embeddings = Vec::with_capacity(squares.len());
        for (face, map) in squares {
            let square = face_align::warp(image, (facts.width, facts.height), &map);
            // One face at a time, so that the numbers never depend on a batch.
            let outputs = self.0.first().run(&Input::of(&square, self.0.entry().normalisation))?;
            let embedding = outputs.images().next().and_then(Embedding::of);
            embeddings.extend(embedding.map(|embedding| FaceEmbedding { face, embedding }));
        }
        Ok(embeddings)
    }
}

/// The faces that are embedded, by their places, and the map of each into its square.
fn squares(faces: &[Detection], people: &[Person]) -> Vec<(usize, Affine)> {
    // The surest come first.
    let all = faces.iter().enumerate().filter_map(|(place, face)| Some((place, square_of(face, people)?)));
    all.take(MAX_FACES).collect()
}

/// The map into its square of a face that is embedded: of one that is sure enough, and somebody's.
fn square_of(face: &Detection, people: &[Person]) -> Option<Affine> {
    let around = || people.iter().filter(|person| is_inside(&face.bbox, &person.bbox));
    if face.score < MIN_SCORE || around().next().is_none() {
        return None;
    }
    let joints = face_align::joints_of_face(&face.bbox, around().map(|person| &person.joints));
    Some(face_align::to_square(&face.bbox, joints.as_ref()))
}

#[cfg(test)]
mod tests {
    use photo::{BoundingBox, Joints};

    use super::*;

    fn face(score: f32, x0: f32) -> Detection {
        Detection { bbox: BoundingBox { x0, y0: 10.0, x1: x0 + 30.0, y1: 40.0 }, score }
    }

    #[test]
    fn the_surest_faces_of_people_are_embedded_and_no_others() {
        let bbox = BoundingBox { x0: 0.0, y0: 0.0, x1: 200.0, y1: 300.0 };
        let people = [Person { bbox, score: 0.3, joints: Joints::default() }];
        let of =
            |faces: &[Detection]| squares(faces, &people).iter().map(|(face, _)| *face).collect::<Vec<_>>();
        assert_eq!(of(&[face(0.9, 500.0), face(0.8, 20.0), face(0.24, 60.0)]), [1]);
        assert_eq!(of(&[face(0.9, 0.0), face(0.8, 40.0), face(0.7, 80.0), face(0.6, 120.0)]), [0, 1, 2]);
        assert!(squares(&[face(0.9, 20.0)], &[]).is_empty());
    }
}
