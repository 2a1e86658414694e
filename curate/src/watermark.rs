//! The input and the output of a watermark classifier.

use image::RgbImage;
use photo::tiles::{PixelRect, Region};

use crate::resize::{self, Filter, SourceRect};

/// The class of `[n,2]` logits that means "watermark" (boomb0om/watermark-detection: 0 clean, 1 watermarked).
const WATERMARK_CLASS: usize = 1;

/// The whole image squeezed to `width` × `height` px as torchvision's antialiased `Resize` does it.
pub fn squeeze(image: &RgbImage, width: u32, height: u32) -> RgbImage {
    resize::whole(image, width, height, Filter::Bilinear)
}

/// One region of the photo squeezed to `width` × `height` px.
pub(crate) fn squeeze_region(image: &RgbImage, region: Region, width: u32, height: u32) -> RgbImage {
    let PixelRect { x, y, width: w, height: h } = region.rect(image.width(), image.height());
    let rect = SourceRect { x: x.into(), y: y.into(), width: w.into(), height: h.into() };
    resize::part(image, rect, width, height, Filter::Bilinear)
}

/// The probabilities of two logits; exact where the logits are far apart.
pub fn softmax([a, b]: [f32; 2]) -> [f32; 2] {
    let highest = a.max(b);
    let (a, b) = ((a - highest).exp(), (b - highest).exp());
    [a / (a + b), b / (a + b)]
}

/// The probability of "watermark".
pub(crate) fn probability(logits: [f32; 2]) -> f32 {
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
