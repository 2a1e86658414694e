//! What networks say of a picture: joints, a body, what it is like.

use std::sync::Arc;

use anyhow::{Context, Result};
use curate::people::Counted;
use curate::{Detectors, FeatureNetwork, PictureFeatures, PrepareSettings};
use image::RgbImage;
use photo::{BoundingBox, Joints, Person, Rules};
use rayon::prelude::*;
use train::body::{BodyVae, Pose, Views};
use train::bodybench::input::Gaussian;
use train::evaluation::PoseDetection;
use train::generate::Likeness;
use train::report::Picture;

use crate::plan::Plan;

/// The head is painted over before a body is read: a face tells people apart by itself. Its radius over the
/// torso's length.
const HEAD: f32 = 0.45;
/// What it is painted with.
const GREY: u8 = 128;
/// The joints of the head in COCO's order.
const HEAD_JOINTS: std::ops::Range<usize> = 0..5;

/// The networks.
pub struct Judges {
    /// The pose model.
    pub detectors: Arc<Detectors>,
    /// Which people and joints count.
    pub rules: Rules,
    /// How pictures are brought to the body-VAE.
    pub prepare: PrepareSettings,
    /// Reads bodies.
    pub body_vae: BodyVae,
    /// Compares pictures with words and with each other.
    pub likeness: Likeness,
    /// Whose features distances between sets are of; CLIP's where there is none.
    pub inception: Option<FeatureNetwork>,
}

/// What is seen in a picture.
pub struct Reading {
    /// What CLIP says of it.
    pub embedding: Vec<f32>,
    /// What Inception says of it, where it is there.
    pub inception: PictureFeatures,
    /// The person, where one is found.
    pub person: Option<SeenPerson>,
    /// Everybody whom the pose model finds.
    pub people: Vec<PoseDetection>,
}

/// A person in a picture.
pub struct SeenPerson {
    /// Joints in px of the picture, those below the rule's threshold at confidence 0.
    pub joints: Joints,
    /// The box in px of the picture.
    pub bbox: BoundingBox,
    /// The pixels without head as the body-VAE takes them, u8 `[3, view_px, view_px]`.
    weighted: Vec<u8>,
    pose: Pose,
}

impl SeenPerson {
    /// `picture`, in which the person was seen, with the head painted over; `None` where it is not seen where
    /// the head is.
    pub fn without_head(&self, picture: &Picture) -> Option<Picture> {
        let mut image = picture.image();
        cover_head(&mut image, &self.joints).then(|| Picture::from_image(image))
    }
}

impl Judges {
    /// The pose model and rules of a recipe, and networks that are loaded.
    pub fn new(
        plan: &Plan,
        body_vae: BodyVae,
        likeness: Likeness,
        inception: Option<FeatureNetwork>,
    ) -> Result<Self> {
        let side_px = body_vae.config().view_px as u32;
        let mut prepare = plan.recipe().prepare.clone();
        prepare.sigma_px *= f64::from(side_px) / f64::from(prepare.size_px);
        prepare.size_px = side_px;
        let (detectors, rules) = (plan.detectors()?, plan.recipe().rules.clone());
        Ok(Self { detectors, rules, prepare, body_vae, likeness, inception })
    }

    /// Reads pictures of one size.
    pub fn read(&self, pictures: &[Picture]) -> Result<Vec<Reading>> {
        let people: Vec<(Vec<PoseDetection>, Option<SeenPerson>)> =
            pictures.par_iter().map(|picture| self.people(picture)).collect::<Result<_>>()?;
        let embeddings = self.likeness.of_pictures(pictures)?;
        let inception = match &self.inception {
            Some(network) => network.run(&pictures.iter().map(Picture::image).collect::<Vec<_>>())?,
            None => vec![PictureFeatures::default(); pictures.len()],
        };
        Ok(embeddings
            .into_iter()
            .zip(people)
            .zip(inception)
            .map(|((embedding, (people, person)), inception)| Reading {
                embedding,
                inception,
                person,
                people,
            })
            .collect())
    }

    /// Everybody in a picture, and the person whom it is of.
    fn people(&self, picture: &Picture) -> Result<(Vec<PoseDetection>, Option<SeenPerson>)> {
        let photo = curate::decode(&picture.png()).context("read a picture")?;
        let people = self.detectors.people(&photo)?;
        let of = |person: &Person| PoseDetection { joints: person.joints, score: f64::from(person.score) };
        let everybody = people.iter().map(of).collect();
        let Some(person) = Counted::new(&[], &people, &self.rules).main_person() else {
            return Ok((everybody, None));
        };
        let joints = person.joints.gated(self.rules.joints.min_score);
        let mut image = photo.image;
        cover_head(&mut image, &joints);
        // Nobody without a visible joint has a body to be read.
        let Ok(prepared) = curate::prepare(&image, &Person { joints, ..*person }, &self.prepare) else {
            return Ok((everybody, None));
        };
        let pose = Pose::new(&prepared.joints, prepared.size_px as usize);
        let seen = SeenPerson { joints, bbox: person.bbox, weighted: prepared.weighted, pose };
        Ok((everybody, Some(seen)))
    }

    /// c_body of a person seen in some pictures; `None` where there is none.
    pub fn body(&self, seen: &[&SeenPerson]) -> Result<Option<Gaussian>> {
        if seen.is_empty() {
            return Ok(None);
        }
        let planes: Vec<u8> = seen.iter().flat_map(|person| person.weighted.iter().copied()).collect();
        let poses: Vec<Pose> = seen.iter().map(|person| person.pose).collect();
        let side = self.body_vae.config().view_px;
        let views = Views::new(&planes, side, &poses, self.body_vae.device())?;
        let posterior = self.body_vae.encode(&views, None)?;
        Ok(Some(Gaussian {
            mean: posterior.mean()?.detach().flatten_all()?.to_vec1()?,
            precision: posterior.precision.detach().flatten_all()?.to_vec1()?,
        }))
    }
}

/// Paints a disc over the head, as large as the torso tells. Where no joint of the head is sure, it is taken
/// to be where it is on most bodies: beyond the shoulders, in the torso's direction. Without a torso it is
/// not known where: nothing is painted, and the answer is `false`.
fn cover_head(image: &mut RgbImage, joints: &Joints) -> bool {
    let (Some(shoulders), Some(hips)) = (find_middle(joints, &[5, 6]), find_middle(joints, &[11, 12])) else {
        return false;
    };
    let head: Vec<usize> = HEAD_JOINTS.collect();
    let head = find_middle(joints, &head).unwrap_or_else(|| {
        let beyond = |shoulder: f32, hip: f32| shoulder + HEAD * (shoulder - hip);
        (beyond(shoulders.0, hips.0), beyond(shoulders.1, hips.1))
    });
    let radius = HEAD * (shoulders.0 - hips.0).hypot(shoulders.1 - hips.1);
    for (x, y, pixel) in image.enumerate_pixels_mut() {
        // Not below the shoulders: they belong to the body.
        if (y as f32) < shoulders.1 && (x as f32 - head.0).hypot(y as f32 - head.1) < radius {
            pixel.0 = [GREY; 3];
        }
    }
    true
}

/// The mean place of those joints that are seen.
fn find_middle(joints: &Joints, of: &[usize]) -> Option<(f32, f32)> {
    let seen: Vec<_> = of.iter().map(|&i| joints.0[i]).filter(|joint| joint.confidence > 0.0).collect();
    let n = seen.len() as f32;
    let sum = |value: fn(&photo::Joint) -> f32| seen.iter().map(value).sum::<f32>() / n;
    (!seen.is_empty()).then(|| (sum(|joint| joint.x), sum(|joint| joint.y)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use photo::Joint;

    #[test]
    fn the_head_is_covered_down_to_the_shoulders_and_nothing_else() {
        let mut joints = Joints::default();
        let at = |x, y| Joint { x, y, confidence: 0.9 };
        (joints.0[0], joints.0[5], joints.0[6]) = (at(32.0, 10.0), at(26.0, 18.0), at(38.0, 18.0));
        (joints.0[11], joints.0[12]) = (at(28.0, 38.0), at(36.0, 38.0));
        let mut image = RgbImage::new(64, 64);
        assert!(cover_head(&mut image, &joints));
        assert_eq!(image.get_pixel(32, 10).0, [GREY; 3]);
        assert_eq!(image.get_pixel(32, 3).0, [GREY; 3]);
        assert_eq!((image.get_pixel(32, 18).0, image.get_pixel(32, 30).0), ([0; 3], [0; 3]));
        assert_eq!(image.get_pixel(10, 10).0, [0; 3]);
        let mut faceless = joints;
        faceless.0[0].confidence = 0.0;
        let mut image = RgbImage::new(64, 64);
        assert!(cover_head(&mut image, &faceless));
        // The torso is 20 px long, from (32, 18) down: the head's middle is taken to be at (32, 9).
        assert_eq!(image.get_pixel(32, 9).0, [GREY; 3]);
        assert_eq!((image.get_pixel(32, 30).0, image.get_pixel(10, 10).0), ([0; 3], [0; 3]));
        let mut unseen = RgbImage::new(64, 64);
        assert!(!cover_head(&mut unseen, &Joints::default()));
        assert!(unseen.pixels().all(|pixel| pixel.0 == [0; 3]));
    }
}
