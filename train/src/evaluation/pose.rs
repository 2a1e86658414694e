//! How near the joints of a generated picture are to those it was asked for: the distance of the paper's L_id, PCK and
//! COCO's OKS.
//!
//! Places are in pixels of one picture. A joint is visible where its confidence is above 0; gate detections
//! ([`Joints::gated`]) before.

use photo::joints::JOINT_COUNT;
use photo::{Joint, Joints};

use super::error::EvaluationError;

/// COCO's σ of each joint, in shares of a person's size (√area): how far apart annotators place it.
pub const SIGMAS: [f64; JOINT_COUNT] = [
    0.026, 0.025, 0.025, 0.035, 0.035, 0.079, 0.079, 0.072, 0.072, 0.062, 0.062, 0.107, 0.107, 0.087, 0.087,
    0.089, 0.089,
];

/// Which joints a distance is summed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhichJoints {
    /// All 17, also those without confidence.
    All,
    /// Those that both show.
    VisibleInBoth,
    /// All 17, with those that are not visible at (0, 0): one that only one of the two shows counts with its distance
    /// from the corner of the picture.
    InvisibleAtOrigin,
}

/// L_id of the paper's section 4.4, `Σ |p_gen − p_ref|²`, in px². 0 where no joint counts.
///
/// # Errors
/// Where a coordinate is NaN or infinite.
pub fn squared_distance(
    generated: &Joints,
    reference: &Joints,
    counted: WhichJoints,
) -> Result<f64, EvaluationError> {
    both_finite(generated, reference)?;
    Ok(generated.0.iter().zip(&reference.0).map(|(a, b)| square_apart(a, b, counted)).sum())
}

fn square_apart(a: &Joint, b: &Joint, counted: WhichJoints) -> f64 {
    let square = |from: [f64; 2], to: [f64; 2]| (from[0] - to[0]).powi(2) + (from[1] - to[1]).powi(2);
    let or_origin = |joint: &Joint| if visible(joint) { place(joint) } else { [0.0, 0.0] };
    match counted {
        WhichJoints::VisibleInBoth if !(visible(a) && visible(b)) => 0.0,
        WhichJoints::All | WhichJoints::VisibleInBoth => square(place(a), place(b)),
        WhichJoints::InvisibleAtOrigin => square(or_origin(a), or_origin(b)),
    }
}

/// The share of the joints visible in both that are within `share` of the person's size (PCK@share), the longer side of
/// the box around the visible joints of `reference`. `None` where no joint is visible in both, or that box is a point.
///
/// # Errors
/// Where `share` is not above 0, or a coordinate is NaN or infinite.
pub fn pck(generated: &Joints, reference: &Joints, share: f64) -> Result<Option<f64>, EvaluationError> {
    above_zero("the share of PCK", share)?;
    both_finite(generated, reference)?;
    let extent = |axis: usize| {
        let places = || reference.visible().map(|joint| place(joint)[axis]);
        places().fold(f64::NEG_INFINITY, f64::max) - places().fold(f64::INFINITY, f64::min)
    };
    // −∞ of no joint
    let size_px = extent(0).max(extent(1));
    let pairs = generated.0.iter().zip(&reference.0).filter(|(a, b)| visible(a) && visible(b));
    let near: Vec<bool> = pairs.map(|(a, b)| distance_px(a, b) <= share * size_px).collect();
    let right = near.iter().filter(|&&near| near).count();
    Ok((size_px > 0.0 && !near.is_empty()).then(|| right as f64 / near.len() as f64))
}

/// Object keypoint similarity, 0..=1: the mean over the joints that `reference` shows of exp(−d²/(2·area·(2σ)²)), d in
/// pixels. `area_px2` is that of the reference's person in the picture. As with COCO the confidences of `generated` do
/// not matter. `None` where `reference` shows no joint.
///
/// # Errors
/// Where `area_px2` is not above 0, or a coordinate is NaN or infinite.
pub fn oks(generated: &Joints, reference: &Joints, area_px2: f64) -> Result<Option<f64>, EvaluationError> {
    above_zero("the area of a person", area_px2)?;
    both_finite(generated, reference)?;
    let (mut sum, mut shown) = (0.0, 0usize);
    for ((a, b), sigma) in generated.0.iter().zip(&reference.0).zip(SIGMAS).filter(|((_, b), _)| visible(b)) {
        let deviation = 2.0 * sigma;
        sum += (-distance_px(a, b).powi(2) / (2.0 * area_px2 * deviation * deviation)).exp();
        shown += 1;
    }
    Ok((shown > 0).then(|| sum / shown as f64))
}

fn visible(joint: &Joint) -> bool {
    joint.confidence > 0.0
}

fn place(joint: &Joint) -> [f64; 2] {
    [f64::from(joint.x), f64::from(joint.y)]
}

fn distance_px(a: &Joint, b: &Joint) -> f64 {
    let (a, b) = (place(a), place(b));
    (a[0] - b[0]).hypot(a[1] - b[1])
}

fn both_finite(generated: &Joints, reference: &Joints) -> Result<(), EvaluationError> {
    finite("joints of the generated person", generated)?;
    finite("joints of the reference", reference)
}

/// Refuses joints of which a number is NaN or infinite, whether visible or not.
pub(super) fn finite(what: &'static str, joints: &Joints) -> Result<(), EvaluationError> {
    let values: Vec<f64> =
        joints.0.iter().flat_map(|&joint| <[f32; 3]>::from(joint)).map(f64::from).collect();
    EvaluationError::finite(what, 3, &values)
}

fn above_zero(what: &'static str, value: f64) -> Result<(), EvaluationError> {
    if value > 0.0 && value.is_finite() {
        return Ok(());
    }
    Err(EvaluationError::OutOfRange { what, value, expected: "a finite number above 0" })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 17 joints over 60 × 150 px.
    fn person(shift_px: f32) -> Joints {
        let at = |k: usize| Joint {
            x: 20.0 + (k * 37 % 60) as f32 + shift_px,
            y: 10.0 + (k * 53 % 150) as f32,
            confidence: 0.9,
        };
        Joints(std::array::from_fn(at))
    }

    fn hidden(mut joints: Joints, which: &[usize]) -> Joints {
        which.iter().for_each(|&joint| joints.0[joint].confidence = 0.0);
        joints
    }

    #[test]
    fn distances_are_summed_over_the_joints_that_count() {
        let (generated, reference) = (hidden(person(2.0), &[0]), hidden(person(0.0), &[0, 3]));
        let sum = |counted| squared_distance(&generated, &reference, counted).unwrap();
        assert_eq!(sum(WhichJoints::All), 17.0 * 4.0);
        assert_eq!(sum(WhichJoints::VisibleInBoth), 15.0 * 4.0);
        // joint 3 of the generated person stands at (20 + 51 + 2, 10 + 9), far from the corner
        assert_eq!(sum(WhichJoints::InvisibleAtOrigin), 15.0 * 4.0 + 73.0f64.powi(2) + 19.0f64.powi(2));
        let nobody = Joints::default();
        assert_eq!(squared_distance(&nobody, &reference, WhichJoints::VisibleInBoth).unwrap(), 0.0);
    }

    #[test]
    fn a_joint_is_right_up_to_its_share_of_the_box() {
        let reference = person(0.0);
        let height = reference.0.iter().map(|joint| joint.y).fold(0.0, f32::max) - 10.0;
        let mut generated = reference;
        generated.0[4].x += 0.1 * height;
        generated.0[5].y += 0.1 * height + 0.5;
        let found = |share| pck(&generated, &reference, share).unwrap().unwrap();
        assert!((found(0.1001) - 16.0 / 17.0).abs() < 1e-15);
        assert!((found(0.05) - 15.0 / 17.0).abs() < 1e-15);
        assert_eq!(found(0.2), 1.0);
    }

    #[test]
    fn oks_is_that_of_pycocotools() {
        // COCOeval.computeOks: area 6000, all joints shifted to the right, joints 3 and 9 of the reference v = 0
        let reference = hidden(person(0.0), &[3, 9]);
        for (shift_px, expected) in
            [(1.0, 0.9901828244135519), (8.0, 0.6485742678769811), (40.0, 0.011731619488261603)]
        {
            let found = oks(&hidden(person(shift_px), &[1]), &reference, 6000.0).unwrap().unwrap();
            assert!((found - expected).abs() < 1e-12, "{shift_px} px: {found}, expected {expected}");
        }
        assert_eq!(oks(&reference, &reference, 1.0).unwrap(), Some(1.0));
    }

    #[test]
    fn who_shows_nothing_has_no_figure() {
        let (nobody, somebody) = (Joints::default(), person(0.0));
        assert_eq!(pck(&nobody, &somebody, 0.1).unwrap(), None);
        assert_eq!(pck(&somebody, &nobody, 0.1).unwrap(), None);
        assert_eq!(oks(&somebody, &nobody, 100.0).unwrap(), None);
        assert_eq!(oks(&nobody, &somebody, 6000.0).unwrap().map(|similarity| similarity < 1e-3), Some(true));
        let one = hidden(somebody, &(1..17).collect::<Vec<_>>());
        assert_eq!(pck(&somebody, &one, 0.1).unwrap(), None);
    }

    #[test]
    fn what_is_no_place_and_what_is_no_size_are_refused() {
        let (somebody, mut broken) = (person(0.0), person(0.0));
        broken.0[6].y = f32::NAN;
        let message = squared_distance(&somebody, &broken, WhichJoints::All).unwrap_err().to_string();
        assert_eq!(message, "joints of the reference: row 6 holds NaN; finite numbers were expected");
        broken.0[6].y = f32::INFINITY;
        assert!(oks(&broken, &somebody, 10.0).is_err() && pck(&broken, &somebody, 0.1).is_err());
        for size in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(matches!(pck(&somebody, &somebody, size), Err(EvaluationError::OutOfRange { .. })));
            assert!(matches!(oks(&somebody, &somebody, size), Err(EvaluationError::OutOfRange { .. })));
        }
    }
}
