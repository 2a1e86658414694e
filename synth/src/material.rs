//! Surfaces of the world that is no person: a pattern, turned, folded, receding and lit.
//!
//! Colours here are display values in 0..=1, since textures are made to look like parts of photos and are never lit.

use glam::{Mat2, Vec2, Vec3};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::noise::noise2;
use crate::pattern::{Kind, Pattern};

/// A surface with everything about it decided. Lengths are pixels of the picture.
#[derive(Debug)]
pub struct Material {
    pattern: Pattern,
    turn: Mat2,
    /// How the pattern shrinks across the picture, as if it receded.
    recede: Vec2,
    folds: f32,
    fold_px: f32,
    depth: f32,
    shade: f32,
}

fn colour(rng: &mut ChaCha8Rng) -> Vec3 {
    // most of the world is dull
    let (value, saturation) = (rng.random_range(0.03..0.98f32), rng.random_range(0.0..1.0f32).powi(2) * 0.8);
    let hue = Vec3::new(rng.random(), rng.random(), rng.random());
    let hue = hue / hue.max_element().max(0.05);
    Vec3::splat(1.0).lerp(hue, saturation) * value
}

impl Material {
    /// A surface for a picture of `side` pixels.
    pub fn sample(rng: &mut ChaCha8Rng, side: f32) -> Self {
        let kind = Kind::sample(rng);
        let first = colour(rng);
        // shades of one colour more often than two colours
        let near = |rng: &mut ChaCha8Rng| {
            if rng.random_bool(0.65) { first * rng.random_range(0.45..1.6f32) } else { colour(rng) }
        };
        let colours = [first, near(rng), near(rng)].map(|c| c.clamp(Vec3::ZERO, Vec3::ONE));
        // from about two pixels to a third of the picture per repeat, each octave as likely
        let repeat_px = 2.2 * (side * 0.15).powf(rng.random_range(0.0..1.0f32));
        let angle = match rng.random_range(0..3) {
            0 => 0.0,
            1 => rng.random_range(-0.15..0.15),
            _ => rng.random_range(-1.6..1.6),
        };
        let stretch = Vec2::new(1.0, rng.random_range(0.7..1.4)) / repeat_px;
        let turn = Mat2::from_diagonal(stretch) * Mat2::from_angle(angle);
        let tilt = if rng.random_bool(0.4) { 0.45 / side } else { 0.0 };
        let folded = rng.random_bool(0.5);
        let seed = rng.random();
        Self {
            turn,
            recede: Vec2::new(rng.random_range(-1.0..1.0), rng.random_range(-1.0..1.0)) * tilt,
            folds: if folded { rng.random_range(0.0..2.5f32) * repeat_px.max(6.0) } else { 0.0 },
            fold_px: side * rng.random_range(0.08..0.6),
            depth: rng.random_range(0.15..1.0f32),
            shade: rng.random_range(0.0..0.7f32) * if folded { 1.4 } else { 1.0 },
            pattern: Pattern::new(kind, colours, seed, rng),
        }
    }

    /// The colour at a pixel.
    pub fn at(&self, x: f32, y: f32) -> Vec3 {
        let (fx, fy) = (x / self.fold_px, y / self.fold_px);
        let fold = noise2(fx, fy, self.pattern.seed ^ 0x51);
        let mut p = Vec2::new(x, y) / (1.0 + self.recede.dot(Vec2::new(x, y))).max(0.3);
        if self.folds > 0.0 {
            p += self.folds * Vec2::new(fold - 0.5, noise2(fx + 9.7, fy, self.pattern.seed ^ 0x52) - 0.5);
        }
        let uv = self.turn * p;
        let light = 1.0
            + self.shade * (0.7 * fold + 0.3 * noise2(fx * 2.7, fy * 2.7, self.pattern.seed ^ 0x53) - 0.5);
        let (colour, relief) = self.pattern.at(uv.x, uv.y);
        colour * (light * (1.0 + self.depth * (relief - 0.5)))
    }
}
