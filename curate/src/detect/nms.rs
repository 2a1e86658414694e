//! The raw head of a YOLO detector to boxes and joints: threshold, non-maximum suppression (NMS).

use photo::{BoundingBox, Joint, Joints};

use crate::model::{BOX_CHANNELS, POSE_CHANNELS};

/// Detections below are not even stored. Rules may ask for any score above; lower ones are noise in this
/// family.
pub const MIN_STORED_SCORE: f32 = 0.1;

/// Candidates that enter the suppression at most, best first (Ultralytics' `max_nms`).
const MAX_CANDIDATES: usize = 30_000;

/// Which boxes of a head non-maximum suppression (NMS) keeps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NmsSettings {
    /// Scores must be above it.
    pub min_score: f32,
    /// A box is dropped when it overlaps a better one by more than this intersection over union.
    pub max_iou: f32,
    /// Boxes that are kept at most, best first.
    pub max_detections: usize,
}

/// One object in px of the network's input.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RawDetection {
    /// The cell of the head it comes from.
    pub anchor: usize,
    /// Where.
    pub bbox: BoundingBox,
    /// How sure, in 0..=1.
    pub score: f32,
    /// The joints, where the head has them.
    pub joints: Option<Joints>,
}

/// The objects in a head of `channels` × anchors values (channel after channel), by falling score, ties by
/// rising anchor.
///
/// Gives what Ultralytics' `non_max_suppression` gives for one class. Boxes that are not finite are left out.
pub fn decode(head: &[f32], channels: usize, nms: &NmsSettings) -> Vec<RawDetection> {
    let anchors = head.len() / channels.max(1);
    if anchors == 0 || channels < BOX_CHANNELS {
        return Vec::new();
    }
    let channel = |index: usize| &head[index * anchors..(index + 1) * anchors];
    let (cx, cy, width, height, scores) = (channel(0), channel(1), channel(2), channel(3), channel(4));
    let mut candidates: Vec<(usize, BoundingBox, f32)> = scores
        .iter()
        .enumerate()
        .filter(|&(_, &score)| score > nms.min_score)
        .map(|(i, &score)| (i, BoundingBox::from_centre(cx[i], cy[i], width[i], height[i]), score))
        .filter(|(_, b, score)| score.is_finite() && [b.x0, b.y0, b.x1, b.y1].iter().all(|v| v.is_finite()))
        .collect();
    candidates.sort_by(|a, b| b.2.total_cmp(&a.2).then(a.0.cmp(&b.0)));
    candidates.truncate(MAX_CANDIDATES);

    let mut found: Vec<RawDetection> = Vec::new();
    for (anchor, bbox, score) in candidates {
        if found.len() == nms.max_detections {
            break;
        }
        if found.iter().all(|better| better.bbox.iou(&bbox) <= nms.max_iou) {
            let joints = (channels >= POSE_CHANNELS).then(|| joints_of(head, anchors, anchor));
            found.push(RawDetection { anchor, bbox, score, joints });
        }
    }
    found
}

fn joints_of(head: &[f32], anchors: usize, anchor: usize) -> Joints {
    let value = |row: usize| head[row * anchors + anchor];
    Joints(std::array::from_fn(|i| {
        let row = BOX_CHANNELS + 3 * i;
        Joint { x: value(row), y: value(row + 1), confidence: value(row + 2) }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NMS: NmsSettings = NmsSettings { min_score: 0.25, max_iou: 0.5, max_detections: 300 };

    /// A head of `boxes` (cx, cy, w, h, score), one per anchor.
    fn head(boxes: &[[f32; 5]]) -> Vec<f32> {
        (0..BOX_CHANNELS).flat_map(|row| boxes.iter().map(move |b| b[row])).collect()
    }

    #[test]
    fn of_overlapping_boxes_the_better_stays_and_order_is_by_score() {
        let boxes =
            [[50.0, 50.0, 40.0, 40.0, 0.6], [52.0, 50.0, 40.0, 40.0, 0.9], [200.0, 50.0, 40.0, 40.0, 0.95]];
        let found = decode(&head(&boxes), BOX_CHANNELS, &NMS);
        assert_eq!(found.iter().map(|f| f.anchor).collect::<Vec<_>>(), [2, 1]);
    }

    #[test]
    fn a_score_at_the_threshold_is_dropped_and_an_overlap_at_the_threshold_kept() {
        let boxes =
            [[50.0, 50.0, 40.0, 40.0, 0.25], [150.0, 50.0, 40.0, 40.0, 0.5], [150.0, 40.0, 40.0, 20.0, 0.4]];
        let found = decode(&head(&boxes), BOX_CHANNELS, &NMS);
        assert_eq!(found.iter().map(|f| f.anchor).collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn values_that_are_no_numbers_and_empty_heads_find_nothing() {
        let boxes = [[f32::NAN, 50.0, 40.0, 40.0, 0.9], [50.0, 50.0, 40.0, 40.0, f32::NAN]];
        assert!(decode(&head(&boxes), BOX_CHANNELS, &NMS).is_empty());
        assert!(decode(&[], BOX_CHANNELS, &NMS).is_empty());
    }
}
