//! A role that is known only at run time to the file that knows it.

use photo::Digest;

use super::cache_key::Conditions;
use super::detector::Detector;
use super::embedding::FaceEmbedder;
use super::face::FaceDetector;
use super::pose::PoseDetector;
use super::watermark::WatermarkDetector;
use crate::decode::{DecodedPhoto, MinDecodeSize, facts};
use crate::model::tensor::Input;
use crate::model::{Contract, Device, ModelEntry};
use crate::role::Role;

/// What of a [`Detector`] needs no loaded model.
struct RoleFunctions {
    contract: Contract,
    min_decode_size: fn([u32; 2]) -> MinDecodeSize,
    inputs: fn(&ModelEntry, &DecodedPhoto) -> Vec<Input>,
    cache_key_among: fn(&Conditions<'_>) -> Option<Digest>,
}

impl RoleFunctions {
    fn of<D: Detector>() -> Self {
        Self {
            contract: D::CONTRACT,
            min_decode_size: D::min_decode_size,
            inputs: D::inputs,
            cache_key_among: D::cache_key_among,
        }
    }
}

fn of(role: Role) -> RoleFunctions {
    match role {
        Role::Watermark => RoleFunctions::of::<WatermarkDetector>(),
        Role::Faces => RoleFunctions::of::<FaceDetector>(),
        Role::People => RoleFunctions::of::<PoseDetector>(),
        Role::FaceEmbedding => RoleFunctions::of::<FaceEmbedder>(),
    }
}

/// What a role demands of its models.
pub fn contract(role: Role) -> Contract {
    of(role).contract
}

/// How large photos have to be decoded for these models and for the facts.
pub fn min_decode_size<'a>(models: impl IntoIterator<Item = &'a ModelEntry>) -> MinDecodeSize {
    models
        .into_iter()
        .map(|entry| (of(entry.role).min_decode_size)(entry.input_size))
        .fold(facts::MIN_DECODE_SIZE, MinDecodeSize::max)
}

/// Everything that one photo puts into a model: what an int8 variant is calibrated on.
pub fn inputs(entry: &ModelEntry, photo: &DecodedPhoto) -> Vec<Input> {
    (of(entry.role).inputs)(entry, photo)
}

/// The digest under which results of the model of a role are stored: the bytes of the model, and all that
/// lies between it and a photo. `None` where the models have none of the role. `min_size`: how large photos
/// are decoded ([`min_decode_size`]).
pub fn cache_key(
    role: Role,
    models: &[ModelEntry],
    min_size: MinDecodeSize,
    device: Device,
) -> Option<Digest> {
    (of(role).cache_key_among)(&Conditions { models, min_size, device })
}
