//! How a watermark is found: a two-class classifier runs over the whole photo and nine overlapping tiles of
//! it.
//!
//! Input: the region resized to the model's input as torchvision's antialiased `Resize` does it. Output: two
//! logits, clean and watermarked (boomb0om/watermark-detection, a ConvNeXt-tiny), of which softmax makes a
//! probability.

use image::RgbImage;
use photo::score::rounded;
use photo::tiles::{self, PixelRect, REGIONS, Region};
use photo::{Digest, WatermarkScore};

use super::cache_key::{self, Conditions};
use super::cascade::{Cascade, Escalated, UncertainRange};
use super::detector::Detector;
use super::views::{PhotoViews, Pixels};
use crate::decode::{DecodedPhoto, MinDecodeSize};
use crate::measurements::Measurements;
use crate::model::tensor::{Input, Normalisation};
use crate::model::{Contract, ModelEntry, ModelError, Network};
use crate::pixels::resize::{self, Filter, SourceRect};
use crate::role::Role;

/// The logit that means "watermark"; the other one means "clean".
const WATERMARK_CLASS: usize = 1;

/// As far as 2.2 logits to either side of 0.5, which is the threshold unless the rules say otherwise.
const UNCERTAIN: UncertainRange = UncertainRange { low: 0.1, high: 0.9 };

/// A classifier of watermarks.
#[derive(Debug)]
pub(crate) struct WatermarkDetector(Cascade);

impl Detector for WatermarkDetector {
    type Output = WatermarkScore;

    const CONTRACT: Contract = Contract {
        role: Role::Watermark,
        output: "logits[n,2]",
        output_dimensions: &[Some(2)],
        head_joints: None,
        usual_input_px: [256, 256],
        fixed_input_px: None,
        usual_normalisation: Normalisation::Imagenet,
        inferences_per_photo: REGIONS.len(),
    };

    fn new(models: Cascade) -> Self {
        Self(models)
    }

    fn models(&self) -> &Cascade {
        &self.0
    }

    /// A tile is resized to the input, so along both sides it has to have as many px.
    fn min_decode_size([width, height]: [u32; 2]) -> MinDecodeSize {
        let side_px = (f64::from(width.max(height)) / tiles::SIDE).ceil() as u32;
        MinDecodeSize { shorter_px: side_px, longer_px: side_px }
    }

    fn inputs(entry: &ModelEntry, photo: &DecodedPhoto) -> Vec<Input> {
        REGIONS.map(|region| region_input(entry, photo, region)).to_vec()
    }

    fn detect(
        &self,
        photo: &mut PhotoViews<'_>,
        _known: &Measurements,
    ) -> Result<Escalated<WatermarkScore>, ModelError> {
        let mut regions = Vec::with_capacity(REGIONS.len());
        for region in REGIONS {
            regions.push((region, probability_in(self.0.first(), photo.decoded(), region)?));
        }
        let highest = regions.iter().map(|&(_, score)| score).fold(0.0, f32::max);
        let Some(fallback) = self.0.fallback().filter(|_| UNCERTAIN.contains(highest)) else {
            return Ok(Escalated { value: WatermarkScore { regions }, used_fallback: false });
        };
        for (region, score) in regions.iter_mut().filter(|(_, score)| UNCERTAIN.contains(*score)) {
            *score = probability_in(fallback, photo.pixels(Pixels::Whole), *region)?;
        }
        Ok(Escalated { value: WatermarkScore { regions }, used_fallback: true })
    }

    fn cache_key(entry: &ModelEntry, conditions: &Conditions<'_>) -> Digest {
        cache_key::of_photo(entry, None, UNCERTAIN, conditions)
    }
}

/// The probability of a watermark in one region. Regions run one at a time: a batch is no faster on a
/// processor, and its inputs fall out of the cache.
fn probability_in(network: &Network, photo: &DecodedPhoto, region: Region) -> Result<f32, ModelError> {
    let outputs = network.run(&region_input(network.entry(), photo, region))?;
    Ok(rounded(outputs.images().next().map_or(0.0, |logits| probability([logits[0], logits[1]]))))
}

/// One region of the photo in the classifier's input.
fn region_input(entry: &ModelEntry, photo: &DecodedPhoto, region: Region) -> Input {
    let [width, height] = entry.input_size;
    let PixelRect { x, y, width: w, height: h } = region.rect(photo.image.width(), photo.image.height());
    let rect = SourceRect { x: x.into(), y: y.into(), width: w.into(), height: h.into() };
    let resized = resize::part(&photo.image, rect, width, height, Filter::Bilinear);
    Input::of(&resized, entry.normalisation)
}

/// The whole image at `width` × `height` px as torchvision's antialiased `Resize` does it: its aspect is not
/// kept.
pub fn resized(image: &RgbImage, width: u32, height: u32) -> RgbImage {
    resize::whole(image, width, height, Filter::Bilinear)
}

/// The probabilities of two logits; exact where the logits are far apart.
pub fn softmax([a, b]: [f32; 2]) -> [f32; 2] {
    let highest = a.max(b);
    let (a, b) = ((a - highest).exp(), (b - highest).exp());
    [a / (a + b), b / (a + b)]
}

/// The probability of "watermark".
fn probability(logits: [f32; 2]) -> f32 {
    softmax(logits)[WATERMARK_CLASS]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn softmax_of_far_logits_is_no_nan() {
        assert_eq!(softmax([90.0, -90.0]), [1.0, 0.0]);
        assert_eq!(softmax([2.0, 2.0]), [0.5, 0.5]);
        assert_eq!(probability([-1000.0, 1000.0]), 1.0);
    }
}
