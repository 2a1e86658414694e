//! The solid head: skull and face, ears, hair and glasses. Units are half heads until the frame is applied.

use std::f32::consts::{PI, TAU};

use glam::{Mat3, Vec3};

use crate::body::{Body, HairStyle};
use crate::colour;
use crate::face::{EYE_X, EYE_Y, FaceLook, NOSE_Y};
use crate::mesh::{Mesh, Ring};
use crate::noise::{self, mix, noise3, smoothstep};
use crate::skeleton::Skeleton;
use crate::surface::{Group, Look, Surface};

/// The measures of a head that shape its surface.
#[derive(Clone, Copy, Debug)]
pub struct HeadShape {
    width: f32,
    jaw: f32,
    nose: f32,
    lips: f32,
}

impl HeadShape {
    /// The shape of a body's head.
    pub fn new(body: &Body) -> Self {
        Self { width: body.face_width, jaw: body.jaw, nose: body.nose, lips: body.lips }
    }

    /// The point of the head's surface in the direction `d` (unit sphere).
    pub fn point(&self, d: Vec3) -> Vec3 {
        let below = (-d.y).max(0.0);
        let taper = 1.0 - (1.0 - 0.74 * self.jaw) * smoothstep(0.15, 0.95, below);
        // a fuller square section than a sphere's towards jaw and temples
        let full =
            1.0 + 0.10 * (d.x * d.z).abs() + 0.10 * smoothstep(0.35, 0.8, below) * (1.0 - below).max(0.0);
        let mut p = Vec3::new(d.x * self.width * taper * full, d.y, d.z * 0.80);
        if d.z < 0.0 {
            p.z *= 1.02 - 0.30 * below;
            p.z -= 0.06 * smoothstep(-0.5, 0.4, d.y) * -d.z;
        } else {
            p.z *= 0.96 - 0.05 * below;
        }
        p.z += 0.36 * below * below;
        if d.z > 0.0 {
            let (ax, y) = (p.x.abs(), p.y);
            let bump = |x: f32, y0: f32, rx: f32, ry: f32| {
                let (a, b) = ((ax - x) / rx, (y - y0) / ry);
                (-a * a - b * b).exp()
            };
            let ridge = smoothstep(0.14, NOSE_Y, y) * smoothstep(NOSE_Y - 0.11, NOSE_Y, y);
            let nose_width = 0.055 + 0.05 * smoothstep(0.0, NOSE_Y, y);
            let nose = 0.20 * self.nose * ridge * (-(ax / nose_width).powi(2)).exp()
                + 0.05 * bump(0.10, NOSE_Y - 0.02, 0.05, 0.06);
            p.z += nose + 0.045 * bump(0.25, 0.20, 0.22, 0.06)
                - 0.075 * bump(EYE_X, EYE_Y + 0.01, 0.15, 0.085)
                + 0.030 * bump(EYE_X, EYE_Y, 0.09, 0.05)
                + 0.05 * bump(0.36, -0.22, 0.16, 0.14)
                + 0.05 * self.lips * bump(0.0, -0.50, 0.16, 0.075)
                - 0.03 * bump(0.0, -0.66, 0.16, 0.05)
                + 0.07 * bump(0.0, -0.86, 0.16, 0.12);
        }
        p
    }
}

/// Unit sphere, with the columns denser at the front where the face is.
fn direction(row: usize, rows: usize, column: usize, columns: usize) -> (Vec3, f32) {
    let latitude = PI * row as f32 / (rows - 1) as f32;
    let s = TAU * column as f32 / columns as f32;
    let s = if s > PI { s - TAU } else { s };
    let longitude = s - 0.55 * s.sin();
    let (sin, cos) = latitude.sin_cos();
    (Vec3::new(sin * longitude.sin(), cos, sin * longitude.cos()), longitude)
}

/// Height of the hairline at an angle around the head (0 front, π back).
fn hairline(style: HairStyle, longitude: f32, parting: f32) -> f32 {
    let a = longitude.abs();
    let front = 0.60 + 0.08 * (longitude * 2.0 + parting).sin() - 0.10 * smoothstep(0.3, 0.8, a);
    let temple = mix(front, 0.02, smoothstep(0.75, 1.25, a));
    let ear = mix(temple, 0.12, smoothstep(1.25, 1.45, a) * smoothstep(1.9, 1.75, a));
    let nape = match style {
        HairStyle::Bob | HairStyle::Long => -0.9,
        HairStyle::Curly => -0.75,
        _ => -0.55,
    };
    mix(ear, nape, smoothstep(1.7, 2.3, a))
}

/// Adds head, ears, hair and glasses to `mesh`.
pub fn build(
    mesh: &mut Mesh,
    owner: u8,
    body: &Body,
    skeleton: &Skeleton,
    face: &FaceLook,
    glasses: u8,
    seed: u64,
) {
    let half = 0.5 * body.head * body.height_m;
    let frame = skeleton.head_frame;
    let place = |p: Vec3| skeleton.head + frame * (p * half);
    let shape = HeadShape::new(body);
    let group = Group::Head;
    let skin = mesh.add_surface(Surface { owner, group, look: Look::Face(Box::new(face.clone())) });
    let (rows, columns) = if mesh.coarse { (28, 32) } else { (54, 64) };
    mesh.grid(skin, rows, columns, true, |row, column| {
        let p = shape.point(direction(row, rows, column, columns).0);
        (place(p), p, column as f32 / columns as f32)
    });
    let ear_skin =
        mesh.add_surface(Surface { owner, group, look: Look::Skin(face.skin * Vec3::new(1.0, 0.90, 0.88)) });
    for sign in [1.0, -1.0] {
        let centre = place(Vec3::new(sign * (shape.width * 0.985), -0.03, -0.08));
        let turn = frame * Mat3::from_rotation_y(sign * -0.45);
        let axes = [
            turn * Vec3::X * 0.045 * half,
            turn * Vec3::new(0.0, 0.20, -0.03) * half,
            turn * Vec3::Z * 0.115 * half,
        ];
        mesh.ellipsoid(ear_skin, centre, axes, 9, 12);
    }
    if glasses > 0 {
        self::glasses(mesh, owner, shape, half, frame, skeleton.head, glasses == 2);
    }
    if !matches!(body.hair_style, HairStyle::Bald | HairStyle::Buzz) {
        hair(mesh, owner, body, skeleton, shape, seed);
    }
}

/// The scalp's hair as a shell over the skull, and what hangs from it.
fn hair(mesh: &mut Mesh, owner: u8, body: &Body, skeleton: &Skeleton, shape: HeadShape, seed: u64) {
    let half = 0.5 * body.head * body.height_m;
    let frame = skeleton.head_frame;
    let place = |p: Vec3| skeleton.head + frame * (p * half);
    let colour = colour::linear(body.hair);
    let noise_seed = noise::subseed(seed, 40) as u32;
    let style = body.hair_style;
    let parting = (noise_seed % 7) as f32 * 0.5 - 1.5;
    let surface =
        mesh.add_surface(Surface { owner, group: Group::Head, look: Look::Hair(colour, noise_seed) });
    let thickness = match style {
        HairStyle::Curly => 0.36,
        HairStyle::Short => 0.12,
        HairStyle::Ponytail | HairStyle::Bun => 0.07,
        _ => 0.13,
    };
    let (rows, columns) = if mesh.coarse { (23, 32) } else { (44, 64) };
    mesh.grid(surface, rows, columns, true, |row, column| {
        let (d, longitude) = direction(row, rows, column, columns);
        let base = shape.point(d);
        let line = hairline(style, longitude, parting);
        let cover = smoothstep(line - 0.05, line + 0.07, base.y);
        let lumps = match style {
            HairStyle::Curly => 0.55 + 0.9 * noise3(d * 6.0, noise_seed),
            _ => 0.75 + 0.5 * noise3(d * Vec3::new(4.0, 2.0, 4.0), noise_seed),
        };
        let top = 0.8 + 0.5 * smoothstep(0.2, 0.9, d.y);
        let p = base * mix(0.90, 1.0 + thickness * lumps * top, cover);
        (place(p), p, longitude / TAU + 0.5)
    });
    match style {
        HairStyle::Long | HairStyle::Bob => {
            hanging(mesh, surface, body, skeleton, shape, style == HairStyle::Long);
        }
        HairStyle::Ponytail => {
            let knot = place(Vec3::new(0.0, 0.30, -0.98));
            let down = [0.0f32, 0.35, 0.8, 1.25, 1.7, 2.05];
            let radius = [0.12, 0.20, 0.22, 0.19, 0.13, 0.04];
            let back = frame * Vec3::NEG_Z;
            let rings: Vec<Ring> = (0..6)
                .map(|i| {
                    let out = 0.12 + 0.30 * (down[i] * 1.1).min(1.4).sin();
                    let centre = knot + (back * out - Vec3::Y * down[i]) * half;
                    Ring {
                        centre,
                        side: frame * Vec3::X,
                        front: back,
                        half_width: radius[i] * half,
                        half_depth: radius[i] * half,
                        along: -down[i],
                    }
                })
                .collect();
            mesh.loft(surface, &rings, 14, true, |_, _| 1.0);
        }
        HairStyle::Bun => {
            let centre = place(Vec3::new(0.0, 0.62, -0.80));
            mesh.ellipsoid(
                surface,
                centre,
                [frame * Vec3::X * 0.30 * half, frame * Vec3::Y * 0.27 * half, frame * Vec3::Z * 0.27 * half],
                12,
                18,
            );
        }
        _ => {}
    }
}

/// Hair that falls behind the neck, and a lock on either side of the face.
fn hanging(mesh: &mut Mesh, surface: u16, body: &Body, skeleton: &Skeleton, shape: HeadShape, long: bool) {
    let half = 0.5 * body.head * body.height_m;
    let frame = skeleton.head_frame;
    let head = |p: Vec3| skeleton.head + frame * (p * half);
    let chest = |x: f32, y: f32, z: f32| skeleton.chest + skeleton.chest_frame * Vec3::new(x, y, z);
    let (wide, depth) = (body.shoulder_width * body.height_m, body.chest_depth * body.height_m);
    let side = frame * Vec3::X;
    let back = frame * Vec3::NEG_Z;
    let w = shape.width;
    let mut rings = vec![
        (head(Vec3::new(0.0, 0.35, -0.42)), w * 0.98 * half, 0.52 * half),
        (head(Vec3::new(0.0, 0.0, -0.42)), w * 1.12 * half, 0.55 * half),
        (head(Vec3::new(0.0, -0.40, -0.42)), w * 1.15 * half, 0.52 * half),
        (head(Vec3::new(0.0, -0.85, -0.38)), w * 1.12 * half, 0.44 * half),
    ];
    if long {
        rings.push((chest(0.0, 0.02, -0.42 * depth), 0.33 * wide, 0.28 * depth));
        rings.push((chest(0.0, -0.06, -0.56 * depth), 0.34 * wide, 0.22 * depth));
        rings.push((chest(0.0, -0.15, -0.60 * depth), 0.30 * wide, 0.12 * depth));
        rings.push((chest(0.0, -0.20, -0.60 * depth), 0.22 * wide, 0.04 * depth));
    } else {
        rings.push((head(Vec3::new(0.0, -1.05, -0.36)), w * 1.0 * half, 0.34 * half));
        rings.push((head(Vec3::new(0.0, -1.12, -0.36)), w * 0.8 * half, 0.25 * half));
    }
    let lofted: Vec<Ring> = rings
        .iter()
        .enumerate()
        .map(|(i, &(centre, half_width, half_depth))| Ring {
            centre,
            side,
            front: back,
            half_width,
            half_depth,
            along: -(i as f32) * 0.4,
        })
        .collect();
    mesh.loft(surface, &lofted, 28, true, |along, around| {
        1.0 + 0.05 * noise3(Vec3::new(around * 14.0, along, 0.0), 3)
    });
    for sign in [1.0, -1.0] {
        let at = |x: f32, y: f32, z: f32| head(Vec3::new(sign * x, y, z));
        let mut lock = vec![
            (at(w * 0.72, 0.45, 0.22), 0.13),
            (at(w * 1.02, 0.12, 0.10), 0.16),
            (at(w * 1.08, -0.35, 0.08), 0.17),
            (at(w * 1.05, -0.85, 0.06), 0.18),
        ];
        if long {
            lock.push((chest(sign * 0.30 * wide, -0.01, 0.30 * depth), 0.20));
            lock.push((chest(sign * 0.31 * wide, -0.11, 0.52 * depth), 0.17));
            lock.push((chest(sign * 0.28 * wide, -0.19, 0.60 * depth), 0.06));
        } else {
            lock.push((at(w * 0.98, -1.08, 0.05), 0.08));
        }
        let rings: Vec<Ring> = lock
            .iter()
            .enumerate()
            .map(|(i, &(centre, r))| Ring {
                centre,
                side,
                front: back,
                half_width: r * half,
                half_depth: r * 1.25 * half,
                along: -(i as f32) * 0.4,
            })
            .collect();
        mesh.loft(surface, &rings, 12, true, |_, _| 1.0);
    }
}

/// Frames around the eyes, bridge and temples.
fn glasses(mesh: &mut Mesh, owner: u8, shape: HeadShape, half: f32, frame: Mat3, head: Vec3, dark: bool) {
    let rim = mesh.add_surface(Surface { owner, group: Group::Head, look: Look::Gloss(colour::grey(0.13)) });
    let front = shape.point(Vec3::new(0.28, 0.05, 0.95).normalize()).z + 0.09;
    let place = |x: f32, y: f32, z: f32| head + frame * (Vec3::new(x, y, z) * half);
    for sign in [1.0, -1.0] {
        if dark {
            mesh.ellipsoid(
                rim,
                place(sign * EYE_X, 0.0, front),
                [frame * Vec3::X * 0.19 * half, frame * Vec3::Y * 0.14 * half, frame * Vec3::Z * 0.02 * half],
                7,
                16,
            );
        }
        mesh.grid(rim, 19, 6, true, |row, column| {
            let (sin, cos) = (TAU * row as f32 / 18.0).sin_cos();
            let (s, c) = (TAU * column as f32 / 6.0).sin_cos();
            let r = 0.016;
            let p = place(sign * EYE_X + cos * (0.19 + r * c), sin * (0.145 + r * c), front + r * s);
            (p, Vec3::new(cos, sin, 0.0), 0.0)
        });
        let (a, b) = (place(sign * 0.48, 0.05, front - 0.02), place(sign * shape.width * 1.02, 0.05, -0.05));
        let ring = |centre| cut_wire(centre, frame * Vec3::X, frame * Vec3::Y, half, 0.018);
        mesh.loft(rim, &[ring(a), ring(b)], 6, true, |_, _| 1.0);
    }
    let ring = |x: f32| cut_wire(place(x, 0.04, front), frame * Vec3::Z, frame * Vec3::Y, half, 0.016);
    mesh.loft(rim, &[ring(-0.10), ring(0.10)], 6, true, |_, _| 1.0);
}

/// A cross-section of the wire of glasses; `depth` in halves of the head.
fn cut_wire(centre: Vec3, side: Vec3, front: Vec3, half: f32, depth: f32) -> Ring {
    Ring { centre, side, front, half_width: 0.014 * half, half_depth: depth * half, along: 0.0 }
}
