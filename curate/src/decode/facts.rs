//! What the pixels say of a photo without any model: sharpness, brightness, perceptual hash.

use image::RgbImage;
use photo::ImageFacts;
use photo::score::rounded;

use super::header::{Header, MinDecodeSize};
use crate::pixels::hash::Fingerprint;
use crate::pixels::luma::luma;
use crate::pixels::resize::{self, Filter};
use crate::pixels::thumbnail::Thumbnail;

/// Raised whenever the same pixels give other facts.
pub(super) const VERSION: u32 = 5;

/// The longer side in px at which sharpness is measured, so that it compares across photo sizes.
const SHARPNESS_SIDE_PX: u32 = 512;

/// How large a photo has to be decoded for its facts. Half as many again as sharpness is measured at, so that
/// every photo is shrunk to it and what a reduced decode does to the finest detail hardly shows.
pub(crate) const MIN_DECODE_SIZE: MinDecodeSize =
    MinDecodeSize { shorter_px: 1, longer_px: SHARPNESS_SIDE_PX * 3 / 2 };

/// The facts of an upright photo. What follows from pixels is taken at fixed small sizes, which a reduced
/// photo is large enough for.
pub(super) fn of(image: &RgbImage, header: &Header, file_bytes: u64) -> ImageFacts {
    let (width, height) = (header.width, header.height);
    let scale = f64::from(SHARPNESS_SIDE_PX) / f64::from(width.max(height));
    let side = |length: u32| ((f64::from(length) * scale).round() as u32).max(1);
    let small = resize::whole(image, side(width), side(height), Filter::Bilinear);
    let luma = luma(&small);
    let print = Fingerprint::of(&small); // sixteen times the side at which it looks
    let brightness = luma.iter().map(|&value| f64::from(value)).sum::<f64>() / luma.len() as f64 / 255.0;
    ImageFacts {
        format: header.format.to_owned(),
        width,
        height,
        orientation: header.orientation,
        file_bytes,
        sharpness: rounded(laplacian_variance(&luma, small.width() as usize)),
        brightness: rounded(brightness as f32),
        perceptual_hash: print.whole.to_string(),
        inner_hash: print.inner.to_string(),
        thumbnail: Thumbnail::of(&small).to_string(),
        ..ImageFacts::default()
    }
}

/// The variance of the 4-neighbour Laplacian, with luma in 0..=255; 0 where there is no inner pixel.
fn laplacian_variance(luma: &[f32], width: usize) -> f32 {
    let height = luma.len() / width;
    let (mut count, mut sum, mut squares) = (0_u64, 0.0_f64, 0.0_f64);
    for y in 1..height.saturating_sub(1) {
        for x in 1..width.saturating_sub(1) {
            let at = y * width + x;
            let value = luma[at - 1] + luma[at + 1] + luma[at - width] + luma[at + width] - 4.0 * luma[at];
            count += 1;
            sum += f64::from(value);
            squares += f64::from(value) * f64::from(value);
        }
    }
    if count == 0 {
        return 0.0;
    }
    let mean = sum / count as f64;
    (squares / count as f64 - mean * mean).max(0.0) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkers(side: u32, cell: u32) -> RgbImage {
        RgbImage::from_fn(side, side, |x, y| {
            image::Rgb([if (x / cell + y / cell).is_multiple_of(2) { 200 } else { 40 }; 3])
        })
    }

    fn header(side: u32) -> Header {
        Header { format: "png", width: side, height: side, orientation: 1, scale_num: 8, decoded_bytes: 0 }
    }

    #[test]
    fn a_blurred_photo_is_less_sharp_and_as_bright() {
        let sharp = of(&checkers(512, 16), &header(512), 0);
        let blurred = of(&image::imageops::blur(&checkers(512, 16), 3.0), &header(512), 0);
        assert!(sharp.sharpness > 20.0 * blurred.sharpness, "{} {}", sharp.sharpness, blurred.sharpness);
        assert!((sharp.brightness - 120.0 / 255.0).abs() < 0.01);
        assert!((sharp.brightness - blurred.brightness).abs() < 0.02);
    }

    #[test]
    fn a_single_pixel_has_facts() {
        let facts = of(&RgbImage::from_pixel(1, 1, image::Rgb([255; 3])), &header(1), 0);
        assert_eq!((facts.width, facts.height, facts.brightness), (1, 1, 1.0));
    }
}
