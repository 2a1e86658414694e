//! The raw head of a YOLO detector to boxes and joints: threshold, non-maximum suppression.

use photo::joints::JOINT_COUNT;
use photo::{BoundingBox, Joint, Joints};

/// Rows of a head before the joints: cx, cy, width, height, score.
pub const BOX_ROWS: usize = 5;
/// Rows of a pose head: a box and 17 × (x, y, confidence).
pub const POSE_ROWS: usize = BOX_ROWS + 3 * JOINT_COUNT;

/// Candidates that enter the suppression at most, best first (Ultralytics' `max_nms`).
const MAX_CANDIDATES: usize = 30_000;

/// What of a head is kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Suppression {
    /// Scores must be above it.
    pub min_score: f32,
    /// A box is dropped when it overlaps a better one by more than this intersection over union.
    pub max_iou: f32,
    /// Boxes that are kept at most, best first.
    pub max_found: usize,
}

/// One object in px of the network's input.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Found {
    /// The column of the head it comes from.
    pub anchor: usize,
    /// Where.
    pub bbox: BoundingBox,
    /// How sure, in 0..=1.
    pub score: f32,
    /// The joints, where the head has them.
    pub joints: Option<Joints>,
}

/// The objects in a head of `rows` × anchors values (row after row), by falling score, ties by rising anchor.
///
/// Gives what Ultralytics' `non_max_suppression` gives for one class. Boxes that are not finite are left out.
pub fn decode(head: &[f32], rows: usize, suppression: &Suppression) -> Vec<Found> {
    let anchors = head.len() / rows.max(1);
    if anchors == 0 || rows < BOX_ROWS {
        return Vec::new();
    }
    let row = |index: usize| &head[index * anchors..(index + 1) * anchors];
    let (cx, cy, width, height, scores) = (row(0), row(1), row(2), row(3), row(4));
    let mut candidates: Vec<(usize, BoundingBox, f32)> = scores
        .iter()
        .enumerate()
        .filter(|&(_, &score)| score > suppression.min_score)
        .map(|(i, &score)| (i, BoundingBox::from_centre(cx[i], cy[i], width[i], height[i]), score))
        .filter(|(_, b, score)| score.is_finite() && [b.x0, b.y0, b.x1, b.y1].iter().all(|v| v.is_finite()))
        .collect();
    candidates.sort_by(|a, b| b.2.total_cmp(&a.2).then(a.0.cmp(&b.0)));
    candidates.truncate(MAX_CANDIDATES);

    let mut found: Vec<Found> = Vec::new();
    for (anchor, bbox, score) in candidates {
        if found.len() == suppression.max_found {
            break;
        }
        if found.iter().all(|better| better.bbox.iou(&bbox) <= suppression.max_iou) {
            let joints = (rows >= POSE_ROWS).then(|| joints_of(head, anchors, anchor));
            found.push(Found { anchor, bbox, score, joints });
        }
    }
    found
}

fn joints_of(head: &[f32], anchors: usize, anchor: usize) -> Joints {
    let value = |row: usize| head[row * anchors + anchor];
    Joints(std::array::from_fn(|i| {
        let row = BOX_ROWS + 3 * i;
        Joint { x: value(row), y: value(row + 1), confidence: value(row + 2) }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUPPRESSION: Suppression = Suppression { min_score: 0.25, max_iou: 0.5, max_found: 300 };

    /// A head of `boxes` (cx, cy, w, h, score), one per anchor.
    fn head(boxes: &[[f32; 5]]) -> Vec<f32> {
        (0..BOX_ROWS).flat_map(|row| boxes.iter().map(move |b| b[row])).collect()
    }

    #[test]
    fn of_overlapping_boxes_the_better_stays_and_order_is_by_score() {
        let boxes =
            [[50.0, 50.0, 40.0, 40.0, 0.6], [52.0, 50.0, 40.0, 40.0, 0.9], [200.0, 50.0, 40.0, 40.0, 0.95]];
        let found = decode(&head(&boxes), BOX_ROWS, &SUPPRESSION);
        assert_eq!(found.iter().map(|f| f.anchor).collect::<Vec<_>>(), [2, 1]);
    }

    #[test]
    fn a_score_at_the_threshold_is_dropped_and_an_overlap_at_the_threshold_kept() {
        let boxes =
            [[50.0, 50.0, 40.0, 40.0, 0.25], [150.0, 50.0, 40.0, 40.0, 0.5], [150.0, 40.0, 40.0, 20.0, 0.4]];
        let found = decode(&head(&boxes), BOX_ROWS, &SUPPRESSION);
        assert_eq!(found.iter().map(|f| f.anchor).collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn values_that_are_no_numbers_and_empty_heads_find_nothing() {
        let boxes = [[f32::NAN, 50.0, 40.0, 40.0, 0.9], [50.0, 50.0, 40.0, 40.0, f32::NAN]];
        assert!(decode(&head(&boxes), BOX_ROWS, &SUPPRESSION).is_empty());
        assert!(decode(&[], BOX_ROWS, &SUPPRESSION).is_empty());
    }
}
