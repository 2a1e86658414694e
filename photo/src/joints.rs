//! The 17 joints of COCO keypoints, in COCO's order, and the limbs between them.

use serde::{Deserialize, Serialize};

use crate::Affine;

/// How many joints a person has: the keypoints of COCO and of YOLO11-pose.
pub const JOINT_COUNT: usize = 17;

/// COCO's names. Left and right are the person's own.
pub const JOINT_NAMES: [&str; JOINT_COUNT] = [
    "nose",
    "left_eye",
    "right_eye",
    "left_ear",
    "right_ear",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_hip",
    "right_hip",
    "left_knee",
    "right_knee",
    "left_ankle",
    "right_ankle",
];

/// Pairs of joints that a drawing connects (COCO's skeleton).
pub const LIMBS: [(usize, usize); 16] = [
    (0, 1),
    (0, 2),
    (1, 3),
    (2, 4),
    (5, 6),
    (5, 7),
    (7, 9),
    (6, 8),
    (8, 10),
    (5, 11),
    (6, 12),
    (11, 12),
    (11, 13),
    (13, 15),
    (12, 14),
    (14, 16),
];

/// For each joint, its counterpart on the other side; mirroring a photo swaps them.
pub const MIRRORED: [usize; JOINT_COUNT] = [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15];

/// One joint: position in pixels, confidence in 0..=1 (0: not visible). Serialised as `[x, y, confidence]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "[f32; 3]", into = "[f32; 3]")]
pub struct Joint {
    /// Column.
    pub x: f32,
    /// Row.
    pub y: f32,
    /// How sure the detector is that the joint is there and visible.
    pub confidence: f32,
}

impl From<[f32; 3]> for Joint {
    fn from([x, y, confidence]: [f32; 3]) -> Self {
        Self { x, y, confidence }
    }
}

impl From<Joint> for [f32; 3] {
    fn from(joint: Joint) -> Self {
        [joint.x, joint.y, joint.confidence]
    }
}

/// The 17 joints of one person in COCO's order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Joints(pub [Joint; JOINT_COUNT]);

impl Joints {
    /// The joints with a confidence above 0.
    pub fn visible(&self) -> impl Iterator<Item = &Joint> {
        self.0.iter().filter(|joint| joint.confidence > 0.0)
    }

    /// The vector s of paper section 4.2: the confidences, 0 where a joint is not visible.
    pub fn confidences(&self) -> [f32; JOINT_COUNT] {
        self.0.map(|joint| joint.confidence)
    }

    /// The same joints, with the confidence of those below `min_score` set to 0.
    pub fn gated(&self, min_score: f32) -> Self {
        let gate = |joint: Joint| {
            if joint.confidence < min_score { Joint { confidence: 0.0, ..joint } } else { joint }
        };
        Self(self.0.map(gate))
    }

    /// The joints after an affine map of the photo.
    pub fn mapped(&self, map: &Affine) -> Self {
        Self(self.0.map(|joint| {
            let (x, y) = map.apply(f64::from(joint.x), f64::from(joint.y));
            Joint { x: x as f32, y: y as f32, confidence: joint.confidence }
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirroring_twice_changes_nothing_and_keeps_the_sides_named() {
        for (i, &j) in MIRRORED.iter().enumerate() {
            assert_eq!(MIRRORED[j], i);
            assert_eq!(
                JOINT_NAMES[j],
                JOINT_NAMES[i].replace("left", "l").replace("right", "left").replace("l_", "right_")
            );
        }
    }

    #[test]
    fn gating_zeroes_only_joints_below_the_score() {
        let mut joints = Joints::default();
        joints.0[3] = Joint { x: 1.0, y: 2.0, confidence: 0.29 };
        joints.0[4] = Joint { x: 1.0, y: 2.0, confidence: 0.30 };
        let gated = joints.gated(0.30);
        assert_eq!(gated.visible().count(), 1);
        assert_eq!(gated.0[4].confidence, 0.30);
        assert_eq!(gated.0[3].x, 1.0);
    }
}
