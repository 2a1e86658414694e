//! Runs the models over photos and collects what they and the pixels say.
//!
//! Each photo is decoded once, as large as the most demanding model needs it; a second time only where a small face is to
//! be compared. Which models are asked is a [`Demand`]: every one, or the cheapest first and the others only while the
//! photo may still be kept.
//!
//! Results do not depend on the number of threads or on how photos are split into batches: each photo is prepared on
//! its own, and scores and coordinates are rounded, which takes away the last bits that a batch may move.

use photo::score::rounded;
use photo::tiles::{REGIONS, Region};
use photo::{
    BoundingBox, Detection, Digest, Embedding, FaceEmbedding, ImageFacts, Joint, Joints, Person,
    WatermarkScore,
};
use rayon::iter::{ParallelBridge, ParallelIterator};
use serde::{Deserialize, Serialize};

use crate::decode::{DecodeError, Need, Photo, decode_for};
use crate::demand::Demand;
use crate::input::Input;
use crate::letterbox::Letterbox;
use crate::model::{Device, ModelEntry, ModelError, Network, Registry, Role, Runtime};
use crate::tensor::Normalisation;
use crate::yolo::{self, BOX_ROWS, Found, POSE_ROWS, Suppression};
use crate::{embed, facts, input, jpeg, watermark};

/// Raised whenever the way from bytes to a model's input, or from its output to scores, changes: scores of another
/// version are never mixed with new ones.
const VERSION: u32 = 2;
/// The same for the facts of pixels.
const FACTS_VERSION: u32 = 3;

/// Detections below are not even stored. Rules may ask for any score above; lower ones are noise in this family.
pub const MIN_STORED_SCORE: f32 = 0.1;

const FACES: Suppression = Suppression { min_score: MIN_STORED_SCORE, max_iou: 0.5, max_found: 50 };
/// People may stand in front of each other, so their boxes may overlap more (Ultralytics' default).
const PEOPLE: Suppression = Suppression { min_score: MIN_STORED_SCORE, max_iou: 0.7, max_found: 50 };

/// What is known of a photo before it is judged. A score is `None` where its model was not asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measurements {
    /// What the header and the pixels say.
    pub facts: ImageFacts,
    /// What the watermark model says.
    pub watermark: Option<WatermarkScore>,
    /// Faces by falling score, in photo px.
    pub faces: Option<Vec<Detection>>,
    /// People by falling score, in photo px.
    pub people: Option<Vec<Person>>,
    /// The directions of the faces of people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub face_embedding: Option<Vec<FaceEmbedding>>,
}

impl Measurements {
    /// The facts alone.
    pub fn of(facts: ImageFacts) -> Self {
        Self { facts, watermark: None, faces: None, people: None, face_embedding: None }
    }

    /// Whether the model of a role was asked.
    pub fn has(&self, role: Role) -> bool {
        match role {
            Role::Watermark => self.watermark.is_some(),
            Role::Faces => self.faces.is_some(),
            Role::People => self.people.is_some(),
            Role::FaceEmbedding => self.face_embedding.is_some(),
        }
    }
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

/// The names of the models to use; `None`: the only one of the role, and none for face embeddings.
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

/// The models, checked and ready.
#[derive(Debug)]
pub struct Detectors {
    watermark: Network,
    faces: Network,
    people: Network,
    face_embedding: Option<Network>,
    need: Need,
    device: Device,
}

impl Detectors {
    /// Loads and checks the models of a registry.
    ///
    /// # Errors
    /// [`ModelError`] naming the first model that is missing, damaged or does not fit its role, or what the device lacks.
    pub fn load(
        registry: &Registry,
        choice: &ModelChoice,
        runtime: &Runtime,
        device: Device,
    ) -> Result<Self, ModelError> {
        let load = |role| {
            let entry = registry.choose(role, choice.name(role))?;
            Network::load(entry, &registry.file(entry), runtime, device)
        };
        let (watermark, faces, people) = (load(Role::Watermark)?, load(Role::Faces)?, load(Role::People)?);
        let face_embedding =
            choice.face_embedding.is_some().then(|| load(Role::FaceEmbedding)).transpose()?;
        let need = need([&watermark.entry, &faces.entry, &people.entry]);
        Ok(Self { watermark, faces, people, face_embedding, need, device })
    }

    /// How large photos have to be decoded for these models.
    pub fn need(&self) -> Need {
        self.need
    }

    /// Opens sessions of every model for as many threads, so that none is opened while photos are measured.
    ///
    /// # Errors
    /// When a model cannot be loaded once more, or run.
    pub fn open_for(&self, threads: usize) -> Result<(), ModelError> {
        self.networks().try_for_each(|network| network.open_for(threads))
    }

    fn networks(&self) -> impl Iterator<Item = &Network> {
        [Some(&self.watermark), Some(&self.faces), Some(&self.people), self.face_embedding.as_ref()]
            .into_iter()
            .flatten()
    }

    /// The digest under which scores of a role are stored ([`identity`]); `None` where the role has no model.
    pub fn identity(&self, role: Role) -> Option<Digest> {
        let models: Vec<ModelEntry> = self.networks().map(|network| network.entry.clone()).collect();
        identity(role, &models, self.need, self.device)
    }

    /// Decodes one photo and asks every model.
    ///
    /// # Errors
    /// [`MeasureError::Unreadable`] is a fact about the photo, [`MeasureError::Model`] a failure of the run.
    pub fn measure(&self, bytes: &[u8]) -> Result<Measurements, MeasureError> {
        let photo = decode_for(bytes, self.need)?;
        let nothing = Measurements::of(photo.facts.clone());
        Ok(self.complete(&photo, nothing, &Demand::Every, &mut |need| decode_for(bytes, need).ok())?)
    }

    /// Asks the models that are demanded beyond what is known already. `larger` decodes the photo again, with more
    /// pixels; it is called once at most, for a face that is small in the photo.
    ///
    /// # Errors
    /// When a model cannot be run.
    pub fn complete(
        &self,
        photo: &Photo,
        known: Measurements,
        demand: &Demand,
        larger: &mut dyn FnMut(Need) -> Option<Photo>,
    ) -> Result<Measurements, ModelError> {
        let (mut measured, mut look) = (known, Look::at(photo));
        while let Some(role) = demand.next(&measured) {
            match role {
                Role::Watermark => measured.watermark = Some(self.watermark(photo)?),
                Role::Faces => measured.faces = Some(faces_of(&self.faces, &mut look)?),
                Role::People => measured.people = Some(people_of(&self.people, &mut look)?),
                Role::FaceEmbedding => {
                    let Some(network) = &self.face_embedding else { break }; // the last one, and nobody's choice
                    let faces = measured.faces.as_deref().unwrap_or_default();
                    let people = measured.people.as_deref().unwrap_or_default();
                    let embeddings = embed::embeddings_of(network, photo, faces, people, larger)?;
                    measured.face_embedding = Some(embeddings);
                }
            }
        }
        Ok(measured)
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
    pub fn watermark(&self, photo: &Photo) -> Result<WatermarkScore, ModelError> {
        watermark_of(&self.watermark, photo)
    }

    /// The faces of a photo.
    ///
    /// # Errors
    /// When the model cannot be run.
    pub fn faces(&self, photo: &Photo) -> Result<Vec<Detection>, ModelError> {
        faces_of(&self.faces, &mut Look::at(photo))
    }

    /// The people of a photo and their joints.
    ///
    /// # Errors
    /// When the model cannot be run.
    pub fn people(&self, photo: &Photo) -> Result<Vec<Person>, ModelError> {
        people_of(&self.people, &mut Look::at(photo))
    }
}

/// One model alone, checked and ready.
#[derive(Debug)]
pub struct One(Network);

/// What one model says of a photo.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    /// Of the role watermark.
    Watermark(WatermarkScore),
    /// Of the role faces.
    Faces(Vec<Detection>),
    /// Of the role people.
    People(Vec<Person>),
    /// Of the role face embedding, of a photo that is a face's square already.
    FaceEmbedding(Option<Embedding>),
}

impl One {
    /// Loads and checks a model of a registry.
    ///
    /// # Errors
    /// [`ModelError`] when it is missing, damaged or does not fit its role.
    pub fn load(registry: &Registry, entry: &ModelEntry, runtime: &Runtime) -> Result<Self, ModelError> {
        Network::load(entry, &registry.file(entry), runtime, Device::Cpu).map(Self)
    }

    /// What the model says of a photo.
    ///
    /// # Errors
    /// When the model cannot be run.
    pub fn see(&self, photo: &Photo) -> Result<Seen, ModelError> {
        Ok(match self.0.entry.role {
            Role::Watermark => Seen::Watermark(watermark_of(&self.0, photo)?),
            Role::Faces => Seen::Faces(faces_of(&self.0, &mut Look::at(photo))?),
            Role::People => Seen::People(people_of(&self.0, &mut Look::at(photo))?),
            Role::FaceEmbedding => {
                let outputs = self.0.run(&input::squeezed(&self.0.entry, photo, Region::Frame))?;
                Seen::FaceEmbedding(outputs.images().next().and_then(Embedding::of))
            }
        })
    }
}

fn watermark_of(network: &Network, photo: &Photo) -> Result<WatermarkScore, ModelError> {
    let mut regions = Vec::with_capacity(REGIONS.len());
    // One region at a time: a batch is no faster on a processor, and its inputs fall out of the cache.
    for region in REGIONS {
        let outputs = network.run(&input::squeezed(&network.entry, photo, region))?;
        let scores = outputs.images().map(|logits| rounded(watermark::probability([logits[0], logits[1]])));
        regions.extend(scores.map(|score| (region, score)));
    }
    Ok(WatermarkScore { regions })
}

fn faces_of(network: &Network, look: &mut Look) -> Result<Vec<Detection>, ModelError> {
    let (letterbox, found) = detect(network, look, BOX_ROWS, &FACES)?;
    let detection = |found: &Found| Detection {
        bbox: rounded_box(&letterbox.box_to_photo(&found.bbox)),
        score: rounded(found.score),
    };
    Ok(found.iter().map(detection).collect())
}

fn people_of(network: &Network, look: &mut Look) -> Result<Vec<Person>, ModelError> {
    let (letterbox, found) = detect(network, look, POSE_ROWS, &PEOPLE)?;
    let person = |found: &Found| Person {
        bbox: rounded_box(&letterbox.box_to_photo(&found.bbox)),
        score: rounded(found.score),
        joints: rounded_joints(&letterbox.joints_to_photo(&found.joints.unwrap_or_default())),
    };
    Ok(found.iter().map(person).collect())
}

/// The digest under which scores of a role are stored: the bytes of its model, and all that lies between it and a photo.
/// `None` where the models have none of the role. `need`: how large photos are decoded ([`need`]). Scores of two devices
/// are never mixed: their last digits may differ.
pub fn identity(role: Role, models: &[ModelEntry], need: Need, device: Device) -> Option<Digest> {
    let entry = models.iter().find(|entry| entry.role == role)?;
    let settings = match role {
        Role::Watermark => None,
        Role::Faces => Some((FACES.min_score, FACES.max_iou, FACES.max_found)),
        Role::People => Some((PEOPLE.min_score, PEOPLE.max_iou, PEOPLE.max_found)),
        Role::FaceEmbedding => {
            // Other detectors find other faces and joints, so that other squares are cut.
            let found = [Role::Faces, Role::People].map(|role| identity(role, models, need, device));
            return Some(Digest::of_json(&(
                embed::VERSION,
                entry.sha256,
                entry.normalisation,
                found,
                device,
            )));
        }
    };
    let input = (entry.input_size, entry.input_multiple, entry.normalisation);
    let decoded = (need, jpeg::REDUCING_DECODER);
    Some(Digest::of_json(&(VERSION, role, entry.sha256, input, settings, decoded, device)))
}

/// The digest under which the facts of pixels are stored, which need no model, but depend on how photos are decoded.
pub fn facts_identity(need: Need) -> Digest {
    Digest::of_json(&(FACTS_VERSION, "facts", need, jpeg::REDUCING_DECODER))
}

/// How large photos have to be decoded for these models and for the facts.
pub fn need<'a>(models: impl IntoIterator<Item = &'a ModelEntry>) -> Need {
    models.into_iter().fold(facts::NEED, |all, entry| {
        let [width, height] = entry.input_size;
        let longer = width.max(height);
        all.and(match entry.role {
            // A tile is squeezed to the input, so along both sides it has to have as many px.
            Role::Watermark => {
                let side_px = (f64::from(longer) / photo::tiles::SIDE).ceil() as u32;
                Need { shorter_px: side_px, longer_px: side_px }
            }
            Role::Faces | Role::People => Need { shorter_px: 1, longer_px: longer },
            // How large a face is shows only once it was found: what is too small is decoded again then, so that the
            // scores of all other models stay those they were.
            Role::FaceEmbedding => return all,
        })
    })
}

/// A photo that detectors look at. What they see is made once where both want it alike.
struct Look<'a> {
    photo: &'a Photo,
    seen: Option<(Wanted, Letterbox, Input)>,
}

/// Input size, multiple and normalisation: all that the input of a detector depends on.
type Wanted = ([u32; 2], Option<u32>, Normalisation);

impl<'a> Look<'a> {
    fn at(photo: &'a Photo) -> Self {
        Self { photo, seen: None }
    }

    fn input(&mut self, model: &ModelEntry) -> (Letterbox, &Input) {
        let wanted = (model.input_size, model.input_multiple, model.normalisation);
        let seen = self.seen.take().filter(|(made_for, ..)| *made_for == wanted);
        let (_, letterbox, input) = self.seen.insert(seen.unwrap_or_else(|| {
            let (letterbox, input) = input::letterboxed(model, self.photo);
            (wanted, letterbox, input)
        }));
        (*letterbox, input)
    }
}

fn detect(
    network: &Network,
    look: &mut Look,
    rows: usize,
    suppression: &Suppression,
) -> Result<(Letterbox, Vec<Found>), ModelError> {
    let (letterbox, input) = look.input(&network.entry);
    let outputs = network.run(input)?;
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
