//! The widths of a body from its silhouette: at the shoulders, the waist, the hips and the thighs, over the length of
//! the torso.
//!
//! A width is the run of the mask through a point of the body, across the torso or the thigh. It is that of what is
//! worn, and depends on the side that is seen: compare views from about the same side, or enough of them.

use photo::Joints;

use super::error::EvaluationError;
use super::mask::{Line, Mask, Point, Run, dot, minus, plus};
use super::pose::finite;
use super::proportions::relative_error;
use crate::bodybench::bootstrap::quantile;

/// What [`silhouette_widths`] measures, in its order.
pub const WIDTH_NAMES: [&str; 4] = ["shoulders", "waist", "hips", "thigh"];

/// Widths over the length of the torso, in the order of [`WIDTH_NAMES`]; `None` where a view does not show one.
pub type Widths = [Option<f64>; WIDTH_NAMES.len()];

/// Where the waist is, in torsos above the hips.
const WAIST: f64 = 0.38;
/// In torsos; a wider run holds more than a body, such as an arm held out.
const WIDEST: f64 = 1.5;
/// The length of a hand over that of its forearm; it has no joint of its own.
const HAND: f64 = 0.4;

const ARMS: [[usize; 3]; 2] = [[5, 7, 9], [6, 8, 10]];
const THIGHS: [[usize; 2]; 2] = [[11, 13], [12, 14]];

/// The widths of one person in one view, `mask` and `joints` in pixels of one picture. Joints count where their
/// confidence is above 0; gate detections ([`Joints::gated`]) before.
///
/// There is no width where its joints are not visible, its point is not in the mask, the run leaves the picture, or an
/// arm is before or close by the body there: a silhouette does not tell the two apart. The thigh is half-way to the
/// knee, the mean of those that are there.
///
/// # Errors
/// Where a joint is NaN or infinite.
pub fn silhouette_widths(mask: &Mask<'_>, joints: &Joints) -> Result<Widths, EvaluationError> {
    finite("joints of a view", joints)?;
    let none = [None; WIDTH_NAMES.len()];
    let Some(body) = Body::new(mask, joints) else {
        return Ok(none);
    };
    let thighs: Vec<f64> = (0..2).filter_map(|side| body.thigh_px(side)).collect();
    let thigh_px = (!thighs.is_empty()).then(|| thighs.iter().sum::<f64>() / thighs.len() as f64);
    let widths_px = [body.shoulders_px(), body.torso_px(WAIST), body.torso_px(0.0), thigh_px];
    Ok(widths_px.map(|width_px| Some(width_px? / body.torso_px)))
}

/// Each width's median over the views that show it.
pub fn median_widths(views: &[Widths]) -> Widths {
    std::array::from_fn(|at| {
        let mut widths: Vec<f64> = views.iter().filter_map(|view| view[at]).collect();
        widths.sort_by(f64::total_cmp);
        (!widths.is_empty()).then(|| quantile(&widths, 0.5))
    })
}

/// How far the widths of two people are apart: the mean of |found − reference| / reference over the widths known of
/// both. 0.02 is 2 % of a width. `None` where no width is.
pub fn width_error(found: &Widths, reference: &Widths) -> Option<f64> {
    relative_error(found, reference)
}

struct Body<'a> {
    mask: &'a Mask<'a>,
    joints: &'a Joints,
    shoulders: Point,
    hips: Point,
    /// Unit vector from the shoulders to the hips.
    down: Point,
    torso_px: f64,
}

impl<'a> Body<'a> {
    fn new(mask: &'a Mask<'a>, joints: &'a Joints) -> Option<Self> {
        let (shoulders, hips) = (middle(joints, [5, 6])?, middle(joints, [11, 12])?);
        let (down, torso_px) = direction(shoulders, hips)?;
        Some(Self { mask, joints, shoulders, hips, down, torso_px })
    }

    /// With the upper arms, unless one is raised.
    fn shoulders_px(&self) -> Option<f64> {
        let line = Line::across(self.shoulders, self.down);
        // the run would be as long as the arm
        let is_raised = |&[shoulder, elbow, _]: &[usize; 3]| {
            let ends = place(self.joints, shoulder).zip(place(self.joints, elbow));
            let arm = ends.map(|(shoulder, elbow)| minus(elbow, shoulder));
            arm.is_some_and(|arm| dot(arm, self.down) < dot(arm, line.across).abs())
        };
        (!ARMS.iter().any(is_raised)).then(|| Some(self.mask.run(&line, self.most_px())?.width())).flatten()
    }

    /// So many torsos above the hips.
    fn torso_px(&self, above: f64) -> Option<f64> {
        let line = Line::across(plus(self.hips, self.down, -above * self.torso_px), self.down);
        Some(self.without_arms(&line)?.width())
    }

    fn thigh_px(&self, side: usize) -> Option<f64> {
        let [hip, knee] = THIGHS[side].map(|joint| place(self.joints, joint));
        let (down, _) = direction(hip?, knee?)?;
        let line = Line::across(middle(self.joints, THIGHS[side])?, down);
        let run = self.without_arms(&line)?;
        // thighs that touch or overlap are one run, as wide as one of them and the distance between their middles
        let other = middle(self.joints, THIGHS[1 - side]).map_or(f64::INFINITY, |other| line.along(other));
        Some(if run.holds(other) { run.width() - other.abs() } else { run.width() })
    }

    /// The run along a line, none if it holds a piece of an arm.
    fn without_arms(&self, line: &Line) -> Option<Run> {
        let run = self.mask.run(line, self.most_px())?;
        let crosses = |a: Option<Point>, b: Option<Point>| {
            a.zip(b).and_then(|(a, b)| line.crossing(a, b)).is_some_and(|along| run.holds(along))
        };
        let is_in = |arm: &[usize; 3]| {
            let [shoulder, elbow, wrist] = arm.map(|joint| place(self.joints, joint));
            let fingers = elbow.zip(wrist).map(|(elbow, wrist)| plus(wrist, minus(wrist, elbow), HAND));
            crosses(shoulder, elbow) || crosses(elbow, fingers)
        };
        (!ARMS.iter().any(is_in)).then_some(run)
    }

    fn most_px(&self) -> f64 {
        WIDEST * self.torso_px
    }
}

fn place(joints: &Joints, index: usize) -> Option<Point> {
    let joint = joints.0[index];
    (joint.confidence > 0.0).then(|| [f64::from(joint.x), f64::from(joint.y)])
}

fn middle(joints: &Joints, [a, b]: [usize; 2]) -> Option<Point> {
    let (a, b) = (place(joints, a)?, place(joints, b)?);
    Some(plus(a, minus(b, a), 0.5))
}

/// The unit vector from `a` to `b`, and how far it is; `None` within a pixel, of which an error would be all.
fn direction(a: Point, b: Point) -> Option<(Point, f64)> {
    let to = minus(b, a);
    let length_px = to[0].hypot(to[1]);
    (length_px >= 1.0).then(|| (to.map(|part| part / length_px), length_px))
}

#[cfg(test)]
mod tests {
    use super::*;
    use photo::Joint;

    const SIDE_PX: usize = 400;

    /// A person in parts of a torso: `along` from the shoulders down, `aside` from the spine. The legs are `gap` apart.
    fn is_body(along: f64, aside: f64, gap: f64) -> bool {
        let aside = aside.abs();
        match along {
            -0.2..0.5 => aside < 0.45,
            0.5..0.8 => aside < 0.3,
            0.8..1.2 => aside < 0.4,
            1.2..2.5 => (gap / 2.0..gap / 2.0 + 0.36).contains(&aside),
            _ => false,
        }
    }

    /// The person's mask and joints in a picture, leaning by `angle`, the torso `torso_px` long.
    fn pictured(angle: f64, torso_px: f64, gap: f64) -> (Vec<bool>, Joints) {
        let (sin, cos) = angle.sin_cos();
        let shoulders = [200.0 + 60.0 * sin, 80.0];
        let to_body = |x: f64, y: f64| {
            let (x, y) = ((x - shoulders[0]) / torso_px, (y - shoulders[1]) / torso_px);
            (cos * y - sin * x, cos * x + sin * y)
        };
        let mask = (0..SIDE_PX * SIDE_PX).map(|pixel| {
            let (along, aside) = to_body((pixel % SIDE_PX) as f64, (pixel / SIDE_PX) as f64);
            is_body(along, aside, gap)
        });
        let leg = gap / 2.0 + 0.18;
        let mut joints = Joints::default();
        for (joint, along, aside) in [
            (5, 0.0, 0.35),
            (6, 0.0, -0.35),
            (7, 0.5, 0.6),
            (8, 0.5, -0.6),
            (9, 0.95, 0.65),
            (10, 0.95, -0.65),
            (11, 1.0, leg),
            (12, 1.0, -leg),
            (13, 2.0, leg),
            (14, 2.0, -leg),
        ] {
            let x = shoulders[0] + torso_px * (cos * aside - sin * along);
            let y = shoulders[1] + torso_px * (cos * along + sin * aside);
            joints.0[joint] = Joint { x: x as f32, y: y as f32, confidence: 1.0 };
        }
        (mask.collect(), joints)
    }

    fn widths((mask, joints): &(Vec<bool>, Joints)) -> Widths {
        silhouette_widths(&Mask::new(SIDE_PX, SIDE_PX, mask).unwrap(), joints).unwrap()
    }

    #[test]
    fn widths_are_over_the_torso_however_large_a_person_is_and_leans() {
        for (angle, torso_px, gap) in
            [(0.0, 100.0, 0.1), (0.4, 100.0, 0.1), (-0.3, 60.0, 0.1), (0.0, 100.0, 0.0)]
        {
            let found = widths(&pictured(angle, torso_px, gap));
            for ((name, found), expected) in WIDTH_NAMES.iter().zip(found).zip([0.9, 0.6, 0.8, 0.36]) {
                let off_px = (found.unwrap() - expected) * torso_px;
                assert!(off_px.abs() < 1.5, "{name} at {angle}, gap {gap}: off by {off_px:.2} px");
            }
        }
    }

    #[test]
    fn an_arm_before_the_body_hides_the_widths_it_crosses() {
        let (mask, mut joints) = pictured(0.0, 100.0, 0.1);
        // the hand lies on the belly
        (joints.0[9].x, joints.0[9].y) = (205.0, 140.0);
        let [shoulders, waist, hips, thigh] = widths(&(mask, joints));
        assert!(shoulders.is_some() && waist.is_none() && hips.is_some() && thigh.is_some());
    }

    #[test]
    fn a_raised_arm_is_no_part_of_the_shoulders() {
        let (mask, mut joints) = pictured(0.0, 100.0, 0.1);
        (joints.0[7].x, joints.0[7].y) = (280.0, 70.0);
        (joints.0[9].x, joints.0[9].y) = (320.0, 60.0);
        let [shoulders, waist, ..] = widths(&(mask, joints));
        assert!(shoulders.is_none() && waist.is_some());
    }

    #[test]
    fn what_is_not_seen_has_no_width() {
        let (mask, joints) = pictured(0.0, 100.0, 0.1);
        let mut seated = joints;
        (13..15).for_each(|knee| seated.0[knee].confidence = 0.0);
        assert_eq!(widths(&(mask.clone(), seated))[3], None);
        let mut lost = joints;
        lost.0[11].confidence = 0.0;
        assert_eq!(widths(&(mask, lost)), [None; 4]);
        // cut off by the frame, or somebody else's mask
        assert_eq!(widths(&(vec![true; SIDE_PX * SIDE_PX], joints)), [None; 4]);
        assert_eq!(widths(&(vec![false; SIDE_PX * SIDE_PX], joints)), [None; 4]);
        let mut broken = joints;
        broken.0[0].x = f32::NAN;
        assert!(silhouette_widths(&Mask::new(0, 0, &[]).unwrap(), &broken).is_err());
    }

    #[test]
    fn the_median_leaves_out_views_without_a_width() {
        let views = [
            [Some(1.0), None, Some(3.0), None],
            [Some(2.0), None, None, None],
            [Some(6.0), Some(5.0), None, None],
        ];
        let median = median_widths(&views);
        assert_eq!(median, [Some(2.0), Some(5.0), Some(3.0), None]);
        assert!(
            (width_error(&[Some(2.2), None, Some(3.0), Some(1.0)], &median).unwrap() - 0.05).abs() < 1e-12
        );
        assert_eq!(width_error(&[None; 4], &median), None);
    }
}
