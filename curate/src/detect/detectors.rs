//! All models over one photo or many.
//!
//! Each photo is decoded once, as large as the most demanding model needs it; a second time only where a
//! variant falls back, or a small face is to be compared. Which models run is a [`ModelSchedule`]: all, or
//! the cheapest first and the others only while the photo may be kept.
//!
//! Results do not depend on the number of threads or on how photos are split into batches: each photo is
//! prepared on its own, and scores and coordinates are rounded, which takes away the last bits that a batch
//! may move.

use photo::{Detection, Digest, Person, WatermarkScore};
use rayon::iter::{ParallelBridge, ParallelIterator};

use super::cascade::{Cascade, Escalated};
use super::choice::ModelChoice;
use super::detector::Detector;
use super::embedding::FaceEmbedder;
use super::face::FaceDetector;
use super::pose::PoseDetector;
use super::roles::{cache_key, min_decode_size};
use super::schedule::ModelSchedule;
use super::views::PhotoViews;
use super::watermark::WatermarkDetector;
use crate::decode::{DecodeError, DecodedPhoto, MinDecodeSize, decode_for};
use crate::measurements::Measurements;
use crate::model::{Device, ModelEntry, ModelError, Registry, Runtime};
use crate::role::Role;

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

/// The models, checked and ready.
#[derive(Debug)]
pub struct Detectors {
    /// `None` where watermarks are not checked.
    watermark: Option<WatermarkDetector>,
    faces: FaceDetector,
    people: PoseDetector,
    face_embedding: Option<FaceEmbedder>,
    min_size: MinDecodeSize,
    device: Device,
}

impl Detectors {
    /// Loads and checks the models of a registry.
    ///
    /// # Errors
    /// [`ModelError`] naming the first model that is missing, damaged or does not fit its role, or what the
    /// device lacks.
    pub fn load(
        registry: &Registry,
        choice: &ModelChoice,
        runtime: &Runtime,
        device: Device,
    ) -> Result<Self, ModelError> {
        let models = Chosen { registry, choice, runtime, device };
        let watermark = (!choice.is_off(Role::Watermark)).then(|| models.load()).transpose()?;
        let (faces, people) = (models.load()?, models.load()?);
        let is_compared = choice.face_embedding.is_some() && !choice.is_off(Role::FaceEmbedding);
        let face_embedding = is_compared.then(|| models.load()).transpose()?;
        let detectors =
            Self { watermark, faces, people, face_embedding, min_size: MinDecodeSize::ANY, device };
        let min_size = min_decode_size(detectors.models().map(Cascade::entry));
        Ok(Self { min_size, ..detectors })
    }

    /// How large photos have to be decoded for these models.
    pub fn min_decode_size(&self) -> MinDecodeSize {
        self.min_size
    }

    /// Opens sessions of every model for as many threads, so that none is opened while photos are measured.
    ///
    /// # Errors
    /// When a model cannot be loaded once more, or run.
    pub fn open_for(&self, threads: usize) -> Result<(), ModelError> {
        self.models().try_for_each(|models| models.open_for(threads))
    }

    fn models(&self) -> impl Iterator<Item = &Cascade> {
        let watermark = self.watermark.iter().map(Detector::models);
        let face_embedding = self.face_embedding.iter().map(Detector::models);
        watermark.chain([self.faces.models(), self.people.models()]).chain(face_embedding)
    }

    /// The digest under which scores of a role are stored ([`cache_key`]); `None` where the role has no
    /// model.
    pub fn cache_key(&self, role: Role) -> Option<Digest> {
        let models: Vec<ModelEntry> = self.models().map(Cascade::entry).cloned().collect();
        cache_key(role, &models, self.min_size, self.device)
    }

    /// Decodes one photo and runs every model.
    ///
    /// # Errors
    /// [`MeasureError::Unreadable`] is a fact about the photo, [`MeasureError::Model`] a failure of the run.
    pub fn measure(&self, bytes: &[u8]) -> Result<Measurements, MeasureError> {
        let photo = decode_for(bytes, self.min_size)?;
        let nothing = Measurements::of(photo.facts.clone());
        let mut larger = |min_size| decode_for(bytes, min_size).ok();
        Ok(self.complete(&photo, nothing, &ModelSchedule::All, &mut larger)?)
    }

    /// Runs the models that are scheduled beyond what is known already. `larger` decodes the photo again,
    /// with more pixels: for the fallback of a variant, and for a face that is small in the photo. Of what it
    /// gave, nothing is held when it is called again.
    ///
    /// # Errors
    /// When a model cannot be run.
    pub fn complete(
        &self,
        photo: &DecodedPhoto,
        known: Measurements,
        schedule: &ModelSchedule,
        larger: &mut dyn FnMut(MinDecodeSize) -> Option<DecodedPhoto>,
    ) -> Result<Measurements, ModelError> {
        let (mut measured, mut views) = (known, PhotoViews::of(photo, larger));
        while let Some(role) = schedule.next(&measured) {
            match role {
                Role::Watermark => {
                    let found = detect_with(self.watermark.as_ref(), &mut views, &measured)?;
                    measured.watermark = Some(found.unwrap_or_else(WatermarkScore::none));
                }
                Role::Faces => measured.faces = detect_with(Some(&self.faces), &mut views, &measured)?,
                Role::People => measured.people = detect_with(Some(&self.people), &mut views, &measured)?,
                Role::FaceEmbedding => {
                    let Some(embedder) = &self.face_embedding else { break }; // the last one, and nobody's choice
                    measured.face_embedding = detect_with(Some(embedder), &mut views, &measured)?;
                }
            }
        }
        Ok(measured)
    }

    /// Measures photos as they come and hands each result to `done` on the thread that made it, in any order.
    /// A thread takes the next photo only when it is through with its last one, so no more are in memory than
    /// there are threads.
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
    pub fn watermark(&self, photo: &DecodedPhoto) -> Result<WatermarkScore, ModelError> {
        let found = self.watermark.as_ref().map(|detector| detect_alone(detector, photo)).transpose()?;
        Ok(found.unwrap_or_else(WatermarkScore::none))
    }

    /// The faces of a photo.
    ///
    /// # Errors
    /// When the model cannot be run.
    pub fn faces(&self, photo: &DecodedPhoto) -> Result<Vec<Detection>, ModelError> {
        detect_alone(&self.faces, photo)
    }

    /// The people of a photo and their joints.
    ///
    /// # Errors
    /// When the model cannot be run.
    pub fn people(&self, photo: &DecodedPhoto) -> Result<Vec<Person>, ModelError> {
        detect_alone(&self.people, photo)
    }
}

/// What models are loaded by.
struct Chosen<'a> {
    registry: &'a Registry,
    choice: &'a ModelChoice,
    runtime: &'a Runtime,
    device: Device,
}

impl Chosen<'_> {
    /// The detector of a role, with the model that was chosen for it.
    fn load<D: Detector>(&self) -> Result<D, ModelError> {
        let role = D::CONTRACT.role;
        let entry = self.registry.choose(role, self.choice.name(role))?;
        D::load(self.registry, entry, self.runtime, self.device)
    }
}

/// What a detector finds, where there is one.
fn detect_with<D: Detector>(
    detector: Option<&D>,
    views: &mut PhotoViews<'_>,
    known: &Measurements,
) -> Result<Option<D::Output>, ModelError> {
    let found = detector.map(|detector| detector.detect(views, known)).transpose()?;
    Ok(found.map(|Escalated { value, .. }| value))
}

/// What a detector finds on a photo that is not decoded again.
fn detect_alone<D: Detector>(detector: &D, photo: &DecodedPhoto) -> Result<D::Output, ModelError> {
    let mut no_more = |_| None;
    let known = Measurements::of(photo.facts.clone());
    Ok(detector.detect(&mut PhotoViews::of(photo, &mut no_more), &known)?.value)
}
