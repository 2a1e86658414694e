//! Pixels to the planes of floats that networks take.

use image::RgbImage;
use serde::{Deserialize, Serialize};

/// An image as a network takes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    /// Planes of red, green and blue, row by row.
    pub values: Vec<f32>,
    /// Width in px.
    pub width: u32,
    /// Height in px.
    pub height: u32,
}

impl Input {
    /// An image in a network's normalisation.
    pub fn of(image: &RgbImage, normalisation: Normalisation) -> Self {
        let (width, height) = image.dimensions();
        let mut values = Vec::with_capacity(image.as_raw().len());
        normalisation.append(image, &mut values);
        Self { values, width, height }
    }

    /// Zeros of a size.
    pub(crate) fn empty(width: u32, height: u32) -> Self {
        Self { values: vec![0.0; 3 * width as usize * height as usize], width, height }
    }
}

/// How a network wants its pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Normalisation {
    /// 0..=1, less the mean, over the standard deviation of ImageNet, per channel.
    Imagenet,
    /// 0..=1.
    Unit,
    /// -1..=1: (value - 127.5) / 127.5, as ArcFace and its relatives were trained.
    Arcface,
}

/// ImageNet's mean and standard deviation per channel, as torchvision publishes them.
const IMAGENET_MEAN: [f32; 3] = [0.485, 0.456, 0.406];
const IMAGENET_STD: [f32; 3] = [0.229, 0.224, 0.225];

impl Normalisation {
    /// The name in `models.toml`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Imagenet => "imagenet",
            Self::Unit => "unit",
            Self::Arcface => "arcface",
        }
    }

    /// Appends the image as three planes, R, G, B, each row after row: `[3, height, width]`.
    pub fn append(self, image: &RgbImage, out: &mut Vec<f32>) {
        for channel in 0..3 {
            // A pixel has 256 values, so a table replaces a million divisions.
            let table: [f32; 256] = std::array::from_fn(|value| {
                let unit = value as f32 / 255.0;
                match self {
                    Self::Imagenet => (unit - IMAGENET_MEAN[channel]) / IMAGENET_STD[channel],
                    Self::Unit => unit,
                    Self::Arcface => (value as f32 - 127.5) / 127.5,
                }
            });
            out.extend(image.as_raw().chunks_exact(3).map(|pixel| table[usize::from(pixel[channel])]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_normalisation_puts_black_and_white_where_its_networks_expect_them() {
        let image = RgbImage::from_fn(2, 1, |x, _| image::Rgb([if x == 0 { 0 } else { 255 }; 3]));
        let values = |normalisation: Normalisation| {
            let mut values = Vec::new();
            normalisation.append(&image, &mut values);
            values
        };
        assert_eq!(values(Normalisation::Arcface), [-1.0, 1.0, -1.0, 1.0, -1.0, 1.0]);
        assert_eq!(values(Normalisation::Unit), [0.0, 1.0, 0.0, 1.0, 0.0, 1.0]);
        assert_eq!(values(Normalisation::Imagenet)[0], -0.485 / 0.229);
    }
}
