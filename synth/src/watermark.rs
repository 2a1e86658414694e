//! Watermarks: tiled, in a corner, across the centre, logos; weak to strong.

use glam::{Mat2, Vec2, Vec3};
use photo::tiles::PixelRect;
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::names;
use crate::noise;
use crate::strokes::{self, Coverage, Polyline};

/// How a mark is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MarkKind {
    /// The same text again and again across the photo.
    Tiled,
    /// A text in a corner or at an edge.
    Corner,
    /// A large text across the middle.
    Centre,
    /// A sign with a text.
    Logo,
}

/// Every kind.
pub const MARK_KINDS: [MarkKind; 4] = [MarkKind::Tiled, MarkKind::Corner, MarkKind::Centre, MarkKind::Logo];

impl MarkKind {
    /// The kind's name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tiled => "tiled",
            Self::Corner => "corner",
            Self::Centre => "centre",
            Self::Logo => "logo",
        }
    }
}

/// A watermark, independent of the photo's size.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mark {
    /// Decides text, size, place, colour.
    pub seed: u64,
    /// The layout.
    pub kind: MarkKind,
    /// 0 weakest (still visible to an attentive eye) to 1 opaque.
    pub strength: f32,
}

/// Where the mark's ink lies.
#[derive(Debug)]
pub struct Ink {
    fill: Coverage,
    edge: Coverage,
    plate: Option<(PixelRect, f32)>,
    copies: f32,
}

/// A text or sign ready to be placed: strokes around (0, 0), with its size in the same units.
struct Sign {
    lines: Vec<Polyline>,
    width: f32,
    height: f32,
}

impl Sign {
    fn text(words: &str, slant: f32) -> Self {
        let (mut lines, width) = strokes::text(words);
        for point in lines.iter_mut().flatten() {
            *point = Vec2::new(point.x - 0.5 * width + slant * (3.0 - point.y), point.y - 3.0);
        }
        Self { lines, width, height: 6.0 }
    }

    /// An emblem above a text.
    fn logo(rng: &mut ChaCha8Rng, words: &str) -> Self {
        let mut sign = Self::text(words, 0.0);
        let size = (sign.width * rng.random_range(0.18..0.34)).clamp(5.0, 16.0);
        let sides = *[3usize, 4, 5, 6, 28, 28, 28].choose(rng).expect("sides are listed");
        let turn: f32 = rng.random_range(0.0..1.5);
        let corner = |i: f32, r: f32| {
            let angle = turn + std::f32::consts::TAU * i / sides as f32;
            Vec2::new(angle.cos(), angle.sin()) * r - Vec2::Y * (size + 2.5)
        };
        for ring in 0..rng.random_range(1..3) {
            let r = size * (1.0 - 0.22 * ring as f32);
            sign.lines.push((0..=sides).map(|i| corner(i as f32, r)).collect());
        }
        match rng.random_range(0..4) {
            0 => (0..5).for_each(|i| {
                // a star
                let (a, b) = (i as f32 * 144.0, (i + 1) as f32 * 144.0);
                let tip = |d: f32| {
                    Vec2::new(d.to_radians().sin(), -d.to_radians().cos()) * size * 0.6
                        - Vec2::Y * (size + 2.5)
                };
                sign.lines.push(vec![tip(a), tip(b)]);
            }),
            1 => {
                // hills
                let base = Vec2::new(0.0, -size * 0.65 - 2.5);
                sign.lines.push(
                    [(-0.7, 0.0), (-0.3, -0.6), (0.0, -0.1), (0.3, -0.8), (0.7, 0.0)]
                        .map(|(x, y)| base + Vec2::new(x, y) * size)
                        .to_vec(),
                );
            }
            _ => {
                let initial = words.chars().find(|c| c.is_alphanumeric()).unwrap_or('B');
                let (letter, width) = strokes::text(initial.encode_utf8(&mut [0; 4]));
                for line in letter {
                    sign.lines.push(
                        line.iter()
                            .map(|p| {
                                (*p - Vec2::new(0.5 * width, 3.0)) * (size / 6.5) - Vec2::Y * (size + 2.5)
                            })
                            .collect(),
                    );
                }
            }
        }
        let rise = 0.5 * (2.0 * size + 2.5);
        sign.lines.iter_mut().flatten().for_each(|point| point.y += rise);
        sign.height = 6.0 + 2.0 * rise;
        sign
    }

    fn draw(&self, cover: &mut Coverage, centre: Vec2, scale: f32, rotation: f32, radius: f32) {
        let turn = Mat2::from_angle(rotation) * scale;
        for line in &self.lines {
            for pair in line.windows(2) {
                cover.segment(centre + turn * pair[0], centre + turn * pair[1], radius);
            }
        }
    }
}

impl Mark {
    /// A mark of a random kind and strength.
    pub fn sample(seed: u64) -> Self {
        let rng = &mut noise::stream(seed, 20);
        let kind = *MARK_KINDS.choose(rng).expect("kinds are listed");
        Self { seed, kind, strength: rng.random_range(0.0..1.0f32) }
    }

    /// The mark's opacity: 0.3 is about the weakest that stays readable over texture.
    pub fn opacity(&self) -> f32 {
        0.30 + 0.70 * self.strength.powf(1.3)
    }

    /// Where the mark's ink lies in a photo of `width` × `height`.
    pub fn ink(&self, width: usize, height: usize) -> Ink {
        let rng = &mut noise::stream(self.seed, 21);
        let words = names::mark(rng);
        let slant = if rng.random_bool(0.3) { 0.25 } else { 0.0 };
        let sign = match self.kind {
            MarkKind::Logo => Sign::logo(rng, &words),
            _ => Sign::text(&words, slant),
        };
        let (w, h) = (width as f32, height as f32);
        let share = match self.kind {
            MarkKind::Tiled => rng.random_range(0.18..0.42),
            MarkKind::Corner => rng.random_range(0.12..0.35f32).max(sign.width * 0.0022),
            MarkKind::Centre => rng.random_range(0.45..0.92),
            MarkKind::Logo => rng.random_range(0.12..0.34),
        };
        let scale = share * w / sign.width;
        // letters stay at least about 11 px high at 1200 px: smaller ones are no longer read
        let scale = scale.max(0.0092 * w / 6.0);
        let weak = self.opacity() < 0.5;
        let weight = rng.random_range(if weak { 0.085 } else { 0.055 }..0.135) * 6.0 * scale;
        let radius = (0.5 * weight).max(if weak { 0.0010 } else { 0.0007 } * w);
        let rotation: f32 = match self.kind {
            MarkKind::Tiled => -rng.random_range(0.0..0.8),
            MarkKind::Centre if rng.random_bool(0.6) => -rng.random_range(0.1..0.9),
            MarkKind::Corner if rng.random_bool(0.08) => -std::f32::consts::FRAC_PI_2,
            _ => 0.0,
        };
        let (half_w, half_h) = (0.5 * sign.width * scale, 0.5 * sign.height * scale);
        let (reach_x, reach_y) = (
            half_w * rotation.cos().abs() + half_h * rotation.sin().abs(),
            half_w * rotation.sin().abs() + half_h * rotation.cos().abs(),
        );
        let margin = rng.random_range(0.012..0.035) * w + radius;
        let corner = |rng: &mut ChaCha8Rng| draw_corner(rng, (w, h), margin, (reach_x, reach_y));
        let centres: Vec<Vec2> = match self.kind {
            MarkKind::Tiled => {
                let (step_x, step_y) =
                    (2.0 * half_w * rng.random_range(1.15..1.7) + 10.0, half_h * rng.random_range(5.0..14.0));
                let turn = Mat2::from_angle(rotation);
                let diagonal = w.hypot(h);
                let (columns, rows) = ((diagonal / step_x).ceil() as i32, (diagonal / step_y).ceil() as i32);
                let middle = Vec2::new(0.5 * w, 0.5 * h);
                (-rows..=rows)
                    .flat_map(|row| (-columns..=columns).map(move |column| (row, column)))
                    .map(|(row, column)| {
                        middle
                            + turn
                                * Vec2::new(
                                    (column as f32 + 0.5 * (row % 2) as f32) * step_x,
                                    row as f32 * step_y,
                                )
                    })
                    .filter(|p| p.x > -half_w && p.y > -half_w && p.x < w + half_w && p.y < h + half_w)
                    .collect()
            }
            MarkKind::Corner => vec![corner(rng)],
            MarkKind::Centre => vec![Vec2::new(0.5 * w, h * rng.random_range(0.35..0.65))],
            MarkKind::Logo => {
                let anywhere = Vec2::new(
                    rng.random_range(reach_x..(w - reach_x).max(reach_x + 1.0)),
                    rng.random_range(reach_y..(h - reach_y).max(reach_y + 1.0)),
                );
                vec![if rng.random_bool(0.6) { corner(rng) } else { anywhere }]
            }
        };
        let hollow = !weak && self.kind != MarkKind::Corner && radius > 0.0028 * w && rng.random_bool(0.15);
        let outline = (0.35 * radius).max(0.0007 * w);
        let (mut fill, mut edge) = (Coverage::new(width, height), Coverage::new(width, height));
        for &centre in &centres {
            sign.draw(&mut fill, centre, scale, rotation, radius);
            sign.draw(&mut edge, centre, scale, rotation, radius + outline);
        }
        edge.values.iter_mut().zip(&fill.values).for_each(|(edge, fill)| *edge *= 1.0 - fill);
        if hollow {
            std::mem::swap(&mut fill, &mut edge);
            edge.values.fill(0.0);
        }
        let plate = (self.kind == MarkKind::Corner && rotation == 0.0 && rng.random_bool(0.2)).then(|| {
            let pad = 0.6 * half_h + radius;
            let (c, limit) = (centres[0], |v: f32, most: usize| v.clamp(0.0, most as f32) as u32);
            let (x0, y0) = (limit(c.x - half_w - pad, width), limit(c.y - half_h - pad, height));
            let (x1, y1) = (limit(c.x + half_w + pad, width), limit(c.y + half_h + pad, height));
            (PixelRect { x: x0, y: y0, width: x1 - x0, height: y1 - y0 }, rng.random_range(0.3..0.8))
        });
        Ink { fill, edge, plate, copies: centres.len() as f32 }
    }

    /// Draws the mark onto sRGB bytes.
    pub fn apply(&self, rgb: &mut [u8], ink: &Ink) {
        let rng = &mut noise::stream(self.seed, 22);
        let dark = rng.random_bool(0.22);
        let tint = if rng.random_bool(0.2) {
            Vec3::new(rng.random(), rng.random(), rng.random())
        } else {
            Vec3::splat(0.5)
        };
        let colour =
            if dark { tint * 60.0 } else { Vec3::splat(255.0) - (Vec3::splat(0.5) - tint).abs() * 150.0 };
        let edge_colour = if dark { Vec3::splat(235.0) } else { Vec3::splat(15.0) };
        let opacity = self.opacity();
        // weak marks need their outline, or they vanish on backgrounds of their own colour
        let edge_opacity = if opacity < 0.5 || rng.random_bool(0.5) { 0.75 * opacity } else { 0.0 };
        if let Some((rect, alpha)) = ink.plate {
            for y in rect.y..rect.y + rect.height {
                for x in rect.x..rect.x + rect.width {
                    let at = (y as usize * ink.fill.width + x as usize) * 3;
                    rgb[at..at + 3].iter_mut().zip(edge_colour.to_array()).for_each(|(c, e)| {
                        *c = (f32::from(*c) * (1.0 - alpha * opacity) + e * alpha * opacity) as u8;
                    });
                }
            }
        }
        for (pixel, (&fill, &edge)) in
            rgb.chunks_exact_mut(3).zip(ink.fill.values.iter().zip(&ink.edge.values))
        {
            if fill + edge > 0.0 {
                let here = Vec3::new(f32::from(pixel[0]), f32::from(pixel[1]), f32::from(pixel[2]));
                let here = here.lerp(edge_colour, edge * edge_opacity).lerp(colour, fill * opacity);
                pixel.copy_from_slice(&here.to_array().map(|c| c.clamp(0.0, 255.0) as u8));
            }
        }
    }
}

fn draw_corner(
    rng: &mut ChaCha8Rng,
    (w, h): (f32, f32),
    margin: f32,
    (reach_x, reach_y): (f32, f32),
) -> Vec2 {
    let x = match rng.random_range(0..7) {
        0..3 => margin + reach_x,
        3..6 => w - margin - reach_x,
        _ => 0.5 * w,
    };
    let y = if rng.random_bool(0.75) { h - margin - reach_y } else { margin + reach_y };
    Vec2::new(x, y)
}

impl Ink {
    /// All ink, in pixels.
    pub fn total(&self) -> f32 {
        self.fill.values.iter().sum()
    }

    /// The ink in a rectangle over the ink of one copy of the text, and over all ink.
    pub fn shares(&self, rect: PixelRect) -> (f32, f32) {
        let mut sum = 0.0;
        for y in rect.y as usize..(rect.y + rect.height) as usize {
            let row =
                &self.fill.values[y * self.fill.width..][rect.x as usize..(rect.x + rect.width) as usize];
            sum += row.iter().sum::<f32>();
        }
        let total = self.total().max(1e-3);
        (sum * self.copies / total, sum / total)
    }

    /// The part of the pixels that carry ink.
    pub fn density(&self) -> f32 {
        self.total() / self.fill.values.len() as f32
    }
}
