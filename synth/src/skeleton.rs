//! The joints of a posed body in metres: a body and a pose give positions.

use glam::{Mat3, Vec3};

use crate::body::Body;
use crate::pose::{Limb, Pose};

/// Left and right of the person.
pub type Pair = [Vec3; 2];

/// A posed body. Frames are matrices of (person's left, up, forward).
#[derive(Clone, Debug)]
pub struct Skeleton {
    /// Between the hip joints.
    pub pelvis: Vec3,
    /// Orientation of the pelvis.
    pub pelvis_frame: Mat3,
    /// Between the shoulder joints.
    pub chest: Vec3,
    /// Orientation of the chest.
    pub chest_frame: Mat3,
    /// Where head and neck meet: below the skull, at the height of the chin.
    pub chin: Vec3,
    /// Middle of the head.
    pub head: Vec3,
    /// Orientation of the head.
    pub head_frame: Mat3,
    /// Shoulder joints.
    pub shoulder: Pair,
    /// Elbows.
    pub elbow: Pair,
    /// Wrists.
    pub wrist: Pair,
    /// Directions of the hands.
    pub hand: Pair,
    /// Hip joints.
    pub hip: Pair,
    /// Knees.
    pub knee: Pair,
    /// Ankles.
    pub ankle: Pair,
    /// Directions of the toes, level.
    pub toe: Pair,
}

/// The middle joint of a two-bone limb that reaches from `root` towards `target`, bent towards `pole`; also the
/// end it reaches.
fn reach(root: Vec3, target: Vec3, lengths: [f32; 2], pole: Vec3) -> (Vec3, Vec3) {
    let to_target = target - root;
    let full = lengths[0] + lengths[1];
    let least = (lengths[0] - lengths[1]).abs() + 0.25 * full;
    let distance = to_target.length().clamp(least, 0.998 * full);
    let axis = to_target.normalize_or(Vec3::NEG_Y);
    let along = (lengths[0] * lengths[0] - lengths[1] * lengths[1] + distance * distance) / (2.0 * distance);
    let aside = (lengths[0] * lengths[0] - along * along).max(0.0).sqrt();
    let bend = (pole - axis * pole.dot(axis)).normalize_or(axis.any_orthonormal_vector());
    (root + axis * along + bend * aside, root + axis * distance)
}

impl Skeleton {
    /// The body in the pose, standing around `place` on the floor (y = 0), turned by `yaw` radians (0 faces +z).
    pub fn new(body: &Body, pose: &Pose, place: Vec3, yaw: f32) -> Self {
        let h = body.height_m;
        let turn = Mat3::from_rotation_y(yaw);
        let pelvis_frame =
            turn * Mat3::from_rotation_x(pose.pelvis_pitch) * Mat3::from_rotation_z(pose.pelvis_roll);
        let leg = (body.thigh + body.shin) * h;
        let ankle_height = body.ankle * h;
        // the pelvis is as high as the straighter leg allows, unless the pose asks for less
        let foot = |side: usize| {
            let limb: &Limb = &pose.feet[side];
            let sign = [1.0, -1.0][side];
            Vec3::new(limb.target.x * sign, limb.target.y, limb.target.z) * leg
        };
        let across = |side: usize| [0.5, -0.5][side] * body.hip_width * h;
        let free = (0..2)
            .filter(|&side| pose.feet[side].target.y < 0.02)
            .map(|side| {
                let offset = foot(side) - Vec3::X * (across(side) + pose.sway * leg);
                let level = (offset.x * offset.x + offset.z * offset.z).sqrt();
                ((0.995 * leg).powi(2) - level * level).max(0.0).sqrt()
            })
            .fold(f32::INFINITY, f32::min);
        let free = if free.is_finite() { free } else { 0.98 * leg };
        let pelvis_height = ankle_height + (free * pose.stretch).min(free);
        let pelvis = place + Vec3::Y * pelvis_height + turn * Vec3::new(pose.sway * leg, 0.0, 0.0);
        let hip = [0, 1].map(|side| pelvis + pelvis_frame * Vec3::X * across(side));
        let mut knee = [Vec3::ZERO; 2];
        let mut ankle = [Vec3::ZERO; 2];
        let mut toe = [Vec3::ZERO; 2];
        for side in 0..2 {
            let sign = [1.0, -1.0][side];
            let limb = &pose.feet[side];
            let target = place + turn * foot(side) + Vec3::Y * ankle_height;
            let pole = turn * Vec3::new(limb.pole.x * sign, limb.pole.y, limb.pole.z);
            (knee[side], ankle[side]) = reach(hip[side], target, [body.thigh * h, body.shin * h], pole);
            toe[side] = turn * Mat3::from_rotation_y(sign * pose.toe_out[side]) * Vec3::Z;
        }
        let chest_frame = pelvis_frame
            * Mat3::from_rotation_y(pose.twist)
            * Mat3::from_rotation_x(pose.bend)
            * Mat3::from_rotation_z(pose.lean);
        let torso = body.torso * h;
        let chest = pelvis + (pelvis_frame * Vec3::Y + chest_frame * Vec3::Y).normalize() * torso;
        let mut shoulder = [Vec3::ZERO; 2];
        let mut elbow = [Vec3::ZERO; 2];
        let mut wrist = [Vec3::ZERO; 2];
        let mut hand = [Vec3::ZERO; 2];
        let arm = (body.upper_arm + body.forearm) * h;
        for side in 0..2 {
            let sign = [1.0, -1.0][side];
            let limb = &pose.hands[side];
            let mirrored = |v: Vec3| chest_frame * Vec3::new(v.x * sign, v.y, v.z);
            let lift = (limb.target.y + 0.3).max(0.0) * 0.022 * h;
            shoulder[side] = chest + mirrored(Vec3::new(0.5 * body.shoulder_width * h, lift, 0.0));
            let target = shoulder[side] + mirrored(limb.target) * arm;
            (elbow[side], wrist[side]) =
                reach(shoulder[side], target, [body.upper_arm * h, body.forearm * h], mirrored(limb.pole));
            let fore = (wrist[side] - elbow[side]).normalize();
            hand[side] = (fore + mirrored(pose.hand_bend[side])).normalize();
        }
        let neck_up = (chest_frame * Vec3::new(0.0, 1.0, 0.12)).normalize();
        let chin = chest + neck_up * body.neck * h;
        let head_frame = turn
            * Mat3::from_rotation_y(pose.head_yaw)
            * Mat3::from_rotation_x(pose.head_pitch)
            * Mat3::from_rotation_z(pose.head_roll);
        let head = chin + (neck_up * 0.4 + head_frame * Vec3::new(0.0, 0.6, 0.10)) * 0.5 * body.head * h;
        Self {
            pelvis,
            pelvis_frame,
            chest,
            chest_frame,
            chin,
            head,
            head_frame,
            shoulder,
            elbow,
            wrist,
            hand,
            hip,
            knee,
            ankle,
            toe,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limbs_keep_their_lengths_in_every_pose() {
        for seed in 0..60 {
            let body = Body::sample(seed);
            let pose = Pose::sample(seed, seed % 3 == 0);
            let s = Skeleton::new(&body, &pose, Vec3::ZERO, seed as f32);
            for side in 0..2 {
                let over_height = |a: Vec3, b: Vec3| a.distance(b) / body.height_m;
                assert!((over_height(s.shoulder[side], s.elbow[side]) - body.upper_arm).abs() < 1e-4);
                assert!((over_height(s.elbow[side], s.wrist[side]) - body.forearm).abs() < 1e-4);
                assert!((over_height(s.hip[side], s.knee[side]) - body.thigh).abs() < 1e-4);
                assert!((over_height(s.knee[side], s.ankle[side]) - body.shin).abs() < 1e-4);
            }
            assert!((over(s.chest, s.pelvis, &body) - body.torso).abs() < 1e-4);
        }
    }

    fn over(a: Vec3, b: Vec3, body: &Body) -> f32 {
        a.distance(b) / body.height_m
    }
}
