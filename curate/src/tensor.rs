//! Pixels to the planes of floats that networks take.

use image::RgbImage;
use serde::{Deserialize, Serialize};

/// How a network wants its pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Normalisation {
    /// 0..=1, less the mean, over the standard deviation of ImageNet, per channel.
    Imagenet,
    /// 0..=1.
    Unit,
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
                }
            });
            out.extend(image.as_raw().chunks_exact(3).map(|pixel| table[usize::from(pixel[channel])]));
        }
    }
}
