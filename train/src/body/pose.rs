//! What the model is told of a view's joints: pure geometry, computed once per view.

use photo::Joints;
use photo::joints::{JOINT_COUNT, LIMBS};

/// Where features are pooled: around each joint, and over the whole body.
pub const POOLS: usize = JOINT_COUNT + 1;

/// Numbers that describe a pose: coordinates and confidences of 17 joints, lengths of 16 limbs and
/// of two joined ones, and whether both ends of each are known.
pub const POSE_FEATURES: usize = JOINT_COUNT * 3 + 2 * LENGTHS.len();

/// What the decoder sees of a pose: 17 joints, then the limbs as lines.
pub const POSE_MAPS: usize = JOINT_COUNT + LIMBS.len();

/// The limbs of COCO's skeleton and the two sides' diagonals, whose lengths are read.
const LENGTHS: [(usize, usize); LIMBS.len() + 2] = {
    let mut pairs = [(0, 0); LIMBS.len() + 2];
    let mut index = 0;
    while index < LIMBS.len() {
        pairs[index] = LIMBS[index];
        index += 1;
    }
    pairs[LIMBS.len()] = (5, 12);
    pairs[LIMBS.len() + 1] = (6, 11);
    pairs
};

/// Means of x and y and their deviations in lengths of the torso from its middle, of visible joints in
/// 38,400 views of synthetic people. Photos of other people differ a little, which does no harm: all
/// numbers are to be of one size, none has to be exact.
const PLACES: [[f32; 4]; JOINT_COUNT] = [
    [0.00, -0.82, 0.13, 0.09],
    [0.06, -0.89, 0.11, 0.08],
    [-0.06, -0.89, 0.11, 0.08],
    [0.15, -0.88, 0.08, 0.08],
    [-0.15, -0.88, 0.08, 0.08],
    [0.33, -0.49, 0.08, 0.07],
    [-0.33, -0.49, 0.08, 0.07],
    [0.59, -0.14, 0.20, 0.35],
    [-0.59, -0.14, 0.20, 0.35],
    [0.41, 0.02, 0.33, 0.60],
    [-0.41, 0.02, 0.33, 0.60],
    [0.20, 0.50, 0.08, 0.06],
    [-0.20, 0.50, 0.08, 0.06],
    [0.22, 1.18, 0.24, 0.31],
    [-0.22, 1.18, 0.24, 0.31],
    [0.18, 1.96, 0.22, 0.30],
    [-0.18, 1.96, 0.22, 0.30],
];

/// The same of the lengths: mean and deviation.
const LENGTH_SCALES: [[f32; 2]; LENGTHS.len()] = [
    [0.10, 0.04],
    [0.10, 0.04],
    [0.11, 0.06],
    [0.11, 0.06],
    [0.67, 0.13],
    [0.57, 0.13],
    [0.48, 0.16],
    [0.57, 0.13],
    [0.48, 0.16],
    [1.01, 0.07],
    [1.01, 0.07],
    [0.42, 0.14],
    [0.76, 0.24],
    [0.79, 0.15],
    [0.76, 0.24],
    [0.79, 0.15],
    [1.13, 0.09],
    [1.13, 0.09],
];

/// The joints of one view, in shares of the view's side.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pose {
    /// x, y in 0..=1 inside the view, and the confidence; 0 where a joint is not visible.
    pub joints: [[f32; 3]; JOINT_COUNT],
}

impl Pose {
    /// The pose of joints in px of a view of `size_px`. Joints that are no number are not visible.
    pub fn new(joints: &Joints, size_px: usize) -> Self {
        let size = size_px as f32;
        Self {
            joints: joints.0.map(|joint| {
                let is_known = joint.confidence > 0.0 && joint.x.is_finite() && joint.y.is_finite();
                let confidence = if is_known { joint.confidence.min(1.0) } else { 0.0 };
                let place = |px: f32| if is_known { (px + 0.5) / size } else { 0.0 };
                [place(joint.x), place(joint.y), confidence]
            }),
        }
    }

    /// How much a view counts among others: the mean confidence of its joints, in 0..=1.
    pub fn confidence(&self) -> f32 {
        self.joints.iter().map(|joint| joint[2]).sum::<f32>() / JOINT_COUNT as f32
    }

    /// The mean of those of some joints that are visible; `None` where none is.
    fn middle(&self, of: &[usize]) -> Option<[f32; 2]> {
        let known: Vec<&[f32; 3]> =
            of.iter().map(|&j| &self.joints[j]).filter(|joint| joint[2] > 0.0).collect();
        let count = known.len() as f32;
        (!known.is_empty())
            .then(|| [0, 1].map(|axis| known.iter().map(|joint| joint[axis]).sum::<f32>() / count))
    }

    /// The origin and the unit of length in which a pose is described: the middle of the torso, and
    /// its length. Where shoulders or hips are hidden, the spread of all joints stands in.
    pub(super) fn frame(&self) -> ([f32; 2], f32) {
        let all: Vec<usize> = (0..JOINT_COUNT).collect();
        let Some(centre) = self.middle(&all) else { return ([0.5; 2], 0.25) };
        let spread = {
            let known = self.joints.iter().filter(|joint| joint[2] > 0.0);
            let squares = known.clone().map(|j| (j[0] - centre[0]).powi(2) + (j[1] - centre[1]).powi(2));
            (squares.sum::<f32>() / known.count() as f32).sqrt().max(0.01)
        };
        match (self.middle(&[5, 6]), self.middle(&[11, 12])) {
            (Some(a), Some(b)) => {
                let length = (a[0] - b[0]).hypot(a[1] - b[1]);
                ([(a[0] + b[0]) / 2.0, (a[1] + b[1]) / 2.0], length.max(0.4 * spread))
            }
            _ => (centre, spread),
        }
    }

    /// The pose in numbers that do not depend on where in the frame the person stands or how large.
    pub fn features(&self) -> [f32; POSE_FEATURES] {
        let (origin, unit) = self.frame();
        let mut features = [0.0; POSE_FEATURES];
        for (at, joint) in features.chunks_exact_mut(3).zip(&self.joints) {
            if joint[2] > 0.0 {
                at.copy_from_slice(&[
                    ((joint[0] - origin[0]) / unit).clamp(-8.0, 8.0),
                    ((joint[1] - origin[1]) / unit).clamp(-8.0, 8.0),
                    joint[2],
                ]);
            }
        }
        for (at, (a, b)) in features[JOINT_COUNT * 3..].chunks_exact_mut(2).zip(LENGTHS) {
            let (a, b) = (&self.joints[a], &self.joints[b]);
            let known = a[2].min(b[2]);
            if known > 0.0 {
                let length = (a[0] - b[0]).hypot(a[1] - b[1]) / unit;
                at.copy_from_slice(&[length.clamp(0.0, 8.0), known]);
            }
        }
        features
    }

    /// [`features`](Self::features), each less its mean over [its deviation](PLACES); places and lengths
    /// that are not visible are 0. Without it training hardly begins: what people differ in is small
    /// beside what all poses have in common.
    pub fn standardised(&self) -> [f32; POSE_FEATURES] {
        /// Larger values are errors of the detector, and clamped.
        const MOST: f32 = 5.0;
        let confidence = |value: f32| (value - 0.8) / 0.3;
        let scaled = |value: f32, mean: f32, deviation: f32| ((value - mean) / deviation).clamp(-MOST, MOST);
        let mut features = self.features();
        let (joints, lengths) = features.split_at_mut(JOINT_COUNT * 3);
        for (at, [x, y, dx, dy]) in joints.chunks_exact_mut(3).zip(PLACES) {
            let place = if at[2] > 0.0 { [scaled(at[0], x, dx), scaled(at[1], y, dy)] } else { [0.0, 0.0] };
            at.copy_from_slice(&[place[0], place[1], confidence(at[2])]);
        }
        for (at, [mean, deviation]) in lengths.chunks_exact_mut(2).zip(LENGTH_SCALES) {
            let length = if at[1] > 0.0 { scaled(at[0], mean, deviation) } else { 0.0 };
            at.copy_from_slice(&[length, confidence(at[1])]);
        }
        features
    }

    /// Weights of the cells of a `side`² grid around each joint and over the body, each row with sum
    /// 1: the Gaussians of paper 4.1, `sigma` in shares of the view. Written to `out`
    /// `[POOLS, side²]`; a joint that is not visible has a row of zeros.
    pub fn pooling(&self, sigma: f32, side: usize, out: &mut [f32]) {
        let cells = side * side;
        out.fill(0.0);
        let (joints, body) = out.split_at_mut(JOINT_COUNT * cells);
        for (map, joint) in joints.chunks_exact_mut(cells).zip(&self.joints) {
            if joint[2] > 0.0 {
                gaussian(joint, sigma, side, map);
                body.iter_mut().zip(&*map).for_each(|(body, &here)| *body = body.max(here));
                normalise(map);
            }
        }
        normalise(body);
    }

    /// W_norm of a `side`² view (eqs. 11–13), `sigma` in shares of the view; zeros where no joint is
    /// visible.
    pub fn weights(&self, sigma: f32, side: usize) -> Vec<f32> {
        let mut weights = vec![0.0; side * side];
        let mut map = vec![0.0; side * side];
        for joint in self.joints.iter().filter(|joint| joint[2] > 0.0) {
            gaussian(joint, sigma, side, &mut map);
            weights.iter_mut().zip(&map).for_each(|(weight, &here)| *weight = f32::max(*weight, here));
        }
        let max = weights.iter().copied().fold(0.0, f32::max);
        if max > 0.0 {
            weights.iter_mut().for_each(|weight| *weight /= max);
        }
        weights
    }

    /// Heat maps of the joints and the limbs on a `side`² grid, as the decoder sees them, written to
    /// `out` `[POSE_MAPS, side²]`. A limb is a line between two visible joints, blurred by `sigma`.
    pub fn maps(&self, sigma: f32, side: usize, out: &mut [f32]) {
        let cells = side * side;
        out.fill(0.0);
        let (joints, limbs) = out.split_at_mut(JOINT_COUNT * cells);
        for (map, joint) in joints.chunks_exact_mut(cells).zip(&self.joints) {
            if joint[2] > 0.0 {
                gaussian(joint, sigma, side, map);
                map.iter_mut().for_each(|value| *value *= joint[2]);
            }
        }
        for (map, (a, b)) in limbs.chunks_exact_mut(cells).zip(LIMBS) {
            let (a, b) = (&self.joints[a], &self.joints[b]);
            let known = a[2].min(b[2]);
            if known > 0.0 {
                for (cell, value) in map.iter_mut().enumerate() {
                    let squared = squared_distance(centre(cell, side), a, b);
                    *value = known * (-squared / (2.0 * sigma * sigma)).exp();
                }
            }
        }
    }

    /// How alike two poses are, in 0..=1: 1 for copies, near 0 where the joints that both show
    /// differ by more than about a sixth of the torso.
    ///
    /// Two views in one pose from one side err alike (the same limbs are foreshortened), so they
    /// count as little more than one.
    pub fn similarity(&self, other: &Self) -> f32 {
        /// The root mean square distance, in lengths of the torso, at which two views are told apart.
        const TOLERANCE: f32 = 0.06;
        let (a, b) = (self.features(), other.features());
        let mut squares = 0.0;
        let mut shared = 0;
        let (mut of_a, mut of_b) = (0, 0);
        for (a, b) in a.chunks_exact(3).zip(b.chunks_exact(3)).take(JOINT_COUNT) {
            of_a += usize::from(a[2] > 0.0);
            of_b += usize::from(b[2] > 0.0);
            if a[2] > 0.0 && b[2] > 0.0 {
                squares += (a[0] - b[0]).powi(2) + (a[1] - b[1]).powi(2);
                shared += 1;
            }
        }
        if shared == 0 {
            return 0.0;
        }
        // Views that show different parts of the body are different views.
        let overlap = shared as f32 / of_a.max(of_b) as f32;
        overlap * (-squares / shared as f32 / (2.0 * TOLERANCE * TOLERANCE)).exp()
    }
}

/// The weight of each view in the product over its set: its confidence, shared among views that are
/// alike, so that copies of one photo count as one.
pub fn view_weights(poses: &[Pose]) -> Vec<f32> {
    let alike = |pose: &Pose| poses.iter().map(|other| pose.similarity(other)).sum::<f32>().max(1.0);
    poses.iter().map(|pose| pose.confidence() / alike(pose)).collect()
}

/// The centre of a cell of a `side`² grid, in shares of the view.
pub(super) fn centre(cell: usize, side: usize) -> [f32; 2] {
    [cell % side, cell / side].map(|at| (at as f32 + 0.5) / side as f32)
}

fn gaussian(joint: &[f32; 3], sigma: f32, side: usize, map: &mut [f32]) {
    let factor = |at: usize, place: f32| {
        let distance = (at as f32 + 0.5) / side as f32 - place;
        (-distance * distance / (2.0 * sigma * sigma)).exp()
    };
    let columns: Vec<f32> = (0..side).map(|x| factor(x, joint[0])).collect();
    for (y, row) in map.chunks_exact_mut(side).enumerate() {
        let weight = factor(y, joint[1]);
        row.iter_mut().zip(&columns).for_each(|(value, &column)| *value = weight * column);
    }
}

fn normalise(map: &mut [f32]) {
    let sum: f32 = map.iter().sum();
    if sum > 1e-12 {
        map.iter_mut().for_each(|value| *value /= sum);
    } else {
        map.fill(0.0);
    }
}

/// The squared distance of `point` from the line between two joints.
pub(super) fn squared_distance(point: [f32; 2], a: &[f32; 3], b: &[f32; 3]) -> f32 {
    let (dx, dy) = (b[0] - a[0], b[1] - a[1]);
    let length = dx * dx + dy * dy;
    let along = if length > 0.0 { ((point[0] - a[0]) * dx + (point[1] - a[1]) * dy) / length } else { 0.0 };
    let along = along.clamp(0.0, 1.0);
    (point[0] - a[0] - along * dx).powi(2) + (point[1] - a[1] - along * dy).powi(2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use photo::Joint;
    use photo::joints::MIRRORED;

    /// A standing person, `lean` moves the wrists, `scale` and `shift` move all of it.
    fn standing(lean: f32, scale: f32, shift: f32) -> Pose {
        let places: [[f32; 2]; JOINT_COUNT] = [
            [64.0, 20.0],
            [66.0, 18.0],
            [62.0, 18.0],
            [68.0, 19.0],
            [60.0, 19.0],
            [74.0, 34.0],
            [54.0, 34.0],
            [78.0, 50.0],
            [50.0, 50.0],
            [80.0 + lean, 64.0],
            [48.0 - lean, 64.0],
            [70.0, 64.0],
            [58.0, 64.0],
            [71.0, 86.0],
            [57.0, 86.0],
            [71.0, 108.0],
            [57.0, 108.0],
        ];
        let joint = |[x, y]: [f32; 2]| Joint { x: x * scale + shift, y: y * scale + shift, confidence: 0.9 };
        Pose::new(&Joints(places.map(joint)), 128)
    }

    #[test]
    fn a_pose_reads_the_same_wherever_the_person_stands_and_however_large() {
        let (here, there) = (standing(0.0, 1.0, 0.0).features(), standing(0.0, 0.5, 20.0).features());
        for (a, b) in here.iter().zip(there) {
            assert!((a - b).abs() < 1e-3, "{a} {b}");
        }
    }

    #[test]
    fn standardised_features_are_small_and_those_of_a_mirrored_pose_are_mirrored() {
        let mut pose = standing(4.0, 1.0, 0.0);
        pose.joints[10] = [0.0; 3];
        let mut mirror = Pose { joints: [[0.0; 3]; JOINT_COUNT] };
        for (index, [x, y, confidence]) in pose.joints.into_iter().enumerate() {
            if confidence > 0.0 {
                mirror.joints[MIRRORED[index]] = [1.0 - x, y, confidence];
            }
        }
        let (features, mirrored) = (pose.standardised(), mirror.standardised());
        assert!(features.iter().all(|value| value.abs() <= 5.0));
        for (index, &counterpart) in MIRRORED.iter().enumerate() {
            let (a, b) = (&features[3 * index..][..3], &mirrored[3 * counterpart..][..3]);
            assert!((a[0] + b[0]).abs() < 1e-3 && (a[1] - b[1]).abs() < 1e-3 && a[2] == b[2], "{index}");
        }
        assert_eq!(features[30..32], [0.0, 0.0], "the wrist that is not visible");
    }

    #[test]
    fn copies_of_a_view_share_one_weight_and_other_views_keep_theirs() {
        let (a, b) = (standing(0.0, 1.0, 0.0), standing(30.0, 1.0, 0.0));
        let alone = view_weights(&[a])[0];
        let copies: f32 = view_weights(&[a; 8]).iter().sum();
        assert!((copies - alone).abs() < 1e-4, "{copies} {alone}");
        let two: f32 = view_weights(&[a, b]).iter().sum();
        assert!(two > 1.9 * alone, "{two} {alone}");
    }

    #[test]
    fn pooling_sums_to_one_around_visible_joints_and_to_nothing_elsewhere() {
        let mut pose = standing(0.0, 1.0, 0.0);
        pose.joints[3] = [0.0; 3];
        let mut out = vec![0.0; POOLS * 256];
        pose.pooling(0.0625, 16, &mut out);
        for (index, map) in out.chunks_exact(256).enumerate() {
            let sum: f32 = map.iter().sum();
            assert!((sum - if index == 3 { 0.0 } else { 1.0 }).abs() < 1e-4, "{index}: {sum}");
        }
    }

    #[test]
    fn a_view_without_joints_counts_for_nothing() {
        let nobody = Pose { joints: [[0.0; 3]; JOINT_COUNT] };
        assert_eq!(view_weights(&[nobody, standing(0.0, 1.0, 0.0)])[0], 0.0);
        assert!(nobody.features().iter().all(|value| *value == 0.0));
        assert!(nobody.weights(0.06, 8).iter().all(|value| *value == 0.0));
    }
}
