//! The joints of the truth, as a pose detector would report them.
//!
//! A detector is off by a share of the person's size, mostly by little and now and then by a limb: the logarithm of
//! the distance is normal, and part of it is common to the joints of a photo, since some photos are hard. It is nearly
//! as sure of joints that it guesses behind things as of those that it sees, less so where it errs the most, and finds
//! next to nothing at and beyond the edge of the frame. The figures are those of the project's own pose model on 150
//! photos of this crate; a test of the package `bolid` holds them against it (`tests/it/drawn.rs`).

use std::f32::consts::TAU;

use photo::joints::JOINT_COUNT;
use photo::{BoundingBox, Joint, Joints};
use rand::Rng;

/// How a detector fares with one kind of joint.
#[derive(Clone, Copy)]
struct Report {
    /// The median distance from the truth, over the height of the person's box.
    error: f32,
    /// Deviation of the distance's logarithm.
    spread: f32,
    /// The median confidence as log-odds.
    sure: f32,
    /// Deviation of the log-odds.
    doubt: f32,
    /// What is taken from the log-odds where the joint is hidden.
    hidden: f32,
}

const fn report(error: f32, spread: f32, sure: f32, doubt: f32, hidden: f32) -> Report {
    Report { error, spread, sure, doubt, hidden }
}

const NOSE: Report = report(0.0084, 0.65, 4.0, 0.75, 1.0);
const EYE: Report = report(0.0059, 0.70, 3.7, 0.75, 1.0);
/// The model knows where ears are, hardly whether they are seen.
const EAR: Report = report(0.0064, 0.75, 0.30, 0.22, 0.08);
const SHOULDER: Report = report(0.0109, 0.70, 4.4, 0.75, 0.3);
const ELBOW: Report = report(0.0140, 0.95, 2.5, 0.52, 0.25);
const WRIST: Report = report(0.0183, 1.00, 2.1, 0.57, 0.2);
const HIP: Report = report(0.0169, 0.80, 1.85, 0.65, 1.0);
const KNEE: Report = report(0.0145, 0.95, 2.8, 0.50, 0.4);
const ANKLE: Report = report(0.0094, 0.95, 2.9, 0.47, 0.25);

/// By joint, in COCO's order.
const REPORTS: [Report; JOINT_COUNT] = [
    NOSE, EYE, EYE, EAR, EAR, SHOULDER, SHOULDER, ELBOW, ELBOW, WRIST, WRIST, HIP, HIP, KNEE, KNEE, ANKLE,
    ANKLE,
];

/// A hidden joint: how much farther off it is, and how much less that spreads.
const HIDDEN: (f32, f32) = (2.2, 0.7);
/// Of the variance of the distances' logarithms, the share that the joints of a photo have in common.
const COMMON: f32 = 0.35;
/// The correlation between the distance's logarithm and the log-odds.
const KNOWS: f32 = -0.38;
/// What is taken from the log-odds by the distance from the frame's edge inwards, over the box's height.
const EDGE: [(f32, f32); 5] = [(-0.4, 8.6), (-0.2, 5.2), (-0.05, 3.6), (0.025, 3.4), (0.045, 0.0)];

/// `joints` (of the truth: confidence 1 where visible, else 0) of a person in `person_box`, as a detector would see
/// them in a photo of `frame` = (width, height) px. Confidences are not gated.
pub fn disturb(joints: &Joints, person_box: &BoundingBox, frame: (f32, f32), rng: &mut impl Rng) -> Joints {
    let height = person_box.height();
    let (common, _) = normal_pair(rng);
    let mut disturbed = *joints;
    for (joint, report) in disturbed.0.iter_mut().zip(REPORTS) {
        // every joint takes the same number of draws, so that one joint's lot does not move the others'
        let (own, unsure) = normal_pair(rng);
        let (sin, cos) = (TAU * rng.random::<f32>()).sin_cos();
        let far = COMMON.sqrt() * common + (1.0 - COMMON).sqrt() * own;
        let visible = joint.confidence > 0.0;
        let ((farther, narrower), hidden) = if visible { ((1.0, 1.0), 0.0) } else { (HIDDEN, report.hidden) };
        let distance = report.error * farther * (report.spread * narrower * far).exp() * height;
        let inside = joint.x.min(joint.y).min(frame.0 - joint.x).min(frame.1 - joint.y) / height;
        let doubt = KNOWS * far + (1.0 - KNOWS * KNOWS).sqrt() * unsure;
        let odds = report.sure + report.doubt * doubt - hidden - at_edge(inside);
        *joint = Joint {
            x: joint.x + distance * cos,
            y: joint.y + distance * sin,
            confidence: 1.0 / (1.0 + (-odds).exp()),
        };
    }
    disturbed
}

/// [`EDGE`], linear between its rows and level beyond them.
fn at_edge(inside: f32) -> f32 {
    let after = EDGE.iter().position(|row| inside < row.0).unwrap_or(EDGE.len());
    if after == 0 || after == EDGE.len() {
        return EDGE[after.min(EDGE.len() - 1)].1;
    }
    let [(x0, y0), (x1, y1)] = [EDGE[after - 1], EDGE[after]];
    y0 + (y1 - y0) * (inside - x0) / (x1 - x0)
}

/// Two independent draws from the standard normal distribution (Box and Muller).
fn normal_pair(rng: &mut impl Rng) -> (f32, f32) {
    let radius = (-2.0 * (1.0 - rng.random::<f32>()).ln()).sqrt();
    let (sin, cos) = (TAU * rng.random::<f32>()).sin_cos();
    (radius * cos, radius * sin)
}
