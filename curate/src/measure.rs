//! Runs the models over photos and collects what they and the pixels say.
//!
//! Each photo is decoded once, as large as the most demanding model needs it; a second time only where a small face is to
//! be compared. Which models are asked is a [`Demand`]: every one, or the cheapest first and the others only while the
//! photo may still be kept.
//!
//! Results do not depend on the number of threads or on how photos are split into batches: each photo is prepared on
//! its own, and scores and coordinates are rounded, which takes away the last bits that a batch may move.

use photo::tiles::Region;
use photo::{Detection, Digest, Embedding, FaceEmbedding, ImageFacts, Person, WatermarkScore};
use rayon::iter::{ParallelBridge, ParallelIterator};
use serde::{Deserialize, Serialize};

use crate::cascade::{Cascade, Doubt, FACES, Looked, PEOPLE};
use crate::decode::{DecodeError, Need, Photo, decode_for};
use crate::demand::Demand;
use crate::look::Look;
use crate::model::{Device, ModelEntry, ModelError, Network, Registry, Role, Runtime};
use crate::{decode, embed, facts, input, jpeg};

/// Raised whenever the way from bytes to a model's input, or from its output to scores, changes: scores of another
/// version are never mixed with new ones.
const VERSION: u32 = 3;
/// The same for the facts of pixels.
const FACTS_VERSION: u32 = 5;

/// Detections below are not even stored. Rules may ask for any score above; lower ones are noise in this family.
pub const MIN_STORED_SCORE: f32 = 0.1;

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

/// The word in place of a model's name by which a role is off.
const OFF: &str = "none";

/// The names of the models to use; `None`: the only one of the role, and none for face embeddings. `"none"`: none, for
/// watermarks and face embeddings.
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

/// The models, checked and ready.
#[derive(Debug)]
pub struct Detectors {
    /// `None` where nobody asks for watermarks.
    watermark: Option<Cascade>,
    faces: Cascade,
    people: Cascade,
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
        let chosen = |role| registry.choose(role, choice.name(role));
        let load = |role| Cascade::load(registry, chosen(role)?, runtime, device);
        let watermark = (!choice.is_off(Role::Watermark)).then(|| load(Role::Watermark)).transpose()?;
        let (faces, people) = (load(Role::Faces)?, load(Role::People)?);
        let embedding = || {
            let entry = chosen(Role::FaceEmbedding)?;
            Network::load(entry, &registry.file(entry), runtime, device)
        };
        let is_compared = choice.face_embedding.is_some() && !choice.is_off(Role::FaceEmbedding);
        let face_embedding = is_compared.then(embedding).transpose()?;
        let need = need([&faces, &people].into_iter().chain(&watermark).map(Cascade::entry));
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
        self.cascades().try_for_each(|cascade| cascade.open_for(threads))?;
        self.face_embedding.iter().try_for_each(|network| network.open_for(threads))
    }

    fn cascades(&self) -> impl Iterator<Item = &Cascade> {
        self.watermark.iter().chain([&self.faces, &self.people])
    }

    /// The digest under which scores of a role are stored ([`identity`]); `None` where the role has no model.
    pub fn identity(&self, role: Role) -> Option<Digest> {
        let embedding = self.face_embedding.iter().map(|network| &network.entry);
        let models: Vec<ModelEntry> = self.cascades().map(Cascade::entry).chain(embedding).cloned().collect();
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
    /// pixels: for the second look of a variant, and for a face that is small in the photo. Of what it gave, nothing is
    /// held when it is called again.
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
        let (mut measured, mut look) = (known, Look::at(photo, larger));
        while let Some(role) = demand.next(&measured) {
            match role {
                Role::Watermark => measured.watermark = Some(self.look_for_mark(&mut look)?),
                Role::Faces => measured.faces = Some(self.faces.faces(&mut look)?.found),
                Role::People => measured.people = Some(self.people.people(&mut look)?.found),
                Role::FaceEmbedding => {
                    let Some(network) = &self.face_embedding else { break }; // the last one, and nobody's choice
                    let faces = measured.faces.as_deref().unwrap_or_default();
                    let people = measured.people.as_deref().unwrap_or_default();
                    let embeddings = embed::embeddings_of(network, photo, faces, people, &mut |need| {
                        look.decode_again(need)
                    })?;
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

    /// The watermark model's probability for the frame and its tiles; none, where there is no model.
    ///
    /// # Errors
    /// When the model cannot be run.
    pub fn watermark(&self, photo: &Photo) -> Result<WatermarkScore, ModelError> {
        self.look_for_mark(&mut Look::at(photo, &mut |_| None))
    }

    fn look_for_mark(&self, look: &mut Look<'_>) -> Result<WatermarkScore, ModelError> {
        let found = self.watermark.as_ref().map(|model| model.watermark(look)).transpose()?;
        Ok(found.map_or_else(WatermarkScore::none, |looked| looked.found))
    }

    /// The faces of a photo.
    ///
    /// # Errors
    /// When the model cannot be run.
    pub fn faces(&self, photo: &Photo) -> Result<Vec<Detection>, ModelError> {
        Ok(self.faces.faces(&mut Look::at(photo, &mut |_| None))?.found)
    }

    /// The people of a photo and their joints.
    ///
    /// # Errors
    /// When the model cannot be run.
    pub fn people(&self, photo: &Photo) -> Result<Vec<Person>, ModelError> {
        Ok(self.people.people(&mut Look::at(photo, &mut |_| None))?.found)
    }
}

/// One model alone, checked and ready.
#[derive(Debug)]
pub struct One(Cascade);

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
        Cascade::load(registry, entry, runtime, Device::Cpu).map(Self)
    }

    /// Opens sessions for as many threads.
    ///
    /// # Errors
    /// When the model cannot be loaded once more, or run.
    pub fn open_for(&self, threads: usize) -> Result<(), ModelError> {
        self.0.open_for(threads)
    }

    /// What the model says of a photo; a variant's second look sees the same pixels.
    ///
    /// # Errors
    /// When the model cannot be run.
    pub fn see(&self, photo: &Photo) -> Result<Looked<Seen>, ModelError> {
        let (model, mut no_more) = (&self.0, |_| None);
        let look = &mut Look::at(photo, &mut no_more);
        Ok(match model.entry().role {
            Role::Watermark => model.watermark(look)?.map(Seen::Watermark),
            Role::Faces => model.faces(look)?.map(Seen::Faces),
            Role::People => model.people(look)?.map(Seen::People),
            Role::FaceEmbedding => {
                let outputs = model.alone().run(&input::squeezed(model.entry(), photo, Region::Frame))?;
                let embedding = outputs.images().next().and_then(Embedding::of);
                Looked { found: Seen::FaceEmbedding(embedding), twice: false }
            }
        })
    }
}

/// The digest under which scores of a role are stored: the bytes of its model, and all that lies between it and a photo.
/// `None` where the models have none of the role. `need`: how large photos are decoded ([`need`]). Scores of two devices
/// are never mixed: their last digits may differ.
pub fn identity(role: Role, models: &[ModelEntry], need: Need, device: Device) -> Option<Digest> {
    let entry = models.iter().find(|entry| entry.role == role)?;
    let (settings, doubt) = match role {
        Role::Watermark => (None, Doubt::MARK),
        Role::Faces => (Some((FACES.min_score, FACES.max_iou, FACES.max_found)), Doubt::FACES),
        Role::People => (Some((PEOPLE.min_score, PEOPLE.max_iou, PEOPLE.max_found)), Doubt::PEOPLE),
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
    let decoded = (need, jpeg::REDUCING_DECODER, decode::VERSION);
    let alone = (VERSION, role, entry.sha256, input, settings, decoded, device);
    Some(match &entry.exact {
        None => Digest::of_json(&alone),
        Some(exact) => Digest::of_json(&(alone, exact.sha256, doubt)),
    })
}

/// The digest under which the facts of pixels are stored, which need no model, but depend on how photos are decoded.
pub fn facts_identity(need: Need) -> Digest {
    Digest::of_json(&(FACTS_VERSION, "facts", need, jpeg::REDUCING_DECODER, decode::VERSION))
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
