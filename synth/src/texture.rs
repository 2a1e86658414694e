//! Pictures of no place: surfaces that cover each other at every scale, as in photos of streets, gardens and clothes.
//!
//! A picture of overlapping shapes whose sizes follow a power law ("dead leaves") has the statistics of
//! photos: edges of every length, contrast that falls with frequency. Each shape is of a [`Material`]; lens,
//! sensor and file come last.

use glam::{Mat2, Vec2, Vec3};
use image::imageops::{self, FilterType};
use image::{Rgb, RgbImage};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::develop::{self, Picture};
use crate::encode;
use crate::material::Material;
use crate::noise::{self, noise2};

/// The outline of a shape, around its own centre.
#[derive(Clone, Copy, Debug)]
enum Outline {
    Ellipse,
    Block,
    Leaf,
    /// A twig or a cable: long, thin and bent.
    Strip,
}

/// A part of the picture in front of what was painted before.
#[derive(Debug)]
struct Shape {
    outline: Outline,
    centre: Vec2,
    turn: Mat2,
    half: Vec2,
    bend: f32,
    ragged: f32,
    seed: u32,
}

impl Shape {
    /// A shape in a picture of `side` pixels, its radius between `low` and `high` pixels.
    fn sample(rng: &mut ChaCha8Rng, side: f32, low: f32, high: f32) -> Self {
        // radii by r^-3: every octave covers the same area
        let t: f32 = rng.random();
        let radius = (low.powi(-2) + t * (high.powi(-2) - low.powi(-2))).powf(-0.5);
        let (outline, half) = match rng.random_range(0..10) {
            0..4 => (Outline::Ellipse, Vec2::new(radius, radius * rng.random_range(0.4..1.0))),
            4..7 => (Outline::Block, Vec2::new(radius, radius * rng.random_range(0.3..1.0))),
            7 | 8 => (Outline::Leaf, Vec2::new(radius, radius * rng.random_range(0.2..0.5))),
            _ => (Outline::Strip, Vec2::new(radius * 4.0, rng.random_range(0.5..0.02 * side))),
        };
        let upright = matches!(outline, Outline::Block | Outline::Strip) && rng.random_bool(0.5);
        let angle = if upright { 0.0 } else { rng.random_range(-3.1..3.1) };
        Self {
            outline,
            centre: Vec2::new(rng.random_range(-0.1..1.1), rng.random_range(-0.1..1.1)) * side,
            turn: Mat2::from_angle(angle),
            half,
            bend: if upright { 0.0 } else { rng.random_range(-0.3..0.3) / half.x },
            ragged: if rng.random_bool(0.4) { rng.random_range(0.0..0.5) } else { 0.0 },
            seed: rng.random(),
        }
    }

    /// Where a pixel lies in the shape, (-1, -1) to (1, 1), if it does.
    fn inside(&self, p: Vec2) -> Option<Vec2> {
        let p = self.turn * (p - self.centre);
        let p = Vec2::new(p.x, p.y - self.bend * p.x * p.x);
        let q = p / self.half;
        let rough = if self.ragged > 0.0 {
            let scale = 4.0 / self.half.x.max(8.0);
            self.ragged * (noise2(p.x * scale, p.y * scale, self.seed) - 0.5)
        } else {
            0.0
        };
        let within = match self.outline {
            Outline::Ellipse => q.length_squared() < 1.0 + rough,
            Outline::Block | Outline::Strip => q.x.abs().max(q.y.abs()) < 1.0 + rough,
            Outline::Leaf => q.y.abs() < (1.0 - q.x * q.x) * (1.0 + rough),
        };
        within.then_some(q)
    }

    /// Rows and columns that the shape may touch.
    fn reach(&self, side: usize) -> (std::ops::Range<usize>, std::ops::Range<usize>) {
        let radius = self.half.length() * 1.3 + (self.bend * self.half.x * self.half.x).abs();
        let range = |centre: f32| {
            let clamp = |v: f32| v.clamp(0.0, side as f32) as usize;
            clamp(centre - radius)..clamp(centre + radius + 1.0)
        };
        (range(self.centre.y), range(self.centre.x))
    }

    /// Paints it, with the light from `light`, and its shadow on what is behind.
    fn paint(&self, picture: &mut Picture, material: &Material, light: Vec2, round: f32, shadow: f32) {
        let (rows, columns) = self.reach(picture.width);
        let away = light * -(2.0 + 0.06 * self.half.min_element());
        for (y, x) in rows.flat_map(|y| columns.clone().map(move |x| (y, x))) {
            let p = Vec2::new(x as f32 + 0.5, y as f32 + 0.5);
            let pixel = &mut picture.pixels[y * picture.width + x];
            if let Some(q) = self.inside(p) {
                // patterns of a thing move with it
                let own = p - self.centre + 500.0;
                *pixel = material.at(own.x, own.y) * (1.0 + round * (self.turn.transpose() * q).dot(light));
            } else if shadow > 0.0 && self.inside(p - away).is_some() {
                *pixel *= 1.0 - shadow;
            }
        }
    }
}

/// A picture of `side` × `side` pixels that `seed` names.
pub fn picture(seed: u64, side: u32) -> RgbImage {
    let rng = &mut noise::stream(seed, 40);
    // drawn larger and made smaller like a photo, or smaller and made larger like a poor one
    let drawn = (side as f32
        * if rng.random_bool(0.12) { rng.random_range(0.5..0.9) } else { rng.random_range(1.1..2.0) })
        as usize;
    let size = drawn as f32;
    let mut picture = Picture::new(drawn, drawn);
    let ground = Material::sample(rng, size);
    for (i, pixel) in picture.pixels.iter_mut().enumerate() {
        *pixel = ground.at((i % drawn) as f32, (i / drawn) as f32);
    }
    let light = Vec2::from_angle(rng.random_range(0.0..std::f32::consts::TAU));
    let round = if rng.random_bool(0.6) { rng.random_range(0.0..0.6) } else { 0.0 };
    let shadow = if rng.random_bool(0.6) { rng.random_range(0.0..0.6) } else { 0.0 };
    // a close-up of one surface, a few things before a wall, or a heap
    let (behind, before, low) = match rng.random_range(0..10) {
        0..3 => (0, rng.random_range(0..3), 0.1),
        3..7 => (rng.random_range(2..30), rng.random_range(2..12), 0.05),
        _ => (rng.random_range(40..300), rng.random_range(0..30), rng.random_range(0.01..0.05)),
    };
    let materials: Vec<Material> = (0..rng.random_range(1..8)).map(|_| Material::sample(rng, size)).collect();
    for stage in [behind, before] {
        for _ in 0..stage {
            let shape = Shape::sample(rng, size, low * size, 0.5 * size);
            let material = &materials[rng.random_range(0..materials.len())];
            shape.paint(&mut picture, material, light, round, shadow);
        }
        if stage == behind && rng.random_bool(0.4) {
            develop::blur(&mut picture, size * rng.random_range(0.0f32..0.15).powi(2));
        }
    }
    developed(rng, picture, side)
}

/// Light falling off, lens, resampling, sensor and file.
fn developed(rng: &mut ChaCha8Rng, mut picture: Picture, side: u32) -> RgbImage {
    let drawn = picture.width;
    if rng.random_bool(0.35) {
        develop::blur(&mut picture, rng.random_range(0.4..3.0f32));
    }
    let slope = Vec2::new(rng.random_range(-0.5..0.5), rng.random_range(-0.5..0.5));
    let tint = Vec3::new(rng.random_range(0.9..1.1), 1.0, rng.random_range(0.9..1.1))
        * rng.random_range(0.7..1.25f32);
    let grain =
        if rng.random_bool(0.5) { rng.random_range(0.0..16.0f32) } else { rng.random_range(0.0..4.0) };
    let seed: u32 = rng.random();
    let image = RgbImage::from_fn(drawn as u32, drawn as u32, |x, y| {
        let at = Vec2::new(x as f32, y as f32) / drawn as f32 - 0.5;
        let bits = noise::hash(x as i32, y as i32, seed);
        let part = |shift: u32| ((bits >> shift) & 255) as f32 / 127.5 - 1.0;
        let noise = Vec3::splat(part(0) + part(8)) + 0.5 * Vec3::new(part(16), part(24), part(12));
        let colour = picture.pixels[y as usize * drawn + x as usize] * tint * (1.0 + slope.dot(at));
        Rgb((colour * 255.0 + noise * grain).to_array().map(|c| c.clamp(0.0, 255.0) as u8))
    });
    let image = if rng.random_bool(0.3) { sharpened(&image, rng.random_range(0.3..1.5)) } else { image };
    let image = image::load_from_memory(&encode::jpeg(&image, rng.random_range(45..98)))
        .expect("own JPEG decodes")
        .to_rgb8();
    imageops::resize(&image, side, side, FilterType::Triangle)
}

/// Away from the mean of each pixel's neighbours, as cameras do.
fn sharpened(image: &RgbImage, amount: f32) -> RgbImage {
    let (width, height) = image.dimensions();
    let at = |x: u32, y: u32| image.get_pixel(x.min(width - 1), y.min(height - 1)).0.map(f32::from);
    RgbImage::from_fn(width, height, |x, y| {
        let around = [at(x.saturating_sub(1), y), at(x + 1, y), at(x, y.saturating_sub(1)), at(x, y + 1)];
        let here = at(x, y);
        Rgb(std::array::from_fn(|c| {
            let mean = around.iter().map(|pixel| pixel[c]).sum::<f32>() / 4.0;
            (here[c] + amount * (here[c] - mean)).clamp(0.0, 255.0) as u8
        }))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_decides_every_byte() {
        for seed in 0..6 {
            assert_eq!(picture(seed, 64), picture(seed, 64));
            assert_ne!(picture(seed, 64), picture(seed + 1, 64));
        }
    }

    #[test]
    fn pictures_are_neither_black_nor_white_nor_flat() {
        let spread = |image: &RgbImage| {
            let values: Vec<f32> = image.pixels().map(|p| f32::from(p[1])).collect();
            let mean = values.iter().sum::<f32>() / values.len() as f32;
            (values.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / values.len() as f32).sqrt()
        };
        let wide = (0..40).filter(|&seed| spread(&picture(seed, 64)) > 8.0).count();
        assert!(wide >= 30, "{wide} of 40 pictures have contrast");
    }
}
