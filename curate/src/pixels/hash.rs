//! A 64-bit perceptual hash: the signs of the lowest frequencies of a photo.
//!
//! Each bit is the sign of one coefficient of the discrete cosine transform of the luma at 32×32, the 64
//! lowest frequencies without the constant one. Brightness, size and compression hardly move the signs.
//! Mirroring a photo flips the sign of every odd horizontal frequency and nothing else, so the hash of the
//! mirrored photo follows from the hash itself, and [`PerceptualHash::distance`] takes the smaller of the two
//! distances.
//!
//! Cutting a margin off moves and stretches every wave, which flips signs. So a photo is known by two hashes,
//! its [`Fingerprint`]: of the whole of it, and of its inner part. A copy's whole is then near the original's
//! inner part.

use std::f64::consts::PI;
use std::fmt;
use std::str::FromStr;

use image::RgbImage;

use crate::pixels::luma::luma;
use crate::pixels::resize::{self, Filter, SourceRect};

/// The side in px at which frequencies are taken: four times the highest one kept.
const SIDE: usize = 32;
const BITS: usize = 64;

/// The hash of one photo; written as 16 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PerceptualHash(u64);

/// The share of each side that the inner part has: it stands for copies that lost 1.5 to 4.5 % of a side,
/// while the whole stands for those that lost less.
const INNER: f64 = 0.97;

/// What photos are compared by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint {
    /// The hash of the whole photo.
    pub whole: PerceptualHash,
    /// The hash of its inner part, without a margin all around.
    pub inner: PerceptualHash,
}

impl Fingerprint {
    /// The fingerprint of a photo.
    pub fn of(image: &RgbImage) -> Self {
        Self { whole: hash_inside(image, 1.0), inner: hash_inside(image, INNER) }
    }

    /// Both hashes.
    pub fn hashes(self) -> [PerceptualHash; 2] {
        [self.whole, self.inner]
    }

    /// In how many of 64 bits the nearest parts of two photos differ.
    pub fn distance(self, other: Self) -> u32 {
        let apart = |own: PerceptualHash| other.hashes().map(|hash| own.distance(hash));
        self.hashes().into_iter().flat_map(apart).min().expect("there are parts")
    }
}

/// The hash of the middle of a photo, `share` of either side.
fn hash_inside(image: &RgbImage, share: f64) -> PerceptualHash {
    let (width, height) = (f64::from(image.width()), f64::from(image.height()));
    let middle = SourceRect {
        x: width * (1.0 - share) / 2.0,
        y: height * (1.0 - share) / 2.0,
        width: width * share,
        height: height * share,
    };
    let small = resize::part(image, middle, SIDE as u32, SIDE as u32, Filter::Bilinear);
    PerceptualHash::of_small(&luma(&small))
}

/// A text that is no perceptual hash.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no perceptual hash: 16 hex digits are expected")]
pub struct ParseHashError(String);

/// The kept frequencies, (horizontal, vertical), lowest first: along the diagonals u + v = 1, 2, …
const FREQUENCIES: [(usize, usize); BITS] = {
    let mut found = [(0, 0); BITS];
    let (mut slot, mut sum, mut u) = (0, 1, 0);
    while slot < BITS {
        found[slot] = (u, sum - u);
        (slot, sum, u) = if u < sum { (slot + 1, sum, u + 1) } else { (slot + 1, sum + 1, 0) };
    }
    found
};

/// The bits that mirroring flips: those of odd horizontal frequencies.
const ODD: u64 = {
    let (mut mask, mut bit) = (0, 0);
    while bit < BITS {
        mask |= (FREQUENCIES[bit].0 as u64 & 1) << bit;
        bit += 1;
    }
    mask
};

impl PerceptualHash {
    /// A hash from its bits, the lowest frequency in the lowest one.
    pub fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// Its bits, the lowest frequency in the lowest one.
    pub fn bits(self) -> u64 {
        self.0
    }

    /// The hash of a photo.
    pub fn of(image: &RgbImage) -> Self {
        Self::of_small(&luma(&resize::whole(image, SIDE as u32, SIDE as u32, Filter::Bilinear)))
    }

    /// The hash of a photo whose luma was brought to [`SIDE`] px.
    fn of_small(small: &[f32]) -> Self {
        let wave = |frequency: usize, place: usize| {
            (PI * frequency as f64 * (2 * place + 1) as f64 / (2 * SIDE) as f64).cos()
        };
        let highest = 11; // the 64 lowest frequencies lie on the diagonals u + v = 1..=10
        let waves: Vec<[f64; SIDE]> =
            (0..highest).map(|f| std::array::from_fn(|place| wave(f, place))).collect();
        // rows first: along[y][u] = Σ_x luma(x, y)·cos(u, x)
        let along: Vec<Vec<f64>> = small
            .chunks_exact(SIDE)
            .map(|row| {
                waves.iter().map(|w| row.iter().zip(w).map(|(&l, c)| f64::from(l) * c).sum()).collect()
            })
            .collect();
        let mut bits = 0;
        for (bit, (u, v)) in FREQUENCIES.into_iter().enumerate() {
            let coefficient: f64 = along.iter().zip(&waves[v]).map(|(row, c)| row[u] * c).sum();
            // The margin keeps a flat photo's rounding errors from choosing signs.
            bits |= u64::from(coefficient > 1e-6) << bit;
        }
        Self(bits)
    }

    /// The hash of the photo mirrored left to right.
    pub fn mirrored(self) -> Self {
        Self(self.0 ^ ODD)
    }

    /// In how many of 64 bits two photos differ, one of them mirrored where that is nearer.
    pub fn distance(self, other: Self) -> u32 {
        let apart = |a: Self, b: Self| (a.0 ^ b.0).count_ones();
        apart(self, other).min(apart(self, other.mirrored()))
    }
}

impl fmt::Display for PerceptualHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for PerceptualHash {
    type Err = ParseHashError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || ParseHashError(text.to_owned());
        if text.len() != 16 {
            return Err(error());
        }
        u64::from_str_radix(text, 16).map(Self).map_err(|_| error())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{Rgb, imageops};

    /// A picture of soft spots whose places follow from `seed`.
    fn spots(seed: u32) -> RgbImage {
        let place = |i: u32| {
            let mixed = (seed * 64 + i + 1).wrapping_mul(0x9E37_79B9);
            f64::from((mixed ^ mixed >> 15).wrapping_mul(0x85EB_CA6B) >> 8) / f64::from(1 << 24)
        };
        RgbImage::from_fn(300, 400, |x, y| {
            let (x, y) = (f64::from(x) / 300.0, f64::from(y) / 400.0);
            let light = (0..8).map(|i| {
                let (dx, dy) = (x - place(3 * i), y - place(3 * i + 1));
                (place(3 * i + 2) - 0.4) * (-(dx * dx + dy * dy) / 0.02).exp()
            });
            Rgb([(110.0 + 150.0 * light.sum::<f64>()).clamp(0.0, 255.0) as u8; 3])
        })
    }

    #[test]
    fn the_mirrored_hash_is_the_hash_of_the_mirrored_photo() {
        let photo = spots(1);
        let mirrored = PerceptualHash::of(&imageops::flip_horizontal(&photo));
        assert!((mirrored.0 ^ PerceptualHash::of(&photo).mirrored().0).count_ones() <= 1);
        assert!(PerceptualHash::of(&photo).distance(mirrored) <= 1);
    }

    #[test]
    fn changed_copies_are_near_and_other_photos_far() {
        let photo = spots(2);
        let print = Fingerprint::of(&photo);
        let smaller = imageops::resize(&photo, 270, 360, imageops::FilterType::Triangle);
        let brighter = imageops::brighten(&photo, 12);
        let cropped = imageops::crop_imm(&photo, 5, 6, 291, 388).to_image(); // 3 % of each side's length
        for copy in [smaller, brighter, cropped] {
            let distance = print.distance(Fingerprint::of(&copy));
            assert!(distance <= 6, "{distance}");
        }
        for seed in 3..30 {
            let distance = print.distance(Fingerprint::of(&spots(seed)));
            assert!(distance > 12, "seed {seed}: {distance}");
        }
    }

    #[test]
    fn a_copy_without_its_margin_is_nearer_to_the_inner_part() {
        let mut nearer = 0;
        for seed in 2..30 {
            let photo = spots(seed);
            let print = Fingerprint::of(&photo);
            let cut = imageops::crop_imm(&photo, 6, 7, 288, 386).to_image(); // 4 % of the width, 3.5 % of the height
            let cut = PerceptualHash::of(&cut);
            assert!(print.inner.distance(cut) <= 6, "seed {seed}: {}", print.inner.distance(cut));
            nearer += i32::from(print.inner.distance(cut) < print.whole.distance(cut));
        }
        assert!(nearer >= 20, "{nearer} of 28");
    }

    #[test]
    fn the_text_of_a_hash_is_read_back() {
        let hash = PerceptualHash::of(&spots(4));
        assert_eq!(hash.to_string().parse::<PerceptualHash>().unwrap(), hash);
        for text in ["", "12", "zzzzzzzzzzzzzzzz", "+123456789abcdef0"] {
            assert!(text.parse::<PerceptualHash>().unwrap_err().to_string().contains(text));
        }
    }
}
