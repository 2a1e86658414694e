//! What happens to photos on their way through the web: copies that differ a little, and files that break.

use image::imageops::{self, FilterType};
use image::{Rgb, RgbImage};
use rand::{Rng, RngCore};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// How a near-duplicate differs from its original.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Saved again at a lower JPEG quality.
    Reencoded,
    /// Nine tenths of the size.
    Rescaled,
    /// 3 % of the area cut off all around.
    Cropped,
    /// Left and right exchanged, and a little smaller.
    Mirrored,
    /// A little darker.
    Darkened,
}

/// Every change.
pub const CHANGES: [Change; 5] =
    [Change::Reencoded, Change::Rescaled, Change::Cropped, Change::Mirrored, Change::Darkened];

/// How a file is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Damage {
    /// The JPEG ends early.
    Truncated,
    /// A page of the site in place of the photo.
    Html,
    /// Random bytes.
    Garbage,
    /// No bytes.
    Empty,
}

/// Every damage.
pub const DAMAGES: [Damage; 4] = [Damage::Truncated, Damage::Html, Damage::Garbage, Damage::Empty];

impl Change {
    /// The size after the change.
    pub fn size(self, width: u32, height: u32) -> (u32, u32) {
        let of = |permille: u32| (width * permille / 1000, height * permille / 1000);
        match self {
            Self::Rescaled => of(900),
            Self::Cropped => of(985),
            // of two equal photos nobody could say which one is the copy
            Self::Mirrored => of(980),
            Self::Reencoded | Self::Darkened => (width, height),
        }
    }

    /// The changed copy.
    pub fn apply(self, image: &RgbImage) -> RgbImage {
        let (width, height) = self.size(image.width(), image.height());
        match self {
            Self::Reencoded => image.clone(),
            Self::Rescaled => imageops::resize(image, width, height, FilterType::Triangle),
            Self::Cropped => {
                let (left, top) = ((image.width() - width) / 2, (image.height() - height) / 2);
                imageops::crop_imm(image, left, top, width, height).to_image()
            }
            Self::Mirrored => {
                imageops::flip_horizontal(&imageops::resize(image, width, height, FilterType::Triangle))
            }
            Self::Darkened => {
                let darker = |Rgb(pixel): Rgb<u8>| Rgb(pixel.map(|c| (f32::from(c) * 0.93) as u8));
                RgbImage::from_fn(width, height, |x, y| darker(*image.get_pixel(x, y)))
            }
        }
    }
}

impl Damage {
    /// What is left of the file.
    pub fn apply(self, jpeg: &[u8], rng: &mut ChaCha8Rng) -> Vec<u8> {
        match self {
            Self::Truncated => {
                let left = jpeg.len() * rng.random_range(20..75) / 100;
                jpeg[..left].to_vec()
            }
            Self::Html => {
                let head = "<!DOCTYPE html>\n<html><head><title>404 Not Found</title></head>";
                format!("{head}\n<body><h1>Not Found</h1><p>The photo has moved.</p></body></html>\n")
                    .into_bytes()
            }
            Self::Garbage => {
                let mut bytes = vec![0; rng.random_range(20_000..90_000)];
                rng.fill_bytes(&mut bytes);
                // no format starts with it
                bytes[0] = 0;
                bytes
            }
            Self::Empty => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise;

    fn gradient() -> RgbImage {
        RgbImage::from_fn(100, 200, |x, y| Rgb([(x * 2) as u8, y as u8, 90]))
    }

    #[test]
    fn mirroring_exchanges_left_and_right() {
        let mirrored = Change::Mirrored.apply(&gradient());
        assert_eq!(mirrored.dimensions(), (98, 196));
        let (left, right) = (mirrored.get_pixel(0, 50)[0], mirrored.get_pixel(97, 50)[0]);
        assert!(left > 190 && right < 5, "{left} {right}");
    }

    #[test]
    fn cropping_cuts_the_rim_only() {
        let cropped = Change::Cropped.apply(&gradient());
        assert_eq!(cropped.dimensions(), (98, 197));
        assert_eq!(cropped.get_pixel(0, 0), gradient().get_pixel(1, 1));
    }

    #[test]
    fn no_damaged_file_decodes_as_the_whole_photo() {
        let jpeg = crate::encode::jpeg(&gradient(), 90);
        for damage in DAMAGES {
            let bytes = damage.apply(&jpeg, &mut noise::stream(3, 0));
            assert!(bytes.len() < jpeg.len() || damage != Damage::Truncated);
            assert_ne!(bytes, jpeg);
            assert!(damage == Damage::Truncated || image::load_from_memory(&bytes).is_err(), "{damage:?}");
        }
    }
}
