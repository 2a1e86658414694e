//! Words as things have them: shop signs, book pages, slogans on shirts.

use glam::Vec2;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::names;
use crate::strokes::{self, Coverage};

/// Pixels of a line of text in the block: letters of 6 units are 12 px high.
const UNIT_PX: f32 = 2.0;

/// A block of text as coverage; one repeat of the pattern is a line of text.
#[derive(Debug)]
pub struct Lettering {
    block: Coverage,
    line_px: f32,
    /// Whether the block repeats like wallpaper; a sign stands alone.
    wall: bool,
}

impl Lettering {
    /// A page, a slogan or a sign.
    pub fn sample(rng: &mut ChaCha8Rng) -> Self {
        let rows = if rng.random_bool(0.5) { rng.random_range(1..4) } else { rng.random_range(5..14) };
        let leading = rng.random_range(8.0..13.0f32);
        let radius = rng.random_range(0.5..2.0f32);
        let per_row = if rows < 4 { 1 } else { rng.random_range(1..4) };
        let lines: Vec<_> = (0..rows)
            .map(|_| {
                let words: Vec<String> = (0..per_row).map(|_| names::mark(rng)).collect();
                strokes::text(&words.join(" "))
            })
            .collect();
        let widest = lines.iter().map(|(_, width)| *width).fold(1.0, f32::max);
        let (width, height) = ((widest + 8.0) * UNIT_PX, (rows as f32 * leading + 6.0) * UNIT_PX);
        let mut block = Coverage::new(width as usize, height as usize);
        let centred = rng.random_bool(0.5);
        for (row, (strokes, length)) in lines.iter().enumerate() {
            let left = if centred { 0.5 * (widest - length) } else { 0.0 } + 4.0;
            let place = |p: Vec2| (p + Vec2::new(left, row as f32 * leading + 4.0)) * UNIT_PX;
            for pair in strokes.iter().flat_map(|line| line.windows(2)) {
                block.segment(place(pair[0]), place(pair[1]), radius);
            }
        }
        Self { block, line_px: leading * UNIT_PX, wall: rng.random_bool(0.7) }
    }

    /// How much ink is at (u, v), both in lines of text.
    pub fn at(&self, u: f32, v: f32) -> f32 {
        let (width, height) = (self.block.width as f32, self.block.height as f32);
        let (mut x, mut y) = (u * self.line_px, v * self.line_px);
        if self.wall {
            (x, y) = (x.rem_euclid(width), y.rem_euclid(height));
        }
        if x < 0.0 || y < 0.0 || x >= width - 1.0 || y >= height - 1.0 {
            return 0.0;
        }
        let (left, top) = (x as usize, y as usize);
        let (tx, ty) = (x - left as f32, y - top as f32);
        let value = |dx: usize, dy: usize| self.block.values[(top + dy) * self.block.width + left + dx];
        let upper = value(0, 0) * (1.0 - tx) + value(1, 0) * tx;
        let lower = value(0, 1) * (1.0 - tx) + value(1, 1) * tx;
        upper * (1.0 - ty) + lower * ty
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise;

    #[test]
    fn a_block_has_ink_and_paper() {
        for seed in 0..20 {
            let letters = Lettering::sample(&mut noise::stream(seed, 0));
            let (rows, columns) =
                (letters.block.height as f32 / letters.line_px, letters.block.width as f32 / letters.line_px);
            let inks: Vec<f32> = (0..4000)
                .map(|i| letters.at((i % 200) as f32 / 200.0 * columns, (i / 200) as f32 / 20.0 * rows))
                .collect();
            assert!(inks.iter().any(|&ink| ink > 0.5) && inks.iter().any(|&ink| ink < 0.1), "seed {seed}");
        }
    }
}
