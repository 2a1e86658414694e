//! One model alone: an int8 variant beside its original.

use photo::{Detection, Embedding, ImageFacts, Person, WatermarkScore};

use super::cascade::{Cascade, Escalated};
use super::detector::Detector;
use super::embedding::FaceEmbedder;
use super::face::FaceDetector;
use super::pose::PoseDetector;
use super::views::PhotoViews;
use super::watermark::WatermarkDetector;
use crate::decode::DecodedPhoto;
use crate::measurements::Measurements;
use crate::model::{Device, ModelEntry, ModelError, Registry, Runtime};
use crate::role::Role;

/// One model, checked and ready.
#[derive(Debug)]
pub struct SingleModel(OfRole);

#[derive(Debug)]
enum OfRole {
    Watermark(WatermarkDetector),
    Faces(FaceDetector),
    People(PoseDetector),
    FaceEmbedding(FaceEmbedder),
}

/// What one model finds on a photo.
#[derive(Clone, Debug, PartialEq)]
pub enum ModelOutput {
    /// Of the role watermark.
    Watermark(WatermarkScore),
    /// Of the role faces.
    Faces(Vec<Detection>),
    /// Of the role people.
    People(Vec<Person>),
    /// Of the role face embedding, of a photo that is an aligned face already.
    FaceEmbedding(Option<Embedding>),
}

impl SingleModel {
    /// Loads and checks a model of a registry.
    ///
    /// # Errors
    /// [`ModelError`] when it is missing, damaged or does not fit its role.
    pub fn load(registry: &Registry, entry: &ModelEntry, runtime: &Runtime) -> Result<Self, ModelError> {
        let device = Device::Cpu;
        Ok(Self(match entry.role {
            Role::Watermark => OfRole::Watermark(WatermarkDetector::load(registry, entry, runtime, device)?),
            Role::Faces => OfRole::Faces(FaceDetector::load(registry, entry, runtime, device)?),
            Role::People => OfRole::People(PoseDetector::load(registry, entry, runtime, device)?),
            Role::FaceEmbedding => {
                OfRole::FaceEmbedding(FaceEmbedder::load(registry, entry, runtime, device)?)
            }
        }))
    }

    /// Opens sessions for as many threads.
    ///
    /// # Errors
    /// When the model cannot be loaded once more, or run.
    pub fn open_for(&self, threads: usize) -> Result<(), ModelError> {
        self.models().open_for(threads)
    }

    /// What the model finds on a photo; a variant's fallback sees the same pixels.
    ///
    /// # Errors
    /// When the model cannot be run.
    pub fn detect(&self, photo: &DecodedPhoto) -> Result<Escalated<ModelOutput>, ModelError> {
        let mut no_more = |_| None;
        let views = &mut PhotoViews::of(photo, &mut no_more);
        let known = Measurements::of(ImageFacts::default());
        Ok(match &self.0 {
            OfRole::Watermark(model) => model.detect(views, &known)?.map(ModelOutput::Watermark),
            OfRole::Faces(model) => model.detect(views, &known)?.map(ModelOutput::Faces),
            OfRole::People(model) => model.detect(views, &known)?.map(ModelOutput::People),
            OfRole::FaceEmbedding(model) => Escalated {
                value: ModelOutput::FaceEmbedding(model.embed_aligned(photo)?),
                used_fallback: false,
            },
        })
    }

    fn models(&self) -> &Cascade {
        match &self.0 {
            OfRole::Watermark(model) => model.models(),
            OfRole::Faces(model) => model.models(),
            OfRole::People(model) => model.models(),
            OfRole::FaceEmbedding(model) => model.models(),
        }
    }
}
