//! What a role's file says of its role.

use photo::Digest;

use super::cache_key::Conditions;
use super::cascade::{Cascade, Escalated};
use super::views::PhotoViews;
use crate::decode::{DecodedPhoto, MinDecodeSize};
use crate::measurements::Measurements;
use crate::model::tensor::Input;
use crate::model::{Contract, Device, ModelEntry, ModelError, Registry, Runtime};

/// One role. Everything that differs between roles is in the file of the type that implements it.
pub(crate) trait Detector: Sized {
    /// What is found on a photo.
    type Output;

    /// What models of the role have to take and give.
    const CONTRACT: Contract;

    /// A detector that runs these models.
    fn new(models: Cascade) -> Self;

    /// The models that it runs.
    fn models(&self) -> &Cascade;

    /// How large photos have to be decoded for a model with an input of this width and height in px.
    fn min_decode_size(input_px: [u32; 2]) -> MinDecodeSize;

    /// Everything that one photo puts into the model: what an int8 variant is calibrated on.
    fn inputs(entry: &ModelEntry, photo: &DecodedPhoto) -> Vec<Input>;

    /// Runs the models on a photo. `known`: what was found on it before.
    fn detect(
        &self,
        photo: &mut PhotoViews<'_>,
        known: &Measurements,
    ) -> Result<Escalated<Self::Output>, ModelError>;

    /// The digest under which results of a model are stored: over all that they depend on.
    fn cache_key(entry: &ModelEntry, conditions: &Conditions<'_>) -> Digest;

    /// Reads, verifies and loads the files of an entry.
    fn load(
        registry: &Registry,
        entry: &ModelEntry,
        runtime: &Runtime,
        device: Device,
    ) -> Result<Self, ModelError> {
        Cascade::load(registry, entry, &Self::CONTRACT, runtime, device).map(Self::new)
    }

    /// The cache key of the model of the role among those in use; `None` where there is none.
    fn cache_key_among(conditions: &Conditions<'_>) -> Option<Digest> {
        let entry = conditions.models.iter().find(|entry| entry.role == Self::CONTRACT.role)?;
        Some(Self::cache_key(entry, conditions))
    }
}
