//! The digest under which what a model finds is stored: two results with one key are equal.

use photo::Digest;

use super::cascade::UncertainRange;
use super::nms::NmsSettings;
use crate::decode::{self, MinDecodeSize};
use crate::model::{Device, ModelEntry};

/// Raised whenever the way from bytes to a model's input, or from its output to scores, changes: scores of
/// another version are never mixed with new ones.
const VERSION: u32 = 3;

/// What results depend on beside their own model.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Conditions<'a> {
    /// All models in use.
    pub models: &'a [ModelEntry],
    /// How large photos are decoded.
    pub min_size: MinDecodeSize,
    /// Scores of two devices are never mixed: their last digits may differ.
    pub device: Device,
}

/// The key of a model whose results follow from the photo alone: over the bytes of the model and of its
/// fallback, and all that lies between them and a photo.
pub(super) fn of_photo(
    entry: &ModelEntry,
    nms: Option<&NmsSettings>,
    uncertain: UncertainRange,
    conditions: &Conditions<'_>,
) -> Digest {
    let nms = nms.map(|nms| (nms.min_score, nms.max_iou, nms.max_detections));
    let input = (entry.input_size, entry.input_multiple, entry.normalisation);
    let decoded = (conditions.min_size, decode::reducing_decoder(), decode::VERSION);
    let alone = (VERSION, entry.role, entry.sha256, input, nms, decoded, conditions.device);
    match &entry.fallback {
        None => Digest::of_json(&alone),
        Some(fallback) => Digest::of_json(&(alone, fallback.sha256, uncertain)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::{cache_key, min_decode_size};
    use crate::model::Fallback;
    use crate::model::tensor::Normalisation;
    use crate::role::Role;

    /// One model of each role, the first three with a fallback where `has_fallback` says so.
    fn models(has_fallback: bool) -> Vec<ModelEntry> {
        let fallback =
            Fallback { name: "o".to_owned(), file: "o.onnx".into(), sha256: Digest::of("original") };
        let entry = |role: Role, input_size, input_multiple, normalisation| ModelEntry {
            name: role.name().to_owned(),
            role,
            file: "x.onnx".into(),
            sha256: Digest::of(role.name()),
            input_size,
            input_multiple,
            normalisation,
            output: crate::detect::contract(role).output.to_owned(),
            fallback: (has_fallback && role != Role::FaceEmbedding).then(|| fallback.clone()),
            licence: None,
            source: None,
        };
        vec![
            entry(Role::Watermark, [256, 256], None, Normalisation::Imagenet),
            entry(Role::Faces, [640, 640], Some(32), Normalisation::Unit),
            entry(Role::People, [640, 480], None, Normalisation::Unit),
            entry(Role::FaceEmbedding, [112, 112], None, Normalisation::Arcface),
        ]
    }

    // Of the keys by which stored measurements are found. They change where a version is raised on purpose,
    // and then only.
    #[cfg(not(feature = "turbojpeg"))]
    #[test]
    fn keys_of_stored_measurements_stay() {
        for (has_fallback, device, expected) in [
            (
                false,
                Device::Cpu,
                ["fa258d49d841d6d9", "27af30cbb4370bb4", "880b6d54120b2540", "7d54825fde55b70d"],
            ),
            (
                false,
                Device::Cuda,
                ["94142a548b5a206e", "83a9bc47e7f2322b", "5da401ba2eb076a8", "5c3323ad144717e1"],
            ),
            (
                true,
                Device::Cpu,
                ["1c35bc92eadc58e9", "17f9c7128bb6a955", "b744d99e1bbe05b3", "04ad25c3e1b43a8b"],
            ),
            (
                true,
                Device::Cuda,
                ["db07585bdc1827e3", "d9061be10cc5f212", "07a05b0f3d21d10c", "b5f9f988d6f80387"],
            ),
        ] {
            let models = models(has_fallback);
            let min_size = min_decode_size(&models);
            assert_eq!(min_size, MinDecodeSize { shorter_px: 640, longer_px: 768 });
            for (role, expected) in Role::ALL.into_iter().zip(expected) {
                let key = cache_key(role, &models, min_size, device).unwrap().to_string();
                assert!(key.starts_with(expected), "{role} on {device}, fallback {has_fallback}: {key}");
            }
            let facts = decode::facts_cache_key(min_size).to_string();
            assert!(facts.starts_with("6ff343cd03300baa"), "{facts}");
        }
    }
}
