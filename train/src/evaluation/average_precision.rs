//! Average precision of asked people by object keypoint similarity, as COCO computes it (`pycocotools.cocoeval`), for
//! one asked person in each picture.

use photo::Joints;

use super::error::EvaluationError;
use super::pose::oks;

/// Similarities from which a detection counts as found: 0.50, 0.55, … 0.95.
const THRESHOLDS: usize = 10;
/// Points of recall at which the precision is read: 0.00, 0.01, … 1.00.
const RECALLS: usize = 101;
/// Detections of a picture that count, the surest first.
const MOST_DETECTIONS: usize = 20;

/// A generated picture: who was asked for, and who was found in it.
#[derive(Clone, Debug, PartialEq)]
pub struct PoseTarget {
    /// The pose asked for, px.
    pub joints: Joints,
    /// Area of the person asked for, px².
    pub area_px2: f64,
    /// Everybody whom a detector finds in the picture, in any order.
    pub found: Vec<PoseDetection>,
}

/// Somebody found in a picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PoseDetection {
    /// The pose, px of the picture asked for.
    pub joints: Joints,
    /// How sure the detector is; higher is surer.
    pub score: f64,
}

/// Average precisions over all pictures, 0..=1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AveragePrecision {
    /// OKS-AP, the mean over the thresholds.
    pub mean: f64,
    /// At the similarities 0.50, 0.55, … 0.95: AP50 stands first, AP75 sixth.
    pub by_threshold: [f64; THRESHOLDS],
}

/// The average precision over `pictures`. In each, the surest detection that is similar enough is the person asked for,
/// and all others are false. Ranked over all pictures by their score, they give precision as a function of recall,
/// which is made to fall only and averaged over 101 recalls. A picture without a detection is a person missed.
///
/// # Errors
/// Where there is no picture, one asks for no visible joint or for a person without area, or a number is NaN or
/// infinite.
pub fn average_precision(pictures: &[PoseTarget]) -> Result<AveragePrecision, EvaluationError> {
    EvaluationError::at_least("pictures for an average precision", pictures.len(), 1)?;
    let ranked = pictures.iter().map(ranked).collect::<Result<Vec<_>, _>>()?;
    let by_threshold = std::array::from_fn(|step| {
        let least = 0.5 + 0.05 * step as f64;
        let mut detections: Vec<(f64, bool)> =
            ranked.iter().flat_map(|found| told_apart(found, least)).collect();
        // stable, so that equals stay in the order of the pictures
        detections.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        area_under(&detections, pictures.len())
    });
    Ok(AveragePrecision { mean: by_threshold.iter().sum::<f64>() / THRESHOLDS as f64, by_threshold })
}

/// Scores and similarities of the detections of a picture, the surest first.
fn ranked(picture: &PoseTarget) -> Result<Vec<(f64, f64)>, EvaluationError> {
    let visible = picture.joints.visible().count();
    EvaluationError::at_least("visible joints of a person asked for", visible, 1)?;
    let scores: Vec<f64> = picture.found.iter().map(|found| found.score).collect();
    EvaluationError::finite("scores of detections", 1, &scores)?;
    let mut ranked = Vec::with_capacity(picture.found.len());
    for found in &picture.found {
        // there is one, since the person asked for has a visible joint
        let similarity = oks(&found.joints, &picture.joints, picture.area_px2)?.unwrap_or(0.0);
        ranked.push((found.score, similarity));
    }
    ranked.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    ranked.truncate(MOST_DETECTIONS);
    Ok(ranked)
}

/// The scores of a picture's detections, and which of them is the person asked for.
fn told_apart(ranked: &[(f64, f64)], least: f64) -> impl Iterator<Item = (f64, bool)> {
    let first = ranked.iter().position(|&(_, similarity)| similarity >= least);
    ranked.iter().enumerate().map(move |(index, &(score, _))| (score, Some(index) == first))
}

/// The mean of the precision over the recalls; `detections` the surest first, `people` asked for.
fn area_under(detections: &[(f64, bool)], people: usize) -> f64 {
    let mut right = 0;
    let (mut recalls, mut precisions) = (Vec::new(), Vec::new());
    for (seen, &(_, is_right)) in (1u32..).zip(detections) {
        right += usize::from(is_right);
        recalls.push(right as f64 / people as f64);
        precisions.push(right as f64 / f64::from(seen));
    }
    // the best precision at this recall or a higher one
    for index in (1..precisions.len()).rev() {
        precisions[index - 1] = precisions[index - 1].max(precisions[index]);
    }
    let at = |step: usize| {
        let reached = recalls.partition_point(|&recall| recall < 0.01 * step as f64);
        precisions.get(reached).copied().unwrap_or(0.0)
    };
    (0..RECALLS).map(at).sum::<f64>() / RECALLS as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use photo::Joint;

    /// 17 joints over 60 × 150 px; joints 3 and 9 hidden where `asked`.
    fn person(shift_px: f32, asked: bool) -> Joints {
        let at = |k: usize| Joint {
            x: 20.0 + (k * 37 % 60) as f32 + shift_px,
            y: 10.0 + (k * 53 % 150) as f32,
            confidence: if asked && (k == 3 || k == 9) { 0.0 } else { 1.0 },
        };
        Joints(std::array::from_fn(at))
    }

    fn picture(found: &[(f32, f64)]) -> PoseTarget {
        let found =
            found.iter().map(|&(shift_px, score)| PoseDetection { joints: person(shift_px, false), score });
        PoseTarget { joints: person(0.0, true), area_px2: 6000.0, found: found.collect() }
    }

    #[test]
    fn the_average_precision_is_that_of_pycocotools() {
        let found: [&[(f32, f64)]; 6] = [
            &[(1.0, 0.9)],
            &[(2.0, 0.3), (8.0, 0.8)],
            &[],
            &[(4.0, 0.6), (40.0, 0.75)],
            &[(3.0, 0.5), (3.0, 0.5)],
            &[(11.0, 0.2)],
        ];
        // COCOeval(gt, gt.loadRes(detections), "keypoints"): eval["precision"][:, :, 0, 0, 0].mean(1)
        let expected = [
            0.70321782, 0.5980198, 0.5980198, 0.46082037, 0.46082037, 0.46082037, 0.46082037, 0.46082037,
            0.3125884, 0.21640736,
        ];
        let precision = average_precision(&found.map(picture)).unwrap();
        for (found, expected) in precision.by_threshold.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-8, "{precision:?}");
        }
        assert!((precision.mean - 0.4732355021216406).abs() < 1e-12, "{precision:?}");
    }

    #[test]
    fn all_found_is_one_and_nobody_found_is_zero() {
        let exact = picture(&[(0.0, 0.5)]);
        assert_eq!(average_precision(&[exact.clone(), exact]).unwrap().mean, 1.0);
        assert_eq!(average_precision(&[picture(&[]), picture(&[(300.0, 0.9)])]).unwrap().mean, 0.0);
    }

    #[test]
    fn only_the_surest_detections_of_a_picture_count() {
        let mut found = vec![(300.0, 0.9); MOST_DETECTIONS];
        found.push((0.0, 0.1));
        assert_eq!(average_precision(&[picture(&found)]).unwrap().mean, 0.0);
    }

    #[test]
    fn who_asks_for_nobody_and_scores_that_are_none_are_refused() {
        let refused = |pictures: &[PoseTarget]| average_precision(pictures).unwrap_err().to_string();
        assert_eq!(refused(&[]), "pictures for an average precision: 0 given, at least 1 needed");
        let nobody = PoseTarget { joints: Joints::default(), ..picture(&[]) };
        assert_eq!(refused(&[nobody]), "visible joints of a person asked for: 0 given, at least 1 needed");
        let unsure = picture(&[(0.0, 0.5), (0.0, f64::NAN)]);
        assert_eq!(refused(&[unsure]), "scores of detections: row 1 holds NaN; finite numbers were expected");
        let flat = PoseTarget { area_px2: 0.0, ..picture(&[(0.0, 0.5)]) };
        assert_eq!(refused(&[flat]), "the area of a person is 0; a finite number above 0 was expected");
    }
}
