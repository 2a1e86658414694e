//! The faces of a photo to directions, by an embedding model.
//!
//! Which face counts is for the rules to say, and what is kept must not change with them. So every face that sensible
//! rules may count is embedded: of a photo that may be kept nearly always one.

use photo::{Affine, Detection, Embedding, FaceEmbedding, Person};

use crate::align;
use crate::decode::{Need, Photo};
use crate::input::Input;
use crate::model::{ModelError, Network};
use crate::people::is_inside;

/// What lies between a photo with its faces and joints and the network: stands for all of it in digests.
pub(crate) const VERSION: u32 = 1;

/// Faces below have no embedding: as low as a rule on faces makes sense.
pub const MIN_SCORE: f32 = 0.25;

/// The surest faces of a photo that are embedded: with more of them, no rules make it a photo of one person.
pub const MAX_FACES: usize = 3;

/// The embeddings of the faces of people, in the order of the faces. `larger` decodes the photo again, once and only where
/// `photo` has fewer pixels than the square of a face; what it cannot give is done without.
pub(crate) fn embeddings_of(
    network: &Network,
    photo: &Photo,
    faces: &[Detection],
    people: &[Person],
    larger: &mut dyn FnMut(Need) -> Option<Photo>,
) -> Result<Vec<FaceEmbedding>, ModelError> {
    let squares = squares(faces, people);
    let mut again = None;
    if let Some(need) = squares.iter().map(|(_, map)| align::need(map, &photo.facts)).reduce(Need::and) {
        let (width, height) = photo.image.dimensions();
        let is_whole = width >= photo.facts.width && height >= photo.facts.height;
        if !is_whole && width.max(height) < need.longer_px {
            again = larger(need);
        }
    }
    let image = again.as_ref().map_or(&photo.image, |photo| &photo.image);
    let mut embeddings = Vec::with_capacity(squares.len());
    for (face, map) in squares {
        let square = align::cut(image, (photo.facts.width, photo.facts.height), &map);
        let mut values = Vec::with_capacity(square.as_raw().len());
        network.entry.normalisation.append(&square, &mut values);
        let input = Input { values, width: align::SIDE_PX, height: align::SIDE_PX };
        // One face at a time, so that the numbers never depend on a batch.
        let outputs = network.run(&input)?;
        let embedding = outputs.images().next().and_then(Embedding::of);
        embeddings.extend(embedding.map(|embedding| FaceEmbedding { face, embedding }));
    }
    Ok(embeddings)
}

/// The faces that are embedded, by their places, and the way of each into its square.
fn squares(faces: &[Detection], people: &[Person]) -> Vec<(usize, Affine)> {
    let of_face = |(place, face): (usize, &Detection)| {
        let around = || people.iter().filter(|person| is_inside(&face.bbox, &person.bbox));
        let is_somebodys = face.score >= MIN_SCORE && around().next().is_some();
        is_somebodys.then(|| {
            let joints = align::joints_of_face(&face.bbox, around().map(|person| &person.joints));
            (place, align::to_square(&face.bbox, joints.as_ref()))
        })
    };
    // The surest come first.
    faces.iter().enumerate().filter_map(of_face).take(MAX_FACES).collect()
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
