//! A dressed body in a pose, as triangles.

use glam::{Mat3, Vec3};

use crate::body::{Body, HairStyle};
use crate::clothes::{Bottom, Outfit, TorsoLook};
use crate::colour;
use crate::face::FaceLook;
use crate::head;
use crate::limb::{self, Profile};
use crate::mesh::{Mesh, Ring};
use crate::noise::{mix, smoothstep};
use crate::skeleton::Skeleton;
use crate::surface::{Group, Look, Surface};

/// Everything about one person in one photo.
#[derive(Clone, Debug)]
pub struct Figure {
    /// The body.
    pub body: Body,
    /// Its joints in the scene.
    pub skeleton: Skeleton,
    /// The clothes.
    pub outfit: Outfit,
    /// The face.
    pub face: FaceLook,
    /// Names the hair's strands.
    pub seed: u64,
}

/// `(torsos above the hip line, half width, half depth)` of the cross-sections from crotch to neck.
fn torso_sections(body: &Body) -> Vec<(f32, f32, f32)> {
    let shoulder = 0.5 * body.shoulder_width;
    let (chest, chest_d) = (0.5 * body.chest_width, 0.5 * body.chest_depth);
    let (waist, waist_d) = (0.5 * body.waist_width, 0.5 * body.waist_depth);
    let pelvis = 0.5 * body.pelvis_width;
    let pelvis_d = 0.5 * (0.50 * body.waist_depth + 0.066);
    let neck = 0.0335 + 0.05 * (body.arm_radius - 0.024);
    vec![
        (-0.24, pelvis * 0.55, pelvis_d * 0.60),
        (-0.16, pelvis * 0.86, pelvis_d * 0.92),
        (-0.04, pelvis, pelvis_d * 1.05),
        (0.08, pelvis * 0.99, pelvis_d * 1.06),
        (0.20, mix(pelvis, waist, 0.45), mix(pelvis_d, waist_d, 0.5)),
        (0.38, waist, waist_d),
        (0.50, mix(waist, chest, 0.35), mix(waist_d, chest_d, 0.4)),
        (0.65, mix(waist, chest, 0.85), mix(waist_d, chest_d, 0.9)),
        (0.78, chest, chest_d),
        (0.88, mix(chest, shoulder, 0.35), chest_d * 0.93),
        (0.96, shoulder * 0.98, chest_d * 0.74),
        (1.02, shoulder * 0.92, chest_d * 0.60),
        (1.055, shoulder * 0.74, chest_d * 0.54),
        (1.085, shoulder * 0.52, neck * 1.28),
        (1.12, neck * 1.30, neck * 1.14),
        (1.17, neck * 1.04, neck * 1.02),
        (1.26, neck * 0.98, neck * 0.98),
    ]
}

impl Figure {
    /// Adds the person to `mesh` as `owner`.
    pub fn build(&self, mesh: &mut Mesh, owner: u8) {
        self.torso(mesh, owner);
        for side in 0..2 {
            limb::arm(mesh, owner, self, side);
            limb::leg(mesh, owner, self, side);
        }
        if let Bottom::Skirt { length, flare_m } = self.outfit.bottom {
            let look = Look::Cloth(self.outfit.bottom_fabric);
            self.hanging(mesh, owner, look, length, 0.010, flare_m);
        }
        if let Some(jacket) = self.outfit.jacket {
            let length = self.outfit.jacket_length;
            self.hanging(mesh, owner, Look::Cloth(jacket), length, 0.026, 0.03);
        }
        head::build(mesh, owner, &self.body, &self.skeleton, &self.face, self.outfit.glasses, self.seed);
    }

    /// Linear colour of the skin.
    pub fn skin(&self) -> Vec3 {
        colour::linear(self.body.skin)
    }

    /// A point and frame of the spine `t` torsos above the line of the hips.
    fn spine(&self, t: f32) -> (Vec3, Mat3) {
        let s = &self.skeleton;
        let share = smoothstep(0.0, 1.0, t);
        let axis =
            |c: usize| (s.pelvis_frame.col(c) * (1.0 - share) + s.chest_frame.col(c) * share).normalize();
        let frame = Mat3::from_cols(axis(0), axis(1), axis(2));
        let torso = self.body.torso * self.body.height_m;
        let centre = if t < 0.0 {
            s.pelvis + s.pelvis_frame.col(1) * t * torso
        } else if t > 1.0 {
            // the neck leans forward to the head
            let neck_m =
                self.body.neck * self.body.height_m + 0.35 * self.body.head * self.body.height_m * 0.5;
            let share = ((t - 1.0) * torso / neck_m).min(1.15);
            let base = s.chest
                + (s.head
                    + s.head_frame
                        * Vec3::new(0.0, -0.55, -0.28)
                        * (0.5 * self.body.head * self.body.height_m)
                    - s.chest)
                    * share;
            base - s.chest_frame.col(2) * 0.012 * (1.0 - share).max(0.0)
        } else {
            // a quadratic curve between pelvis and chest, tangent to both
            let bow = s.pelvis + s.pelvis_frame.col(1) * 0.5 * torso;
            let bow_up = s.chest - s.chest_frame.col(1) * 0.5 * torso;
            let middle = (bow + bow_up) * 0.5;
            let (a, b) = (s.pelvis.lerp(middle, t), middle.lerp(s.chest, t));
            a.lerp(b, t)
        };
        (centre, frame)
    }

    fn torso(&self, mesh: &mut Mesh, owner: u8) {
        let (body, h) = (&self.body, self.body.height_m);
        let torso_m = body.torso * h;
        let look = TorsoLook {
            outfit: self.outfit.clone(),
            skin: self.skin(),
            torso_m,
            shoulder_m: 0.5 * body.shoulder_width * h,
        };
        let sections = torso_sections(body);
        let dressed = |t: f32| {
            let cloth = if self.outfit.jacket.is_some() { 0.018 } else { 0.007 };
            cloth * smoothstep(1.10, 1.04, t)
        };
        let steps = 46;
        let rings: Vec<Ring> = (0..=steps)
            .map(|i| {
                let t = mix(sections[0].0, sections[sections.len() - 1].0, i as f32 / steps as f32);
                let (width, depth) = limb::interpolate(&sections, t);
                let (centre, frame) = self.spine(t);
                let ease = dressed(t);
                Ring {
                    centre,
                    side: frame.col(0),
                    front: frame.col(2),
                    half_width: width * h + ease,
                    half_depth: depth * h + ease,
                    along: t * torso_m,
                }
            })
            .collect();
        let (bust, belly) = (body.bust, 0.10 * (body.waist_depth - 0.11).max(0.0));
        let woman = body.woman;
        let surface =
            mesh.add_surface(Surface { owner, group: Group::Torso, look: Look::Torso(Box::new(look)) });
        mesh.loft(surface, &rings, 48, true, |along, around| {
            let t = along / torso_m;
            let angle = around * std::f32::consts::TAU;
            let (x, z) = angle.sin_cos();
            let hill = |at: f32, wide: f32, x0: f32, rx: f32| {
                let (a, b) = ((t - at) / wide, (x.abs() - x0) / rx);
                (-a * a - b * b).exp()
            };
            let depth = body.chest_depth * 0.5;
            let mut swell = 1.0 + 0.05 * (2.0 * angle).sin().abs();
            if z > 0.0 {
                let cup = hill(0.715, if woman { 0.105 } else { 0.13 }, 0.46, 0.30);
                swell += z.sqrt() * bust / depth * cup + belly / depth * hill(0.25, 0.2, 0.0, 0.8);
            } else {
                swell += 0.20 * hill(-0.02, 0.12, 0.42, 0.35);
                swell -= 0.06 * hill(0.45, 0.15, 0.0, 0.25);
            }
            swell
        });
        if let (Some(hem), None) = (self.outfit.hem, self.outfit.jacket) {
            let fabric = self.outfit.top;
            let shell = mesh.add_surface(Surface { owner, group: Group::Torso, look: Look::Cloth(fabric) });
            let rings: Vec<Ring> = (0..9)
                .map(|i| {
                    let share = i as f32 / 8.0;
                    let t = mix(0.58, hem, share);
                    let (width, depth) = limb::interpolate(&sections, t.max(-0.05));
                    let (centre, frame) = self.spine(t);
                    let ease = mix(0.004, 0.022, share);
                    Ring {
                        centre,
                        side: frame.col(0),
                        front: frame.col(2),
                        half_width: width * h * 1.03 + ease,
                        half_depth: depth * h * 1.03 + ease,
                        along: t * torso_m,
                    }
                })
                .collect();
            mesh.loft(shell, &rings, 48, false, |along, around| {
                1.0 + 0.02 * smoothstep(0.3, 0.0, along / torso_m) * (around * 44.0).sin()
            });
        }
    }

    /// A garment that hangs from the waist over both legs down to `length` (1 knee, 2 ankle).
    fn hanging(&self, mesh: &mut Mesh, owner: u8, look: Look, length: f32, ease_m: f32, flare_m: f32) {
        let (s, h) = (&self.skeleton, self.body.height_m);
        let torso_m = self.body.torso * h;
        let sections = torso_sections(&self.body);
        let surface = mesh.add_surface(Surface { owner, group: Group::Skirt, look });
        let mut rings: Vec<Ring> = [0.40, 0.28, 0.16, 0.06, 0.0]
            .iter()
            .map(|&t| {
                let (width, depth) = limb::interpolate(&sections, t);
                let (centre, frame) = self.spine(t);
                Ring {
                    centre,
                    side: frame.col(0),
                    front: frame.col(2),
                    half_width: width * h * 1.04 + ease_m,
                    half_depth: depth * h * 1.06 + ease_m,
                    along: t * torso_m,
                }
            })
            .collect();
        let rows = 16;
        let (side, front) = (s.pelvis_frame.col(0), s.pelvis_frame.col(2));
        let last = rings[rings.len() - 1];
        let profile = Profile::leg(&self.body);
        for row in 1..=rows {
            let share = row as f32 / rows as f32;
            let t = length * share;
            let points = [0, 1].map(|i| limb::point_along(s.hip[i], s.knee[i], s.ankle[i], t));
            let centre = (points[0] + points[1]) * 0.5;
            let apart = (points[0] - points[1]) * 0.5;
            let radius = profile.radius(t) * h;
            let width = apart.dot(side).abs() + radius + ease_m + flare_m * share;
            let depth = apart.dot(front).abs() + radius * 1.05 + ease_m + flare_m * share;
            rings.push(Ring {
                centre,
                side,
                front,
                half_width: width.max(last.half_width * (1.0 - 0.22 * share)),
                half_depth: depth.max(last.half_depth * (1.0 - 0.15 * share)),
                along: last.along - t * self.body.thigh * h,
            });
        }
        let folds = (6.0 + 40.0 * flare_m).round();
        let bottom = rings[rings.len() - 1].along;
        mesh.loft(surface, &rings, 72, false, |along, around| {
            let share = ((last.along - along) / (last.along - bottom).max(1e-3)).clamp(0.0, 1.0);
            1.0 + share * (0.02 + 0.30 * flare_m) * (around * std::f32::consts::TAU * folds).sin()
        });
    }

    /// Whether the hair covers the scalp as a colour only.
    pub fn cropped(&self) -> bool {
        self.body.hair_style == HairStyle::Buzz
    }
}
