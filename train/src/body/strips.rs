//! Strips of pixels along the limbs, over the torso and over the head.
//!
//! The grid of the convolutions is too coarse for what tells bodies apart: a thigh is three px wider, a
//! shin three px longer. A strip is read at full resolution in the limb's own coordinates, from before
//! one joint to beyond the other, so that where the limb ends and how wide it is are always in the same
//! place (as DensePose's charts, Güler et al. 2018, arXiv:1802.00434). Limbs of the right side are
//! mirrored: one linear map reads both.

use super::pose::Pose;

/// Limbs from the torso outwards, left then right.
pub(super) const LIMB_ENDS: [(usize, usize); 8] =
    [(5, 7), (6, 8), (7, 9), (8, 10), (11, 13), (12, 14), (13, 15), (14, 16)];

/// Strips of a view: the limbs, the torso, the head.
pub(super) const STRIPS: usize = LIMB_ENDS.len() + 2;

/// Samples along and across a limb.
const LIMB_GRID: [usize; 2] = [24, 16];
/// Samples down and across the torso.
const TORSO_GRID: [usize; 2] = [24, 24];
/// Samples up and across the head.
const HEAD_GRID: [usize; 2] = [16, 16];

/// Values of a limb's strip: three colours.
pub(super) const LIMB_VALUES: usize = 3 * LIMB_GRID[0] * LIMB_GRID[1];
/// Values of the torso's strip.
pub(super) const TORSO_VALUES: usize = 3 * TORSO_GRID[0] * TORSO_GRID[1];
/// Values of the head's strip.
pub(super) const HEAD_VALUES: usize = 3 * HEAD_GRID[0] * HEAD_GRID[1];
/// Values of all strips of a view, in the order of [`parts`].
pub(super) const VALUES: usize = LIMB_ENDS.len() * LIMB_VALUES + TORSO_VALUES + HEAD_VALUES;
/// `[strips, values of each]` of what shares a linear map, in that order: upper arms, forearms, thighs,
/// shins, torso, head.
pub(super) const KINDS: [[usize; 2]; 6] = [
    [2, LIMB_VALUES],
    [2, LIMB_VALUES],
    [2, LIMB_VALUES],
    [2, LIMB_VALUES],
    [1, TORSO_VALUES],
    [1, HEAD_VALUES],
];

/// The joints whose strip is the torso's.
pub(super) const TORSO: [usize; 4] = [5, 6, 11, 12];
const SHOULDERS: [usize; 2] = [5, 6];
const HIPS: [usize; 2] = [11, 12];
pub(super) const FACE: [usize; 5] = [0, 1, 2, 3, 4];

/// What is added to a strip's deviation, pixels in −1..=1: noise of a flat strip is not blown up.
const CONTRAST_FLOOR: f32 = 0.1;

/// Where a strip lies: the place of the sample (t, s) is `origin` + t·`along` + s·`across`, in shares
/// of the view.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Part {
    grid: [usize; 2],
    origin: [f32; 2],
    along: [f32; 2],
    across: [f32; 2],
    /// First and last t.
    length: [f32; 2],
    /// s runs over ±this.
    width: f32,
    /// The smallest confidence of the joints that place it.
    confidence: f32,
}

/// The unit vectors along and across a strip.
pub(super) type Axes = [[f32; 2]; 2];

/// The axes of each strip; those of the view where it is not there.
pub(super) fn axes(pose: &Pose) -> [Axes; STRIPS] {
    let unit = |[x, y]: [f32; 2]| {
        let length = x.hypot(y);
        [x / length, y / length]
    };
    parts(pose)
        .map(|part| part.map_or([[1.0, 0.0], [0.0, 1.0]], |part| [unit(part.along), unit(part.across)]))
}

/// The strips of a pose; `None` where the joints that place one are not visible.
fn parts(pose: &Pose) -> [Option<Part>; STRIPS] {
    let (_, torso) = pose.frame();
    let mut parts = [None; STRIPS];
    for (index, (part, (from, to))) in parts.iter_mut().zip(LIMB_ENDS).enumerate() {
        let confidence = pose.joints[from][2].min(pose.joints[to][2]);
        if confidence > 0.0 {
            let (direction, length) = direction(place(pose, from), place(pose, to));
            let mirrored = if index % 2 == 0 { 1.0 } else { -1.0 };
            *part = Some(Part {
                grid: LIMB_GRID,
                origin: place(pose, from),
                along: scaled(direction, length.max(0.3 * torso)),
                across: scaled(normal(direction), mirrored * torso),
                length: [-0.35, 1.35], // detected joints are off by a fifth of a limb now and then
                width: 0.3,
                confidence,
            });
        }
    }
    let confidence = |of: &[usize]| of.iter().map(|&joint| pose.joints[joint][2]).fold(1.0, f32::min);
    let shoulders = confidence(&SHOULDERS);
    let torso_confidence = shoulders.min(confidence(&HIPS));
    if torso_confidence > 0.0 {
        let shoulder = mean(pose, &SHOULDERS);
        let (direction, length) = direction(shoulder, mean(pose, &HIPS));
        parts[LIMB_ENDS.len()] = Some(Part {
            grid: TORSO_GRID,
            origin: shoulder,
            along: scaled(direction, length.max(0.5 * torso)),
            across: scaled(normal(direction), -torso),
            length: [-0.35, 1.45],
            width: 0.8,
            confidence: torso_confidence,
        });
    }
    let face = FACE.iter().map(|&joint| pose.joints[joint][2]).fold(0.0, f32::max);
    if face > 0.0 && shoulders > 0.0 {
        let centre = weighted_mean(pose, &FACE);
        let (direction, _) = direction(mean(pose, &SHOULDERS), centre);
        parts[LIMB_ENDS.len() + 1] = Some(Part {
            grid: HEAD_GRID,
            origin: centre,
            along: scaled(direction, torso),
            across: scaled(normal(direction), torso),
            length: [-0.5, 0.5],
            width: 0.4,
            confidence: face.min(shoulders),
        });
    }
    parts
}

/// How much each strip counts, in 0..=1; 0 where it is not there.
pub(super) fn confidences(pose: &Pose) -> [f32; STRIPS] {
    parts(pose).map(|part| part.map_or(0.0, |part| part.confidence))
}

/// The strips of a view with the planes `[3, side, side]`, written to `out` `[VALUES]`: each with its
/// three colours one after the other, rows along the limb, of mean 0 and deviation about 1; zeros where
/// a strip is not there. Beyond the view there is no light.
pub(super) fn read(planes: &[u8], side: usize, pose: &Pose, out: &mut [f32]) {
    let mut rest = out;
    for (index, part) in parts(pose).iter().enumerate() {
        let length = match index.checked_sub(LIMB_ENDS.len()) {
            None => LIMB_VALUES,
            Some(0) => TORSO_VALUES,
            Some(_) => HEAD_VALUES,
        };
        let (strip, after) = rest.split_at_mut(length);
        match part {
            Some(part) => {
                sample(planes, side, part, strip);
                normalise(strip);
            }
            None => strip.fill(0.0),
        }
        rest = after;
    }
}

fn sample(planes: &[u8], side: usize, part: &Part, strip: &mut [f32]) {
    let [rows, columns] = part.grid;
    let share = |index: usize, count: usize| index as f32 / (count - 1) as f32;
    let cells = rows * columns;
    for row in 0..rows {
        let t = part.length[0] + (part.length[1] - part.length[0]) * share(row, rows);
        for column in 0..columns {
            let s = part.width * (2.0 * share(column, columns) - 1.0);
            let at = [0, 1].map(|axis| {
                (part.origin[axis] + t * part.along[axis] + s * part.across[axis]) * side as f32 - 0.5
            });
            let colours = interpolated(planes, side, at);
            for (plane, value) in colours.into_iter().enumerate() {
                strip[plane * cells + row * columns + column] = value / 127.5 - 1.0;
            }
        }
    }
}

/// The colours at `at`, in px from the centre of the first pixel, between its four neighbours.
fn interpolated(planes: &[u8], side: usize, at: [f32; 2]) -> [f32; 3] {
    let low = at.map(f32::floor);
    let share = [at[0] - low[0], at[1] - low[1]];
    let [x, y] = low.map(|low| low as isize);
    let mut colours = [0.0; 3];
    for (dx, dy) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
        let (x, y) = (x + dx, y + dy);
        let inside = 0..side as isize;
        if !(inside.contains(&x) && inside.contains(&y)) {
            continue;
        }
        let weight =
            if dx == 0 { 1.0 - share[0] } else { share[0] } * if dy == 0 { 1.0 - share[1] } else { share[1] };
        let cell = y as usize * side + x as usize;
        for (colour, plane) in colours.iter_mut().zip(planes.chunks_exact(side * side)) {
            *colour += weight * f32::from(plane[cell]);
        }
    }
    colours
}

/// Brings a strip to mean 0 and deviation about 1, over its colours together: clothes and light differ
/// from photo to photo, edges stay.
fn normalise(strip: &mut [f32]) {
    let count = strip.len() as f32;
    let mean = strip.iter().sum::<f32>() / count;
    let variance = strip.iter().map(|value| (value - mean).powi(2)).sum::<f32>() / count;
    let scale = 1.0 / (variance.sqrt() + CONTRAST_FLOOR);
    strip.iter_mut().for_each(|value| *value = (*value - mean) * scale);
}

fn place(pose: &Pose, joint: usize) -> [f32; 2] {
    [pose.joints[joint][0], pose.joints[joint][1]]
}

fn mean(pose: &Pose, of: &[usize]) -> [f32; 2] {
    [0, 1].map(|axis| of.iter().map(|&joint| pose.joints[joint][axis]).sum::<f32>() / of.len() as f32)
}

fn weighted_mean(pose: &Pose, of: &[usize]) -> [f32; 2] {
    let total: f32 = of.iter().map(|&joint| pose.joints[joint][2]).sum();
    [0, 1].map(|axis| {
        of.iter().map(|&joint| pose.joints[joint][axis] * pose.joints[joint][2]).sum::<f32>() / total
    })
}

/// The direction from `a` to `b`, down where they are one, and the distance.
fn direction(a: [f32; 2], b: [f32; 2]) -> ([f32; 2], f32) {
    let (dx, dy) = (b[0] - a[0], b[1] - a[1]);
    let length = dx.hypot(dy);
    if length > 1e-4 { ([dx / length, dy / length], length) } else { ([0.0, 1.0], 0.0) }
}

fn normal([x, y]: [f32; 2]) -> [f32; 2] {
    [-y, x]
}

fn scaled([x, y]: [f32; 2], by: f32) -> [f32; 2] {
    [x * by, y * by]
}

#[cfg(test)]
mod tests {
    use super::*;
    use photo::joints::JOINT_COUNT;

    const SIDE: usize = 64;

    fn pose(joints: &[(usize, [f32; 2])]) -> Pose {
        let mut all = [[0.0; 3]; JOINT_COUNT];
        for &(joint, [x, y]) in joints {
            all[joint] = [x, y, 0.9];
        }
        Pose { joints: all }
    }

    /// A view that is white where `is_white` (in shares of it) and black elsewhere.
    fn view(is_white: impl Fn(f32, f32) -> bool) -> Vec<u8> {
        let centre = |at: usize| (at as f32 + 0.5) / SIDE as f32;
        let plane = (0..SIDE * SIDE).map(|cell| {
            let white = is_white(centre(cell % SIDE), centre(cell / SIDE));
            if white { 255 } else { 0 }
        });
        let plane: Vec<u8> = plane.collect();
        plane.repeat(3)
    }

    fn strips(planes: &[u8], pose: &Pose) -> Vec<f32> {
        let mut out = vec![9.0; VALUES];
        read(planes, SIDE, pose, &mut out);
        out
    }

    #[test]
    fn a_limb_reads_the_same_however_it_is_turned_and_on_either_side() {
        // A light edge along one side of the limb: left thigh hanging, left thigh raised, right thigh.
        let hanging = pose(&[(11, [0.5, 0.4]), (13, [0.5, 0.65])]);
        let raised = pose(&[(11, [0.4, 0.5]), (13, [0.65, 0.5])]);
        let right = pose(&[(12, [0.5, 0.4]), (14, [0.5, 0.65])]);
        let thigh = |index: usize, planes: &[u8], pose: &Pose| -> Vec<f32> {
            strips(planes, pose)[index * LIMB_VALUES..][..LIMB_VALUES].to_vec()
        };
        let expected = thigh(4, &view(|x, _| x < 0.48), &hanging);
        assert!(expected.iter().any(|value| value.abs() > 0.5));
        for other in [thigh(4, &view(|_, y| y > 0.52), &raised), thigh(5, &view(|x, _| x > 0.52), &right)] {
            for (a, b) in expected.iter().zip(&other) {
                assert!((a - b).abs() < 0.05, "{a} {b}");
            }
        }
    }

    #[test]
    fn brightness_and_contrast_hardly_matter() {
        let pose = pose(&[(5, [0.6, 0.3]), (6, [0.4, 0.3]), (11, [0.56, 0.52]), (12, [0.44, 0.52])]);
        let light = view(|x, _| (0.42..0.58).contains(&x));
        let dim: Vec<u8> = light.iter().map(|&value| 40 + value / 2).collect();
        for (a, b) in strips(&light, &pose).iter().zip(strips(&dim, &pose)) {
            assert!((a - b).abs() < 0.2, "{a} {b}");
        }
    }

    #[test]
    fn what_is_not_visible_is_zero_and_counts_for_nothing() {
        let only_arm = pose(&[(5, [0.6, 0.3]), (7, [0.7, 0.4])]);
        let strips = strips(&view(|x, y| x > y), &only_arm);
        assert!(strips[..LIMB_VALUES].iter().any(|&value| value != 0.0));
        assert!(strips[LIMB_VALUES..].iter().all(|&value| value == 0.0));
        let confidences = confidences(&only_arm);
        assert_eq!(confidences[0], 0.9);
        assert!(confidences[1..].iter().all(|&value| value == 0.0));
    }
}
