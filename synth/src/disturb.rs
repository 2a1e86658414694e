//! The joints of the truth, as a pose detector would report them.
//!
//! A detector is off by a share of the person's size, more at hips under clothes than at eyes, now and then by far;
//! it is less sure of what it cannot see, guesses it all the same, and finds next to nothing beyond the frame.

use std::f32::consts::TAU;

use photo::joints::JOINT_COUNT;
use photo::{BoundingBox, Joint, Joints};
use rand::Rng;

/// Deviation per axis of a visible joint, as a share of the height of the person's box.
const VISIBLE: [f32; JOINT_COUNT] = [
    0.004, 0.004, 0.004, 0.005, 0.005, 0.009, 0.009, 0.009, 0.009, 0.009, 0.009, 0.012, 0.012, 0.009, 0.009,
    0.009, 0.009,
];
/// How much farther off a hidden joint is.
const HIDDEN: f32 = 3.0;
/// How often a visible joint is far off, and how much farther.
const OUTLIERS: (f64, f32) = (0.02, 5.0);
/// How often a joint in the frame that is hidden gets a confidence like that of a visible one.
const FOUND_ANYWAY: f64 = 0.6;

/// `joints` (of the truth: confidence 1 where visible, else 0) of a person in `person_box`, as a detector would see
/// them in a photo of `frame` = (width, height) px. Confidences are not gated.
pub fn disturb(joints: &Joints, person_box: &BoundingBox, frame: (f32, f32), rng: &mut impl Rng) -> Joints {
    let mut disturbed = *joints;
    for (joint, deviation) in disturbed.0.iter_mut().zip(VISIBLE) {
        // every joint takes the same number of draws, so that one joint's lot does not move the others'
        let (right, down) = normal_pair(rng);
        let (sure, lot): (f32, f64) = (rng.random(), rng.random());
        let inside = (0.0..frame.0).contains(&joint.x) && (0.0..frame.1).contains(&joint.y);
        let visible = joint.confidence > 0.0;
        let (factor, confidence) = if visible {
            (if lot < OUTLIERS.0 { OUTLIERS.1 } else { 1.0 }, 1.0 - 0.35 * sure * sure * sure)
        } else if inside {
            (HIDDEN, if lot < FOUND_ANYWAY { 0.35 + 0.6 * sure } else { 0.3 * sure })
        } else {
            (HIDDEN, 0.1 * sure * sure)
        };
        let step = deviation * factor * person_box.height();
        *joint = Joint { x: joint.x + right * step, y: joint.y + down * step, confidence };
    }
    disturbed
}

/// Two independent draws from the standard normal distribution (Box and Muller).
fn normal_pair(rng: &mut impl Rng) -> (f32, f32) {
    let radius = (-2.0 * (1.0 - rng.random::<f32>()).ln()).sqrt();
    let (sin, cos) = (TAU * rng.random::<f32>()).sin_cos();
    (radius * cos, radius * sin)
}
