//! Runs the three models and collects what they and the pixels say of a photo.
//!
//! Results do not depend on the number of threads or on how photos are split into batches: each photo is prepared on
//! its own, and scores and coordinates are rounded, which takes away the last bits that a batch may move.

use image::RgbImage;
use photo::score::rounded;
use photo::tiles::REGIONS;
use photo::{BoundingBox, Detection, Digest, ImageFacts, Joint, Joints, Person, WatermarkScore};
use rayon::iter::{ParallelBridge, ParallelIterator};
use serde::{Deserialize, Serialize};

use crate::decode::{DecodeError, Photo, decode};
use crate::letterbox::Letterbox;
use crate::model::{ModelEntry, ModelError, Network, Registry, Role, Runtime};
use crate::watermark;
use crate::yolo::{self, BOX_ROWS, Found, POSE_ROWS, Suppression};

/// Raised whenever the way from bytes to a model's input, or from its output to scores, changes: scores of another
/// version are never mixed with new ones.
const VERSION: u32 = 1;

/// Detections below are not even stored. Rules may ask for any score above; lower ones are noise in this family.
pub const MIN_STORED_SCORE: f32 = 0.1;

const FACES: Suppression = Suppression { min_score: MIN_STORED_SCORE, max_iou: 0.5, max_found: 50 };
/// People may stand in front of each other, so their boxes may overlap more (Ultralytics' default).
const PEOPLE: Suppression = Suppression { min_score: MIN_STORED_SCORE, max_iou: 0.7, max_found: 50 };

/// All that is known of a photo before it is judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measurements {
    /// What the pixels say.
    pub facts: ImageFacts,
    /// What the watermark model says.
    pub watermark: WatermarkScore,
    /// Faces by falling score, in photo px.
    pub faces: Vec<Detection>,
    /// People by falling score, in photo px.
    pub people: Vec<Person>,
}

/// Why a photo has no measurements.
#[derive(Debug, thiserror::Error)]
pub enum MeasureError {
    /// The bytes are no photo: a fact about the photo, the run goes on.
    #[error(transparent)]
    Unreadable(#[from] DecodeError),
    /// A model failed: nothing can be measured.
    #[error(transparent)]
    Model(Box<ModelError>), // boxed, since every result would be as large as this rare error
}

impl From<ModelError> for MeasureError {
    fn from(error: ModelError) -> Self {
        Self::Model(Box::new(error))
    }
}

/// The names of the models to use; `None`: the only one of the role.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModelChoice {
    /// The watermark classifier.
    pub watermark: Option<String>,
    /// The face detector.
    pub faces: Option<String>,
    /// The pose detector.
    pub people: Option<String>,
}

impl ModelChoice {
    /// The name of the model chosen for a role.
    pub fn name(&self, role: Role) -> Option<&str> {
        match role {
            Role::Watermark => self.watermark.as_deref(),
            Role::Faces => self.faces.as_deref(),
            Role::People => self.people.as_deref(),
        }
    }
}

/// The three models, checked and ready.
#[derive(Debug)]
pub struct Detectors {
    watermark: Network,
    faces: Network,
    people: Network,
}

impl Detectors {
    /// Loads and checks the models of a registry.
    ///
    /// # Errors
    /// [`ModelError`] naming the first model that is missing, damaged or does not fit its role.
    pub fn load(registry: &Registry, choice: &ModelChoice, runtime: &Runtime) -> Result<Self, ModelError> {
        let load = |role| {
            let entry = registry.choose(role, choice.name(role))?;
            Network::load(entry, &registry.file(entry), runtime)
        };
        Ok(Self { watermark: load(Role::Watermark)?, faces: load(Role::Faces)?, people: load(Role::People)? })
    }

    fn network(&self, role: Role) -> &Network {
        match role {
            Role::Watermark => &self.watermark,
            Role::Faces => &self.faces,
            Role::People => &self.people,
        }
    }

    /// The name of the model of a role.
    pub fn name(&self, role: Role) -> &str {
        &self.network(role).entry.name
    }

    /// The digest of the file of the model of a role.
    pub fn file_digest(&self, role: Role) -> Digest {
        self.network(role).entry.sha256
    }

    /// The digest under which scores of a role are stored ([`identity`]).
    pub fn identity(&self, role: Role) -> Digest {
        identity(&self.network(role).entry)
    }

    /// Decodes and measures one photo.
    ///
    /// # Errors
    /// [`MeasureError::Unreadable`] is a fact about the photo, [`MeasureError::Model`] a failure of the run.
    pub fn measure(&self, bytes: &[u8]) -> Result<Measurements, MeasureError> {
        Ok(self.measure_photo(&decode(bytes)?)?)
    }

    /// Measures a decoded photo.
    ///
    /// # Errors
    /// When a model cannot be run.
    pub fn measure_photo(&self, photo: &Photo) -> Result<Measurements, ModelError> {
        Ok(Measurements {
            facts: photo.facts.clone(),
            watermark: self.watermark(&photo.image)?,
            faces: self.faces(&photo.image)?,
            people: self.people(&photo.image)?,
        })
    }

    /// Measures photos as they come and hands each result to `done` on the thread that made it, in any order. A thread
    /// takes the next photo only when it is through with its last one, so no more are in memory than there are threads.
    pub fn measure_each<K, B>(
        &self,
        photos: impl Iterator<Item = (K, B)> + Send,
        done: impl Fn(K, Result<Measurements, MeasureError>) + Sync + Send,
    ) where
        K: Send,
        B: AsRef<[u8]> + Send,
    {
        photos.par_bridge().for_each(|(key, bytes)| done(key, self.measure(bytes.as_ref())));
    }

    /// The watermark model's probability for the frame and its tiles.
    ///
    /// # Errors
    /// When the model cannot be run.
    pub fn watermark(&self, image: &RgbImage) -> Result<WatermarkScore, ModelError> {
        let [width, height] = self.watermark.entry.input_size;
        let mut input = Vec::with_capacity(REGIONS.len() * 3 * width as usize * height as usize);
        for region in REGIONS {
            let squeezed = watermark::squeeze_region(image, region, width, height);
            self.watermark.entry.normalisation.append(&squeezed, &mut input);
        }
        let outputs = self.watermark.run(&input)?;
        let scores = outputs.images().map(|logits| rounded(watermark::probability([logits[0], logits[1]])));
        Ok(WatermarkScore { regions: REGIONS.into_iter().zip(scores).collect() })
    }

    /// The faces of a photo.
    ///
    /// # Errors
    /// When the model cannot be run.
    pub fn faces(&self, image: &RgbImage) -> Result<Vec<Detection>, ModelError> {
        let (letterbox, found) = detect(&self.faces, image, BOX_ROWS, &FACES)?;
        let detection = |found: &Found| Detection {
            bbox: rounded_box(&letterbox.box_to_photo(&found.bbox)),
            score: rounded(found.score),
        };
        Ok(found.iter().map(detection).collect())
    }

    /// The people of a photo and their joints.
    ///
    /// # Errors
    /// When the model cannot be run.
    pub fn people(&self, image: &RgbImage) -> Result<Vec<Person>, ModelError> {
        let (letterbox, found) = detect(&self.people, image, POSE_ROWS, &PEOPLE)?;
        let person = |found: &Found| Person {
            bbox: rounded_box(&letterbox.box_to_photo(&found.bbox)),
            score: rounded(found.score),
            joints: rounded_joints(&letterbox.joints_to_photo(&found.joints.unwrap_or_default())),
        };
        Ok(found.iter().map(person).collect())
    }
}

/// The digest under which scores of a model are stored: the model's bytes, and all that lies between it and a photo.
pub fn identity(entry: &ModelEntry) -> Digest {
    let settings = match entry.role {
        Role::Watermark => None,
        Role::Faces => Some((FACES.min_score, FACES.max_iou, FACES.max_found)),
        Role::People => Some((PEOPLE.min_score, PEOPLE.max_iou, PEOPLE.max_found)),
    };
    Digest::of_json(&(VERSION, entry.role, entry.sha256, entry.input_size, entry.normalisation, settings))
}

/// The digest under which the facts of pixels are stored, which need no model.
pub fn facts_identity() -> Digest {
    Digest::of_json(&(VERSION, "facts"))
}

fn detect(
    network: &Network,
    image: &RgbImage,
    rows: usize,
    suppression: &Suppression,
) -> Result<(Letterbox, Vec<Found>), ModelError> {
    let [width, height] = network.entry.input_size;
    let letterbox = Letterbox::new(image.dimensions(), (width, height));
    let mut input = Vec::with_capacity(3 * width as usize * height as usize);
    network.entry.normalisation.append(&letterbox.apply(image), &mut input);
    let outputs = network.run(&input)?;
    let found = outputs.images().next().map(|head| yolo::decode(head, rows, suppression));
    Ok((letterbox, found.unwrap_or_default()))
}

/// To 0.01 px, far below what a detector can tell.
fn rounded_px(value: f32) -> f32 {
    (value * 100.0).round() / 100.0
}

fn rounded_box(b: &BoundingBox) -> BoundingBox {
    BoundingBox { x0: rounded_px(b.x0), y0: rounded_px(b.y0), x1: rounded_px(b.x1), y1: rounded_px(b.y1) }
}

fn rounded_joints(joints: &Joints) -> Joints {
    Joints(joints.0.map(|Joint { x, y, confidence }| {
        if ![x, y, confidence].iter().all(|value| value.is_finite()) {
            return Joint::default(); // no number is stored as none; a joint without a place is not visible
        }
        Joint { x: rounded_px(x), y: rounded_px(y), confidence: rounded(confidence).clamp(0.0, 1.0) }
    }))
}
