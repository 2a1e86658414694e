//! What hangs on or stands in a wall: windows, pictures, doors, shelves, curtains.

use glam::Vec3;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::colour::{grey, hsv};
use crate::noise::{fbm, hash01, mix, noise2, smoothstep};

/// A rectangle on the wall; lengths in metres.
#[derive(Clone, Copy, Debug)]
pub struct Feature {
    kind: u8,
    x: f32,
    y: f32,
    half_width: f32,
    half_height: f32,
    colour: Vec3,
    seed: u32,
}

impl Feature {
    /// A thing on a wall, at a random place.
    pub fn sample(rng: &mut ChaCha8Rng) -> Self {
        let kind = rng.random_range(0..5);
        let (half_width, half_height, y) = match kind {
            0 => (rng.random_range(0.4..1.1), rng.random_range(0.5..0.9), rng.random_range(1.4..1.8)), // window
            1 => (rng.random_range(0.15..0.6), rng.random_range(0.2..0.6), rng.random_range(1.3..2.0)), // picture
            2 => (rng.random_range(0.4..0.55), 1.02, 1.02), // door
            3 => (rng.random_range(0.4..1.0), rng.random_range(0.5..1.1), rng.random_range(0.9..1.5)), // shelf
            _ => (rng.random_range(0.25..0.7), 1.35, 1.35), // curtain
        };
        Self {
            kind,
            x: rng.random_range(-2.8..2.8),
            y,
            half_width,
            half_height,
            colour: hsv(rng.random(), rng.random_range(0.1..0.7), rng.random_range(0.2..0.9)),
            seed: rng.random(),
        }
    }

    /// Its colour at (x, y) metres of the wall, where it covers that point; windows show the `sky`'s colours.
    pub fn at(&self, x: f32, y: f32, sky: &[Vec3; 2]) -> Option<Vec3> {
        let (u, v) = ((x - self.x) / self.half_width, (y - self.y) / self.half_height);
        if u.abs() > 1.0 || v.abs() > 1.0 {
            return None;
        }
        let rim = ((1.0 - u.abs()) * self.half_width).min((1.0 - v.abs()) * self.half_height);
        let fibre = 0.85 + 0.3 * noise2(x * 30.0, y * 3.0, self.seed);
        Some(match self.kind {
            0 => {
                let bar = (u.abs() * self.half_width).min((v - 0.2).abs() * self.half_height);
                if rim < 0.06 || bar < 0.02 {
                    grey(0.85)
                } else {
                    let outside = fbm(x * 2.5, y * 2.5, 4, self.seed);
                    let green =
                        hsv(0.27, 0.4, 0.5).lerp(sky[1] * 1.3, smoothstep(0.3, 0.55, outside + 0.25 * v));
                    green * 1.15
                }
            }
            1 => {
                if rim < 0.03 {
                    grey(0.15)
                } else if rim < 0.08 {
                    grey(0.9)
                } else {
                    let t = fbm(x * 3.0, y * 3.0, 3, self.seed);
                    self.colour
                        .lerp(Vec3::new(self.colour.z, self.colour.x, self.colour.y), smoothstep(0.4, 0.6, t))
                }
            }
            2 => {
                let panel = smoothstep(
                    0.02,
                    0.0,
                    ((u.abs() - 0.65) * self.half_width)
                        .abs()
                        .min(((v.abs() - 0.5).abs() - 0.35).abs() * self.half_height),
                );
                let knob = ((u - 0.82) * self.half_width).hypot(v * self.half_height) < 0.03;
                if rim < 0.05 {
                    grey(0.8)
                } else if knob {
                    grey(0.6)
                } else {
                    self.colour * fibre * (1.0 - 0.4 * panel)
                }
            }
            3 => {
                let level = v * self.half_height / 0.32;
                if rim < 0.03 || level.rem_euclid(1.0) < 0.09 {
                    self.colour * 0.5 * fibre
                } else {
                    let book = (x / 0.045).floor() as i32;
                    let tall = 0.55 + 0.4 * hash01(book, level.floor() as i32, self.seed);
                    let tint = hash01(book, level.floor() as i32, self.seed ^ 1);
                    if level.rem_euclid(1.0) < tall {
                        hsv(tint * 7.0, 0.5, mix(0.2, 0.75, hash01(book, 1, self.seed)))
                    } else {
                        self.colour * 0.12
                    }
                }
            }
            _ => {
                self.colour
                    * (0.55 + 0.45 * (x * 38.0 + 2.0 * noise2(x * 3.0, y * 0.6, self.seed)).sin())
                    * fibre
            }
        })
    }
}
