//! What a surface looks like at a point: colour, gloss and unevenness from the part's own coordinates.

use glam::Vec3;

use crate::clothes::{Fabric, TorsoLook};
use crate::face::FaceLook;
use crate::noise::{fbm, hash01, noise2, noise3, smoothstep};

/// The owner of surfaces that belong to no person.
pub const OBJECT: u8 = u8::MAX;

/// Which part of a body, for the question whether a joint is hidden by another part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Head, face and hair.
    Head,
    /// Torso and neck.
    Torso,
    /// An arm; 0 is the left one.
    Arm(u8),
    /// A leg; 0 is the left one.
    Leg(u8),
    /// A garment that hangs over both legs.
    Skirt,
    /// No part of a person.
    Thing,
}

/// A part's owner, place and look.
#[derive(Debug)]
pub struct Surface {
    /// Index of the person, or `OBJECT`.
    pub owner: u8,
    /// The part of the body.
    pub group: Group,
    /// The look.
    pub look: Look,
}

/// Looks of things that are no people.
#[derive(Clone, Copy, Debug)]
pub enum Texture {
    /// One colour, a little uneven.
    Plain,
    /// Grain along the longest side.
    Wood,
    /// Dappled like foliage.
    Leaves,
    /// Rows of windows.
    Windows,
    /// Bands.
    Bands,
    /// Brushed metal.
    Metal,
}

/// How a surface is painted. Colours are linear.
#[derive(Debug)]
pub enum Look {
    /// Bare skin.
    Skin(Vec3),
    /// The front of the head.
    Face(Box<FaceLook>),
    /// Hair of a colour, with its own strands.
    Hair(Vec3, u32),
    /// One fabric.
    Cloth(Fabric),
    /// Neck, top and the waist of the bottom on one surface.
    Torso(Box<TorsoLook>),
    /// Shoes: upper and sole.
    Shoe(Vec3, Vec3),
    /// Anything else.
    Thing(Texture, [Vec3; 2], u32),
    /// Dark and glossy: glasses, straps.
    Gloss(Vec3),
}

/// What a point of a surface is like.
#[derive(Clone, Copy, Debug)]
pub struct Paint {
    /// Linear colour.
    pub albedo: Vec3,
    /// Strength of the highlight.
    pub gloss: f32,
    /// Sharpness of the highlight (Blinn's exponent).
    pub sharpness: f32,
    /// Added to the normal.
    pub bump: Vec3,
    /// Light passes under the surface.
    pub skin: bool,
}

impl Paint {
    /// A dull, even surface.
    pub fn matt(albedo: Vec3) -> Self {
        Self { albedo, gloss: 0.03, sharpness: 12.0, bump: Vec3::ZERO, skin: false }
    }

    /// Skin of a colour.
    pub fn skin(albedo: Vec3) -> Self {
        Self { albedo, gloss: 0.13, sharpness: 18.0, bump: Vec3::ZERO, skin: true }
    }
}

/// Three noises as a vector around 0.
pub fn noise_vector(p: Vec3, seed: u32) -> Vec3 {
    Vec3::new(noise3(p, seed), noise3(p + 17.3, seed ^ 0x55), noise3(p - 9.1, seed ^ 0xaa)) - 0.5
}

impl Look {
    /// The paint at `local` (metres of the part; heads: half heads), `around` the part.
    pub fn paint(&self, local: Vec3, around: f32) -> Paint {
        match self {
            Self::Skin(colour) => {
                let mottle = 0.94 + 0.12 * noise3(local * 28.0, 7);
                Paint::skin(*colour * mottle)
            }
            Self::Face(face) => face.paint(local),
            Self::Hair(colour, seed) => hair(*colour, *seed, local, around),
            Self::Cloth(fabric) => fabric.paint(local, around),
            Self::Torso(torso) => torso.paint(local, around),
            Self::Shoe(upper, sole) => {
                let is_sole = local.y < 0.022;
                let mut paint = Paint::matt(if is_sole { *sole } else { *upper });
                if !is_sole {
                    // laces or a seam over the instep
                    let seam = smoothstep(0.35, 0.5, noise2(local.z * 90.0, 0.0, 3))
                        * smoothstep(0.02, 0.0, local.x.abs());
                    paint.albedo *= 1.0 - 0.4 * seam * smoothstep(0.0, 0.03, local.z);
                    (paint.gloss, paint.sharpness) = (0.25, 30.0);
                }
                paint
            }
            Self::Thing(texture, colours, seed) => thing(*texture, *colours, *seed, local),
            Self::Gloss(colour) => Paint { gloss: 0.6, sharpness: 60.0, ..Paint::matt(*colour) },
        }
    }
}

fn hair(colour: Vec3, seed: u32, local: Vec3, around: f32) -> Paint {
    let strands =
        fbm(around * 90.0 + noise2(local.y * 6.0, around * 9.0, seed) * 2.0, local.y * 5.0, 3, seed);
    let locks = fbm(around * 16.0, local.y * 2.5, 2, seed ^ 1);
    let albedo = colour * (0.35 + 0.75 * strands + 0.55 * locks);
    let bump = Vec3::new(strands - 0.5, 0.0, locks - 0.5) * 0.9;
    Paint { albedo, gloss: 0.22, sharpness: 14.0, bump, skin: false }
}

fn thing(texture: Texture, [a, b]: [Vec3; 2], seed: u32, p: Vec3) -> Paint {
    let rough = 0.9 + 0.2 * fbm(p.x * 9.0 + p.z * 5.0, p.y * 9.0, 3, seed);
    match texture {
        Texture::Plain => Paint::matt(a * rough),
        Texture::Wood => {
            let grain = fbm(p.x * 3.0 + p.z * 2.0, p.y * 40.0 + p.z * 30.0, 3, seed);
            Paint { gloss: 0.12, ..Paint::matt(a.lerp(b, grain) * rough) }
        }
        Texture::Leaves => {
            let dapple = noise3(p * 22.0, seed);
            let bump = noise_vector(p * 16.0, seed) * 2.2;
            Paint {
                bump,
                gloss: 0.08,
                ..Paint::matt(a.lerp(b, dapple) * (0.3 + 0.9 * noise3(p * 9.0, seed ^ 9)))
            }
        }
        Texture::Windows => {
            let (u, v) = (p.x / 1.1 + p.z / 1.1, p.y / 1.4);
            let inside = (u.fract() - 0.5).abs() < 0.3 && (v.fract() - 0.5).abs() < 0.33;
            let lit = hash01(u.floor() as i32, v.floor() as i32, seed);
            Paint::matt(if inside { b * (0.3 + 1.1 * lit) } else { a * rough })
        }
        Texture::Bands => Paint::matt(if (p.y * 7.0).rem_euclid(1.0) < 0.5 { a } else { b } * rough),
        Texture::Metal => Paint { gloss: 0.7, sharpness: 40.0, ..Paint::matt(a * rough) },
    }
}
