//! Arms with hands and legs with shoes.

use glam::{Mat3, Vec3};

use crate::body::Body;
use crate::clothes::Bottom;
use crate::figure::Figure;
use crate::mesh::{Mesh, Ring};
use crate::noise::mix;
use crate::surface::{Group, Look, Surface};

/// Piecewise smooth interpolation of `(key, a, b)` rows at `t`.
pub fn interpolate(rows: &[(f32, f32, f32)], t: f32) -> (f32, f32) {
    let last = rows.len() - 1;
    let i = rows.iter().rposition(|row| row.0 <= t).unwrap_or(0).min(last - 1);
    let at = |i: usize| rows[i];
    let keys = [at(i.saturating_sub(1)), at(i), at(i + 1), at((i + 2).min(last))];
    let x = ((t - keys[1].0) / (keys[2].0 - keys[1].0)).clamp(0.0, 1.0);
    (bend(keys, x, |row| row.1), bend(keys, x, |row| row.2))
}

/// Catmull-Rom on uneven keys: slopes from the neighbours.
fn bend([p0, p1, p2, p3]: [(f32, f32, f32); 4], x: f32, f: fn(&(f32, f32, f32)) -> f32) -> f32 {
    let span = p2.0 - p1.0;
    let m1 = (f(&p2) - f(&p0)) / (p2.0 - p0.0).max(1e-4) * span;
    let m2 = (f(&p3) - f(&p1)) / (p3.0 - p1.0).max(1e-4) * span;
    let (x2, x3) = (x * x, x * x * x);
    f(&p1) * (2.0 * x3 - 3.0 * x2 + 1.0)
        + m1 * (x3 - 2.0 * x2 + x)
        + f(&p2) * (3.0 * x2 - 2.0 * x3)
        + m2 * (x3 - x2)
}

/// Radius (over height) and backward shift of a limb's cross-sections; keys are 0 at the root, 1 at the middle
/// joint, 2 at the end.
#[derive(Clone, Debug)]
pub struct Profile(Vec<(f32, f32, f32)>);

impl Profile {
    /// A leg's.
    pub fn leg(body: &Body) -> Self {
        let (t, c) = (body.thigh_radius, body.calf_radius);
        let knee = 0.5 * (t * 0.62 + c * 1.0);
        Self(vec![
            (-0.12, t * 0.98, 0.0),
            (0.0, t * 1.04, 0.0),
            (0.2, t * 1.02, 0.0),
            (0.55, t * 0.86, -0.001),
            (0.85, t * 0.68, -0.001),
            (1.0, knee, 0.0),
            (1.12, c * 0.96, 0.003),
            (1.30, c * 1.06, 0.008),
            (1.55, c * 0.84, 0.006),
            (1.80, c * 0.57, 0.002),
            (1.95, c * 0.52, 0.0),
            (2.05, c * 0.58, 0.0),
        ])
    }

    /// An arm's.
    pub fn arm(body: &Body) -> Self {
        let r = body.arm_radius;
        Self(vec![
            (-0.16, r * 0.30, 0.0),
            (-0.12, r * 0.62, 0.0),
            (-0.05, r * 0.95, 0.0),
            (0.08, r * 1.15, 0.0),
            (0.35, r * 1.06, -0.001),
            (0.60, r * 1.02, -0.001),
            (0.90, r * 0.84, 0.0),
            (1.0, r * 0.82, 0.0),
            (1.22, r * 0.92, 0.0),
            (1.50, r * 0.78, 0.0),
            (1.80, r * 0.58, 0.0),
            (2.02, r * 0.53, 0.0),
        ])
    }

    /// Radius over height at `t`.
    pub fn radius(&self, t: f32) -> f32 {
        interpolate(&self.0, t).0
    }

    fn shift(&self, t: f32) -> f32 {
        interpolate(&self.0, t).1
    }
}

/// The point `t` along a limb (0 root, 1 middle joint, 2 end), rounded at the middle joint.
pub fn point_along(root: Vec3, middle: Vec3, end: Vec3, t: f32) -> Vec3 {
    let straight = if t < 1.0 { root + (middle - root) * t } else { middle + (end - middle) * (t - 1.0) };
    let blend = 0.16;
    if (t - 1.0).abs() >= blend {
        return straight;
    }
    let (a, b) = (middle + (root - middle) * blend, middle + (end - middle) * blend);
    let x = (t - 1.0 + blend) / (2.0 * blend);
    a.lerp(middle, x).lerp(middle.lerp(b, x), x)
}

/// Cross-sections of the limb between `from` and `to`, `ease_m` metres wider than the flesh at either end.
fn rings(
    figure: &Figure,
    joints: [Vec3; 3],
    hint: Vec3,
    profile: &Profile,
    span: [f32; 2],
    ease_m: [f32; 2],
) -> Vec<Ring> {
    let h = figure.body.height_m;
    let [root, middle, end] = joints;
    let steps = ((span[1] - span[0]) * 15.0).ceil().max(3.0) as usize;
    let mut length = 0.0;
    let mut before = point_along(root, middle, end, span[0]);
    (0..=steps)
        .map(|i| {
            let share = i as f32 / steps as f32;
            let t = mix(span[0], span[1], share);
            let centre = point_along(root, middle, end, t);
            let tangent = point_along(root, middle, end, t + 0.06) - point_along(root, middle, end, t - 0.06);
            let tangent = tangent.normalize_or(Vec3::NEG_Y);
            let front = (hint - tangent * hint.dot(tangent)).normalize_or(tangent.any_orthonormal_vector());
            length += centre.distance(before);
            before = centre;
            let radius = profile.radius(t) * h + mix(ease_m[0], ease_m[1], share);
            Ring {
                centre: centre - front * profile.shift(t) * h,
                side: front.cross(tangent),
                front,
                half_width: radius,
                half_depth: radius * 1.04,
                along: -length,
            }
        })
        .collect()
}

/// Adds an arm: skin, sleeve, hand.
pub fn arm(mesh: &mut Mesh, owner: u8, figure: &Figure, side: usize) {
    let s = &figure.skeleton;
    let outfit = &figure.outfit;
    let group = Group::Arm(side as u8);
    let joints = [s.shoulder[side], s.elbow[side], s.wrist[side]];
    let bend = (joints[0] + joints[2]) * 0.5 - joints[1];
    let hint = (bend.normalize_or_zero() + s.chest_frame.col(2) * 0.4).normalize_or(Vec3::Z);
    let profile = Profile::arm(&figure.body);
    let (fabric, sleeve, ease) = match outfit.jacket {
        Some(jacket) => (jacket, 1.96, [0.014, 0.018]),
        None => (outfit.top, outfit.sleeve, [0.007, if outfit.sleeve < 1.0 { 0.016 } else { 0.010 }]),
    };
    // skin starts inside the sleeve, so that it never pokes through at the shoulder
    let bare_from = if sleeve > 0.0 { sleeve - 0.3 } else { -0.12 };
    let skin = mesh.add_surface(Surface { owner, group, look: Look::Skin(figure.skin()) });
    mesh.loft(skin, &rings(figure, joints, hint, &profile, [bare_from, 2.02], [0.0; 2]), 16, true, |_, _| {
        1.0
    });
    if sleeve > 0.0 {
        let cloth = mesh.add_surface(Surface { owner, group, look: Look::Cloth(fabric) });
        let rings = rings(figure, joints, hint, &profile, [-0.12, sleeve], ease);
        let mut closed = rings.clone();
        closed.insert(0, Ring { half_width: 0.002, half_depth: 0.002, ..rings[0] });
        mesh.loft(cloth, &closed, 18, false, |along, around| {
            1.0 + 0.03 * (around * 19.0 + along * 40.0).sin()
        });
    }
    hand(mesh, owner, figure, side, hint);
}

fn hand(mesh: &mut Mesh, owner: u8, figure: &Figure, side: usize, hint: Vec3) {
    let s = &figure.skeleton;
    let length = figure.body.hand * figure.body.height_m;
    let group = Group::Arm(side as u8);
    let sign = [1.0, -1.0][side];
    let skin = mesh.add_surface(Surface {
        owner,
        group,
        look: Look::Skin(figure.skin() * Vec3::new(1.0, 0.95, 0.94)),
    });
    let along = s.hand[side];
    // palms face the body: the thumb's side points forward
    let thumb_side = (s.chest_frame.col(2) + hint * 0.3
        - along * along.dot(s.chest_frame.col(2) + hint * 0.3))
    .normalize_or(along.any_orthonormal_vector());
    let palm = along.cross(thumb_side) * sign;
    let wrist = s.wrist[side];
    let girth = figure.body.arm_radius * figure.body.height_m;
    let hand = Hand { wrist, along, thumb_side, palm, length };
    let section = |t, wide, thick, shift| hand.cut(t, wide, thick, shift);
    let wrist_ring =
        |t: f32| Ring { half_width: girth * 0.50, half_depth: girth * 0.56, ..section(t, 0.2, 0.1, 0.0) };
    let rings = [
        wrist_ring(-0.12),
        wrist_ring(-0.04),
        section(0.08, 0.165, 0.110, 0.0),
        section(0.22, 0.205, 0.095, 0.0),
        section(0.40, 0.225, 0.080, 0.0),
        section(0.52, 0.205, 0.060, 0.0),
    ];
    mesh.loft(skin, &rings, 12, true, |_, _| 1.0);
    let mut finger = |base, direction, size, radius, curl| {
        mesh.loft(skin, &hand.finger(base, direction, size, radius, curl), 7, true, |_, _| 1.0);
    };
    for (i, size) in [0.43, 0.48, 0.45, 0.36].into_iter().enumerate() {
        let across = 0.165 - 0.11 * i as f32;
        let base = wrist + along * (0.47 * length) + thumb_side * (across * length);
        let spread = (along + thumb_side * (0.10 - 0.06 * i as f32)).normalize();
        finger(base, spread, size, 0.048, -0.14 - 0.03 * i as f32);
    }
    let base = wrist + along * (0.14 * length) + thumb_side * (0.14 * length);
    finger(base, (along * 0.75 + thumb_side * 0.65).normalize(), 0.44, 0.058, -0.05);
}

/// Where a hand is, and which way it lies.
struct Hand {
    wrist: Vec3,
    /// From the wrist to the fingers.
    along: Vec3,
    thumb_side: Vec3,
    palm: Vec3,
    /// In m.
    length: f32,
}

impl Hand {
    /// A cross-section of the palm; all in lengths of the hand.
    fn cut(&self, t: f32, wide: f32, thick: f32, shift: f32) -> Ring {
        let length = self.length;
        Ring {
            centre: self.wrist + self.along * (t * length) + self.thumb_side * (shift * length),
            side: self.palm,
            front: self.thumb_side,
            half_width: thick * length,
            half_depth: wide * length,
            along: t * length,
        }
    }

    fn finger(&self, base: Vec3, direction: Vec3, size: f32, radius: f32, curl: f32) -> Vec<Ring> {
        let mut rings = Vec::with_capacity(5);
        let mut centre = base;
        let mut heading = direction;
        for i in 0..5 {
            let r = radius * [1.0, 1.0, 0.95, 0.85, 0.5][i] * self.length;
            rings.push(Ring {
                centre,
                side: heading.cross(self.palm).normalize_or(self.thumb_side),
                front: self.palm,
                half_width: r,
                half_depth: r,
                along: i as f32 * 0.02,
            });
            heading = (heading - self.palm * curl).normalize();
            centre += heading * (size * self.length / 4.0);
        }
        rings
    }
}

/// Adds a leg: skin, trousers, shoe.
pub fn leg(mesh: &mut Mesh, owner: u8, figure: &Figure, side: usize) {
    let s = &figure.skeleton;
    let group = Group::Leg(side as u8);
    let joints = [s.hip[side], s.knee[side], s.ankle[side]];
    let bend = joints[1] - (joints[0] + joints[2]) * 0.5;
    let hint = (bend * 4.0 + s.toe[side] * 0.4 + s.pelvis_frame.col(2) * 0.2).normalize_or(Vec3::Z);
    let profile = Profile::leg(&figure.body);
    let skin = mesh.add_surface(Surface { owner, group, look: Look::Skin(figure.skin()) });
    mesh.loft(skin, &rings(figure, joints, hint, &profile, [-0.10, 2.03], [0.0; 2]), 20, true, |_, _| 1.0);
    if let Bottom::Trousers { length, ease_m } = figure.outfit.bottom {
        let cloth =
            mesh.add_surface(Surface { owner, group, look: Look::Cloth(figure.outfit.bottom_fabric) });
        let rings = rings(figure, joints, hint, &profile, [-0.12, length], [0.006, ease_m]);
        let mut closed = rings.clone();
        closed.insert(0, Ring { half_width: 0.01, half_depth: 0.01, ..rings[0] });
        mesh.loft(cloth, &closed, 24, false, |along, around| {
            1.0 + 0.6 * ease_m * (around * 12.0 + along * 26.0).sin() + 0.8 * ease_m * (along * 47.0).sin()
        });
    }
    if figure.outfit.boots > 0.0 {
        let leather = mesh.add_surface(Surface {
            owner,
            group,
            look: Look::Shoe(figure.outfit.shoes[0], figure.outfit.shoes[0]),
        });
        let rings = rings(figure, joints, hint, &profile, [2.0 - figure.outfit.boots, 2.04], [0.012, 0.010]);
        mesh.loft(leather, &rings, 18, false, |_, _| 1.0);
    }
    shoe(mesh, owner, figure, side);
}

fn shoe(mesh: &mut Mesh, owner: u8, figure: &Figure, side: usize) {
    let s = &figure.skeleton;
    let h = figure.body.height_m;
    let group = Group::Leg(side as u8);
    let surface = mesh.add_surface(Surface {
        owner,
        group,
        look: Look::Shoe(figure.outfit.shoes[0], figure.outfit.shoes[1]),
    });
    let ankle_m = figure.body.ankle * h;
    let lifted = (s.ankle[side].y - ankle_m).max(0.0);
    // a lifted foot points down
    let yaw = s.toe[side].x.atan2(s.toe[side].z);
    let frame = Mat3::from_rotation_y(yaw) * Mat3::from_rotation_x((lifted * 2.5).min(0.6));
    // share of the foot's length from the heel, half width, height of the instep; over height
    let sections = [
        (0.00, 0.010, 0.026),
        (0.03, 0.018, 0.040),
        (0.12, 0.0215, 0.050),
        (0.30, 0.0215, 0.053),
        (0.45, 0.0225, 0.042),
        (0.60, 0.0255, 0.031),
        (0.75, 0.0270, 0.024),
        (0.90, 0.0225, 0.019),
        (0.97, 0.0140, 0.015),
        (1.00, 0.0050, 0.010),
    ];
    let length = 0.158 * h;
    let columns = 18;
    mesh.grid(surface, sections.len() + 2, columns, true, |row, column| {
        let (share, wide, tall) = sections[row.saturating_sub(1).min(sections.len() - 1)];
        let flat = if row == 0 || row > sections.len() { 0.0 } else { 1.0 };
        let (sin, cos) = (column as f32 / columns as f32 * std::f32::consts::TAU).sin_cos();
        // a flat sole and a round upper
        let up = if cos > 0.0 { cos.powf(0.8) * tall * h } else { 0.0 };
        let across = sin.signum() * sin.abs().powf(0.6) * wide * h * flat;
        let local = Vec3::new(across, up * flat, (share - 0.26) * length);
        (s.ankle[side] + frame * (local - Vec3::Y * ankle_m), local, column as f32 / columns as f32)
    });
}
