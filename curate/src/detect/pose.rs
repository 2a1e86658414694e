//! How people and their joints are found: a YOLO pose detector with one class runs over the letterboxed
//! photo.
//!
//! Input: the photo letterboxed as Ultralytics does it ([`letterbox`](super::letterbox)). Output: `[56,
//! cells]`, of each cell cx, cy, width, height and score, and of 17 joints (COCO's keypoints) x, y and
//! confidence; [`nms`](super::nms) makes people of it.

use photo::joints::JOINT_COUNT;
use photo::score::rounded;
use photo::{Digest, Joint, Joints, Person};

use super::cache_key::{self, Conditions};
use super::cascade::{Cascade, Escalated, UncertainRange};
use super::detector::Detector;
use super::letterbox::letterboxed;
use super::nms::{MIN_STORED_SCORE, NmsSettings};
use super::views::PhotoViews;
use super::yolo::{self, Yolo, rounded_box, rounded_px};
use crate::decode::{DecodedPhoto, MinDecodeSize};
use crate::measurements::Measurements;
use crate::model::tensor::{Input, Normalisation};
use crate::model::{Contract, ModelEntry, ModelError, POSE_CHANNELS};
use crate::role::Role;

/// Which boxes are kept. People may stand in front of each other, so their boxes may overlap more than those
/// of faces (Ultralytics' default).
const NMS: NmsSettings = NmsSettings { min_score: MIN_STORED_SCORE, max_iou: 0.7, max_detections: 50 };

/// From well below what is stored up to where a person is certain. int8 YOLO11n-pose fell back on 20 % of
/// 1330 photos; of 2090 photos, two verdicts differed from those of fp32. From 0.1 to 0.75 three more did:
/// the variant had given one second person 0.06, another 0.03 beside a first of 0.80, and a second face less
/// than 0.1.
const UNCERTAIN: UncertainRange = UncertainRange { low: 0.04, high: 0.85 };

/// A detector of people.
#[derive(Debug)]
pub(crate) struct PoseDetector(Cascade);

impl Detector for PoseDetector {
    /// People by falling score, in photo px.
    type Output = Vec<Person>;

    const CONTRACT: Contract = Contract {
        role: Role::People,
        output: "yolo[n,56,anchors]",
        output_dimensions: &[Some(POSE_CHANNELS), None],
        head_joints: Some(JOINT_COUNT),
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
    ) -> Result<Escalated<Vec<Person>>, ModelError> {
        let yolo = Yolo { models: &self.0, channels: POSE_CHANNELS, nms: NMS, uncertain: UNCERTAIN };
        yolo.detect(photo, |letterbox, found| Person {
            bbox: rounded_box(&letterbox.box_to_photo(&found.bbox)),
            score: rounded(found.score),
            joints: rounded_joints(&letterbox.joints_to_photo(&found.joints.unwrap_or_default())),
        })
    }

    fn cache_key(entry: &ModelEntry, conditions: &Conditions<'_>) -> Digest {
        cache_key::of_photo(entry, Some(&NMS), UNCERTAIN, conditions)
    }
}

fn rounded_joints(joints: &Joints) -> Joints {
    Joints(joints.0.map(|Joint { x, y, confidence }| {
        if ![x, y, confidence].iter().all(|value| value.is_finite()) {
            return Joint::default(); // JSON has no NaN; a joint without a place is not visible
        }
        Joint { x: rounded_px(x), y: rounded_px(y), confidence: rounded(confidence).clamp(0.0, 1.0) }
    }))
}
