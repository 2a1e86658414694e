//! How a face is found: a YOLO detector with one class runs over the letterboxed photo.
//!
//! Input: the photo letterboxed as Ultralytics does it ([`letterbox`](super::letterbox)). Output: `[5,
//! cells]`, of each cell cx, cy, width, height and score; [`nms`](super::nms) makes boxes of it.

use photo::score::rounded;
use photo::{Detection, Digest};

use super::cache_key::{self, Conditions};
use super::cascade::{Cascade, Escalated, UncertainRange};
use super::detector::Detector;
use super::letterbox::letterboxed;
use super::nms::{MIN_STORED_SCORE, NmsSettings};
use super::views::PhotoViews;
use super::yolo::{self, Yolo, rounded_box};
use crate::decode::{DecodedPhoto, MinDecodeSize};
use crate::measurements::Measurements;
use crate::model::tensor::{Input, Normalisation};
use crate::model::{BOX_CHANNELS, Contract, ModelEntry, ModelError};
use crate::role::Role;

/// Which boxes are kept.
const NMS: NmsSettings = NmsSettings { min_score: MIN_STORED_SCORE, max_iou: 0.5, max_detections: 50 };

/// From well below what is stored, since an int8 variant gave one second face less than 0.1, up to where a
/// face is certain: a clear one often has 0.8. int8 variants fell back on 3 % of 1330 photos.
const UNCERTAIN: UncertainRange = UncertainRange { low: 0.04, high: 0.75 };

/// A detector of faces.
#[derive(Debug)]
pub(crate) struct FaceDetector(Cascade);

impl Detector for FaceDetector {
    /// Faces by falling score, in photo px.
    type Output = Vec<Detection>;

    const CONTRACT: Contract = Contract {
        role: Role::Faces,
        output: "yolo[n,5,anchors]",
        output_dimensions: &[Some(BOX_CHANNELS), None],
        head_joints: Some(0),
        usual_input_px: [640, 640],
        fixed_input_px: None,
        usual_normalisation: Normalisation::Unit,
        inferences_per_photo: 1,
    };

    fn new(models: Cascade) -> Self {
        Self(models)
    }

    fn models(&self) -> &Cascade {
        &self.0
    }

    fn min_decode_size(input_px: [u32; 2]) -> MinDecodeSize {
        yolo::min_decode_size(input_px)
    }

    fn inputs(entry: &ModelEntry, photo: &DecodedPhoto) -> Vec<Input> {
        vec![letterboxed(entry, photo).1]
    }

    fn detect(
        &self,
        photo: &mut PhotoViews<'_>,
        _known: &Measurements,
    ) -> Result<Escalated<Vec<Detection>>, ModelError> {
        let yolo = Yolo { models: &self.0, channels: BOX_CHANNELS, nms: NMS, uncertain: UNCERTAIN };
        yolo.detect(photo, |letterbox, found| Detection {
            bbox: rounded_box(&letterbox.box_to_photo(&found.bbox)),
            score: rounded(found.score),
        })
    }

    fn cache_key(entry: &ModelEntry, conditions: &Conditions<'_>) -> Digest {
        cache_key::of_photo(entry, Some(&NMS), UNCERTAIN, conditions)
    }
}
