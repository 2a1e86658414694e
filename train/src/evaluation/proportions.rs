//! The proportions of a body from its joints: limbs over the length of the torso.
//!
//! Joints do not show all of a body's shape; [`silhouette`](super::silhouette) has its widths.

use photo::Joints;

use super::error::EvaluationError;
use super::pose::finite;
use crate::bodybench::baselines::joint_features;

/// What [`limb_ratios`] measures, in its order. `trunk` is from a shoulder to the hip of its side. The head
/// is left out: the face is masked where bodies are compared.
pub const LIMB_NAMES: [&str; 7] = ["shoulders", "upper_arm", "forearm", "trunk", "hips", "thigh", "shin"];

/// The limbs of the head, which [`joint_features`] has before the others.
const OF_HEAD: usize = 2;

/// Lengths over the length of the torso, in the order of [`LIMB_NAMES`]; `None` where no view shows the limb.
pub type LimbRatios = [Option<f64>; LIMB_NAMES.len()];

/// What becomes of a limb's samples over the views.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimbStatistic {
    /// Their median.
    Median,
    /// Their 0.8 quantile. Foreshortening only shortens, but wrong joints lengthen as well, the more the more views
    /// there are.
    HighQuantile,
}

/// The limbs of one person, each the median over the views; both sides are samples of one length ([`joint_features`]).
/// Joints count where their confidence is above 0; gate detections ([`Joints::gated`]) before.
///
/// # Errors
/// Where a joint is NaN or infinite.
pub fn limb_ratios(views: &[Joints]) -> Result<LimbRatios, EvaluationError> {
    limb_ratios_by(views, LimbStatistic::Median)
}

/// The same by another statistic.
///
/// # Errors
/// Where a joint is NaN or infinite.
pub fn limb_ratios_by(views: &[Joints], statistic: LimbStatistic) -> Result<LimbRatios, EvaluationError> {
    for view in views {
        finite("joints of a view", view)?;
    }
    let features = joint_features(views);
    let of =
        |limb: usize| features[2 * (OF_HEAD + limb) + usize::from(statistic == LimbStatistic::HighQuantile)];
    Ok(std::array::from_fn(|limb| Some(of(limb)).filter(|ratio| !ratio.is_nan())))
}

/// How far the limbs of two people are apart: the mean of |found − reference| / reference over the limbs known of both.
/// 0.02 is 2 % of a limb. `None` where no limb is.
pub fn limb_ratio_error(found: &LimbRatios, reference: &LimbRatios) -> Option<f64> {
    relative_error(found, reference)
}

/// The mean of |found − reference| / reference where both are known; a reference of 0 is none.
pub(super) fn relative_error(found: &[Option<f64>], reference: &[Option<f64>]) -> Option<f64> {
    let known = found.iter().zip(reference).filter_map(|(found, reference)| Some(((*found)?, (*reference)?)));
    let errors: Vec<f64> = known
        .filter(|&(_, reference)| reference > 0.0)
        .map(|(found, reference)| (found - reference).abs() / reference)
        .collect();
    (!errors.is_empty()).then(|| errors.iter().sum::<f64>() / errors.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use photo::Joint;

    /// A person 50 px from hips to shoulders, whose limbs are as long as their place in [`LIMB_NAMES`] says.
    fn standing() -> Joints {
        let mut joints = Joints::default();
        let places = [
            (5, 55.0, 20.0),
            (6, 45.0, 20.0),
            (7, 55.0, 32.0),
            (8, 45.0, 32.0),
            (9, 55.0, 43.0),
            (10, 45.0, 43.0),
            (11, 53.0, 70.0),
            (12, 47.0, 70.0),
            (13, 53.0, 91.0),
            (14, 47.0, 91.0),
            (15, 53.0, 110.0),
            (16, 47.0, 110.0),
        ];
        for (joint, x, y) in places {
            joints.0[joint] = Joint { x, y, confidence: 1.0 };
        }
        joints
    }

    #[test]
    fn limbs_are_over_the_torso_and_in_the_order_of_their_names() {
        let expected =
            [10.0, 12.0, 11.0, 2504.0f64.sqrt(), 6.0, 21.0, 19.0].map(|length_px| length_px / 50.0);
        let found = limb_ratios(&[standing()]).unwrap();
        for ((name, found), expected) in LIMB_NAMES.iter().zip(found).zip(expected) {
            assert!((found.unwrap() - expected).abs() < 1e-6, "{name}: {found:?}, expected {expected}");
        }
    }

    #[test]
    fn the_size_of_a_person_in_the_picture_does_not_matter() {
        let mut large = standing();
        for joint in &mut large.0 {
            (joint.x, joint.y) = (3.0 * joint.x - 40.0, 3.0 * joint.y + 7.0);
        }
        let found = limb_ratio_error(&limb_ratios(&[large]).unwrap(), &limb_ratios(&[standing()]).unwrap());
        assert!(found.unwrap() < 1e-6);
    }

    #[test]
    fn limbs_unknown_of_either_are_left_out() {
        let mut seated = standing();
        (15..17).for_each(|ankle| seated.0[ankle].confidence = 0.0);
        let (seated, standing) = (limb_ratios(&[seated]).unwrap(), limb_ratios(&[standing()]).unwrap());
        assert_eq!(seated[6], None);
        assert_eq!(limb_ratio_error(&seated, &standing), Some(0.0));
        let mut longer = standing;
        longer[1] = longer[1].map(|ratio| 1.1 * ratio);
        longer[6] = longer[6].map(|ratio| 9.0 * ratio);
        // a tenth of one of six limbs
        assert!((limb_ratio_error(&longer, &seated).unwrap() - 0.1 / 6.0).abs() < 1e-12);
        assert_eq!(limb_ratio_error(&[None; 7], &standing), None);
        assert_eq!(relative_error(&[Some(1.0)], &[Some(0.0)]), None);
    }

    #[test]
    fn nobody_has_no_ratios_and_no_place_is_refused() {
        assert_eq!(limb_ratios(&[]).unwrap(), [None; 7]);
        assert_eq!(limb_ratios(&[Joints::default()]).unwrap(), [None; 7]);
        let mut broken = standing();
        broken.0[9].x = f32::INFINITY;
        let message = limb_ratios(&[standing(), broken]).unwrap_err().to_string();
        assert_eq!(message, "joints of a view: row 9 holds inf; finite numbers were expected");
    }
}
