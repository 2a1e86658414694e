//! Readings of bodies without a model: what joints and pixels say by themselves.

use photo::Joints;
use photo::joints::{LIMBS, MIRRORED};

use super::bootstrap::quantile;

/// Cells of a pooled view along a side.
pub const GRID: usize = 8;
/// Foreshortening only ever shortens a limb, so that a high quantile over views is nearer to its
/// length than the middle.
const HIGH: f64 = 0.8;

/// The limbs of COCO's skeleton over the length of the torso, straight from the detected joints:
/// for each the median over the views and the 0.8 quantile, in one vector. A limb and its
/// counterpart on the other side are two samples of one length; joints without confidence are not
/// there; a limb that no view shows is NaN.
///
/// The torso (the middle of the hips to the middle of the shoulders) is the unit because it is seen
/// most often, and because a photo has no scale.
pub fn joint_features(views: &[Joints]) -> Vec<f64> {
    let torsos: Vec<Option<f64>> = views.iter().map(torso).collect();
    limbs().iter().flat_map(|pairs| middle_and_high(&ratios(views, &torsos, pairs))).collect()
}

/// The lengths of a limb over that of the torso, ascending: a sample for each view and each of `pairs` that shows it.
fn ratios(views: &[Joints], torsos: &[Option<f64>], pairs: &[(usize, usize)]) -> Vec<f64> {
    let seen = views.iter().zip(torsos).filter_map(|(joints, torso)| Some((joints, (*torso)?)));
    let mut ratios: Vec<f64> = seen
        .flat_map(|(joints, torso)| {
            pairs.iter().filter_map(move |&(a, b)| Some(distance(joints, a, b)? / torso))
        })
        .collect();
    ratios.sort_by(f64::total_cmp);
    ratios
}

fn middle_and_high(ratios: &[f64]) -> [f64; 2] {
    [quantile(ratios, 0.5), quantile(ratios, HIGH)]
}

/// Each limb once, with its counterpart on the other side.
fn limbs() -> Vec<Vec<(usize, usize)>> {
    let ordered = |(a, b): (usize, usize)| (a.min(b), a.max(b));
    let mut limbs: Vec<Vec<(usize, usize)>> = Vec::new();
    for limb in LIMBS.map(ordered) {
        let mirrored = ordered((MIRRORED[limb.0], MIRRORED[limb.1]));
        match limbs.iter_mut().find(|pairs| pairs.contains(&mirrored)) {
            Some(pairs) if !pairs.contains(&limb) => pairs.push(limb),
            Some(_) => {}
            None => limbs.push(vec![limb]),
        }
    }
    limbs
}

/// The length of the torso in px, the middle of the hips to the middle of the shoulders; `None` where one of
/// the four is not seen, or a pixel would be the whole of it.
pub fn torso(joints: &Joints) -> Option<f64> {
    let middle = |a: usize, b: usize| {
        let (a, b) = (visible(joints, a)?, visible(joints, b)?);
        Some([(a[0] + b[0]) / 2.0, (a[1] + b[1]) / 2.0])
    };
    let (shoulders, hips) = (middle(5, 6)?, middle(11, 12)?);
    let length = (shoulders[0] - hips[0]).hypot(shoulders[1] - hips[1]);
    // a pixel of error would be the whole of it
    (length >= 1.0).then_some(length)
}

fn distance(joints: &Joints, a: usize, b: usize) -> Option<f64> {
    let (a, b) = (visible(joints, a)?, visible(joints, b)?);
    Some((a[0] - b[0]).hypot(a[1] - b[1]))
}

fn visible(joints: &Joints, joint: usize) -> Option<[f64; 2]> {
    let joint = joints.0[joint];
    (joint.confidence > 0.0).then(|| [f64::from(joint.x), f64::from(joint.y)])
}

/// A view `[3, size_px, size_px]` as means over 8×8 cells, `[3, 8, 8]`, 0..=1.
///
/// # Panics
/// If `planes` has another size, or the view is smaller than 8 px.
pub fn pool(planes: &[u8], size_px: usize) -> Vec<f32> {
    assert!(planes.len() == 3 * size_px * size_px && size_px >= GRID, "a view of {size_px} px");
    let edge = |cell: usize| cell * size_px / GRID;
    let mut pooled = Vec::with_capacity(3 * GRID * GRID);
    for plane in planes.chunks_exact(size_px * size_px) {
        for y in 0..GRID {
            for x in 0..GRID {
                let rows = plane.chunks_exact(size_px).take(edge(y + 1)).skip(edge(y));
                let sum: u64 =
                    rows.flat_map(|row| &row[edge(x)..edge(x + 1)]).map(|&pixel| u64::from(pixel)).sum();
                let pixels = (edge(y + 1) - edge(y)) * (edge(x + 1) - edge(x));
                pooled.push(sum as f32 / (255 * pixels) as f32);
            }
        }
    }
    pooled
}

/// The mean of rows of one length; empty of none.
pub fn mean_row<R: AsRef<[f32]>>(rows: &[R]) -> Vec<f64> {
    let mut mean = vec![0.0; rows.first().map_or(0, |row| row.as_ref().len())];
    for row in rows {
        for (sum, &value) in mean.iter_mut().zip(row.as_ref()) {
            *sum += f64::from(value) / rows.len() as f64;
        }
    }
    mean
}

#[cfg(test)]
mod tests {
    use super::*;
    use photo::Joint;

    fn standing() -> Joints {
        let mut joints = Joints::default();
        let at = |x, y| Joint { x, y, confidence: 0.9 };
        (joints.0[5], joints.0[6], joints.0[11], joints.0[12]) =
            (at(60.0, 20.0), at(40.0, 20.0), at(56.0, 70.0), at(44.0, 70.0));
        (joints.0[7], joints.0[8]) = (at(60.0, 45.0), at(40.0, 50.0));
        joints
    }

    #[test]
    fn limbs_are_read_over_the_torso_and_both_sides_count() {
        assert_eq!(limbs().len(), 9);
        let features = joint_features(&[standing()]);
        let limb =
            |pair| 2 * limbs().iter().position(|pairs: &Vec<(usize, usize)>| pairs.contains(&pair)).unwrap();
        let (shoulders, arm, shin) = (limb((5, 6)), limb((5, 7)), limb((13, 15)));
        // torso 50, shoulders 20 apart, arms 25 and 30 long, no legs
        assert!((features[shoulders] - 0.4).abs() < 1e-6);
        assert!((features[arm] - 0.55).abs() < 1e-6 && (features[arm + 1] - 0.58).abs() < 1e-6);
        assert!(features[shin].is_nan());
    }

    #[test]
    fn a_view_without_a_torso_has_no_unit_and_is_left_out() {
        let mut lost = standing();
        lost.0[11].confidence = 0.0;
        lost.0[7].y = 400.0;
        let features = |views: &[Joints]| format!("{:?}", joint_features(views));
        assert_eq!(features(&[standing(), lost]), features(&[standing()]));
        assert!(joint_features(&[lost]).iter().all(|feature| feature.is_nan()));
    }

    #[test]
    fn pooling_keeps_the_means_of_cells() {
        let planes: Vec<u8> = (0..3 * 256).map(|i| if i % 16 < 2 { 255 } else { 0 }).collect();
        let pooled = pool(&planes, 16);
        assert_eq!(pooled.len(), 192);
        assert!(pooled.chunks(8).all(|row| row[0] == 1.0 && row[1..].iter().all(|&cell| cell == 0.0)));
        assert_eq!(mean_row(&[vec![1.0f32, 3.0], vec![2.0, 5.0]]), [1.5, 4.0]);
    }
}
