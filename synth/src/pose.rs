//! What a body does in one photo. Poses know no lengths: hands and feet have targets in shares of arm and leg.

use glam::Vec3;
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

use crate::noise;

/// Where the end of a limb goes, for the left side; x points outwards, so that the right side is its mirror image.
#[derive(Clone, Copy, Debug)]
pub struct Limb {
    /// The end relative to the root (hands: shoulder, frame of the chest; feet: floor below the place), in shares
    /// of the limb's length.
    pub target: Vec3,
    /// Where the elbow or knee points.
    pub pole: Vec3,
}

/// A pose; angles in radians.
#[derive(Clone, Debug)]
pub struct Pose {
    /// Wrists, left and right.
    pub hands: [Limb; 2],
    /// Bend of the hands against the forearms.
    pub hand_bend: [Vec3; 2],
    /// Ankles, left and right.
    pub feet: [Limb; 2],
    /// Feet turned outwards.
    pub toe_out: [f32; 2],
    /// The height of the pelvis over the highest possible one.
    pub stretch: f32,
    /// The pelvis moved sideways, in leg lengths.
    pub sway: f32,
    /// Forward tilt of the pelvis.
    pub pelvis_pitch: f32,
    /// Sideways tilt of the pelvis.
    pub pelvis_roll: f32,
    /// Forward bend of the chest.
    pub bend: f32,
    /// Sideways bend of the chest.
    pub lean: f32,
    /// Turn of the chest against the pelvis.
    pub twist: f32,
    /// Turn of the head against the person's heading.
    pub head_yaw: f32,
    /// Nod, positive looks down.
    pub head_pitch: f32,
    /// Sideways tilt of the head.
    pub head_roll: f32,
    /// Whether the person sits, so that a seat is needed.
    pub sits: bool,
}

fn limb(target: [f32; 3], pole: [f32; 3]) -> Limb {
    Limb { target: Vec3::from(target), pole: Vec3::from(pole) }
}

/// One arm at random, and the bend of its hand.
fn arm(rng: &mut ChaCha8Rng, sits: bool, lively: bool) -> (Limb, Vec3) {
    let straight = Vec3::ZERO;
    let hang = (limb([0.20, -0.94, 0.08], [0.5, 0.0, -1.0]), Vec3::new(-0.1, 0.0, 0.1));
    let loose = (limb([0.32, -0.86, 0.20], [0.5, 0.0, -1.0]), Vec3::new(-0.1, -0.1, 0.15));
    let hip = (limb([0.06, -0.62, 0.10], [1.0, 0.0, -0.45]), Vec3::new(-0.5, -0.5, 0.1));
    let pocket = (limb([0.06, -0.80, 0.12], [0.9, 0.0, -0.8]), Vec3::new(-0.2, -0.5, 0.0));
    let up = (limb([0.22, 0.92, 0.08], [1.0, 0.0, 0.2]), straight);
    let wave = (limb([0.42, 0.36, 0.22], [0.5, -1.0, -0.1]), Vec3::new(0.1, 0.3, 0.2));
    let nape = (limb([-0.10, 0.44, -0.06], [1.0, 0.3, 0.3]), Vec3::new(-0.6, 0.0, -0.2));
    let chin = (limb([-0.18, 0.10, 0.44], [0.6, -1.0, 0.2]), Vec3::new(-0.4, 0.5, -0.3));
    let crossed = (limb([-0.34, -0.36, 0.42], [0.8, -1.0, 0.1]), Vec3::new(-0.4, 0.1, -0.2));
    let forward = (limb([0.05, -0.25, 0.80], [0.5, -1.0, 0.0]), straight);
    let aside = (limb([0.86, -0.05, 0.12], [0.0, -0.6, -1.0]), straight);
    let behind = (limb([-0.10, -0.72, -0.34], [1.0, 0.0, -0.6]), Vec3::new(-0.5, 0.0, 0.0));
    let lap = (limb([0.00, -0.62, 0.50], [0.9, -0.3, -0.6]), Vec3::new(-0.3, -0.1, 0.2));
    let belly = (limb([-0.18, -0.62, 0.34], [1.0, -0.1, -0.4]), Vec3::new(-0.6, 0.1, 0.0));
    let calm: &[(Limb, Vec3)] = &[hang, hang, loose, hip, hip, pocket, crossed, behind, chin, belly];
    let busy: &[(Limb, Vec3)] = &[up, wave, nape, chin, forward, aside, hip, loose, up, crossed];
    let seated: &[(Limb, Vec3)] = &[lap, lap, lap, chin, wave, crossed, nape, loose];
    let choices = match (sits, lively) {
        (true, _) => seated,
        (false, true) => busy,
        (false, false) => calm,
    };
    let (mut chosen, bend) = *choices.choose(rng).expect("arms are listed");
    chosen.target += jitter(rng, 0.07);
    chosen.pole += jitter(rng, 0.25);
    let bend = bend + jitter(rng, 0.15);
    (chosen, bend)
}

fn jitter(rng: &mut ChaCha8Rng, amount: f32) -> Vec3 {
    Vec3::new(
        rng.random_range(-amount..amount),
        rng.random_range(-amount..amount),
        rng.random_range(-amount..amount),
    )
}

impl Pose {
    /// Standing upright, arms hanging a little away from the body: the pose in which bodies are measured.
    pub fn neutral() -> Self {
        Self {
            hands: [limb([0.26, -0.94, 0.0], [0.2, 0.0, -1.0]); 2],
            hand_bend: [Vec3::ZERO; 2],
            feet: [limb([0.09, 0.0, 0.0], [0.1, 0.0, 1.0]); 2],
            toe_out: [0.2; 2],
            stretch: 1.0,
            sway: 0.0,
            pelvis_pitch: 0.0,
            pelvis_roll: 0.0,
            bend: 0.0,
            lean: 0.0,
            twist: 0.0,
            head_yaw: 0.0,
            head_pitch: 0.0,
            head_roll: 0.0,
            sits: false,
        }
    }

    /// Whether a thigh points forward: sitting, squatting, a knee raised.
    pub fn knees_up(&self) -> bool {
        self.sits || self.stretch < 0.9 || self.feet.iter().any(|foot| foot.target.y > 0.05)
    }

    /// A plausible pose; `lively` ones raise arms and take wider steps more often.
    pub fn sample(seed: u64, lively: bool) -> Self {
        let rng = &mut noise::stream(seed, 2);
        let mut pose = Self::neutral();
        let kind = rng.random_range(0..100);
        pose.sits = kind >= 84;
        let around = |rng: &mut ChaCha8Rng, amount: f32| rng.random_range(-amount..amount);
        let stance = |x: f32, z: f32| limb([x, 0.0, z], [0.15, 0.0, 1.0]);
        match kind {
            0..30 => {
                pose.feet = [0, 1].map(|_| stance(rng.random_range(0.07..0.16), around(rng, 0.08)));
            }
            30..52 => {
                // weight on one leg: the hip moves over it, the other knee is loose
                let side = usize::from(rng.random_bool(0.5));
                let sign = [1.0, -1.0][side];
                pose.feet = [0, 1].map(|_| stance(rng.random_range(0.08..0.18), 0.0));
                pose.feet[1 - side].target.z = rng.random_range(0.0..0.22);
                pose.sway = sign * rng.random_range(0.02..0.06);
                pose.pelvis_roll = sign * rng.random_range(0.03..0.10);
                pose.lean = -pose.pelvis_roll * 1.3;
                pose.stretch = 0.985;
            }
            52..70 => {
                let step = rng.random_range(0.10..0.34);
                let side = usize::from(rng.random_bool(0.5));
                pose.feet[side] = stance(rng.random_range(0.03..0.10), step);
                pose.feet[1 - side] = stance(rng.random_range(0.03..0.10), -step * 0.8);
                pose.twist = [-1.0, 1.0][side] * step * 0.5;
                pose.stretch = 0.99;
            }
            70..77 => {
                pose.feet = [0, 1].map(|_| stance(rng.random_range(0.2..0.36), around(rng, 0.1)));
            }
            77..81 => {
                let side = usize::from(rng.random_bool(0.5));
                pose.feet[side] =
                    limb([0.12, rng.random_range(0.12..0.4), rng.random_range(0.1..0.35)], [0.3, 0.0, 1.0]);
            }
            81..84 => {
                pose.feet = [0, 1].map(|_| stance(rng.random_range(0.14..0.26), around(rng, 0.12)));
                pose.stretch = rng.random_range(0.55..0.85);
                pose.pelvis_pitch = 0.3;
                pose.bend = 0.25;
            }
            _ => {
                pose.stretch = rng.random_range(0.50..0.64);
                pose.feet = [0, 1].map(|_| {
                    limb([rng.random_range(0.06..0.22), 0.0, rng.random_range(0.34..0.62)], [0.25, 0.5, 1.0])
                });
            }
        }
        if rng.random_bool(0.25) {
            let same = arm(rng, pose.sits, lively);
            pose.hands = [same.0; 2];
            pose.hand_bend = [same.1; 2];
        } else {
            for side in 0..2 {
                let busy = if lively { rng.random_bool(0.7) } else { rng.random_bool(0.22) };
                (pose.hands[side], pose.hand_bend[side]) = arm(rng, pose.sits, busy);
            }
        }
        pose.toe_out = [0, 1].map(|_| rng.random_range(-0.05..0.55));
        let wide = if lively { 1.6 } else { 1.0 };
        pose.pelvis_pitch += around(rng, 0.06);
        pose.bend += around(rng, 0.10 * wide) + if pose.sits { 0.08 } else { -0.02 };
        pose.lean += around(rng, 0.09 * wide);
        pose.twist += around(rng, 0.22 * wide);
        pose.head_pitch = around(rng, 0.22) + 0.02;
        pose.head_roll = around(rng, 0.20);
        pose.head_yaw = pose.twist * 0.6;
        pose
    }
}
