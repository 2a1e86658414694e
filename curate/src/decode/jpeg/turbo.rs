//! The same reduced decode by libjpeg-turbo, for those who can build it: faster still, and of progressive
//! files as well.
//!
//! It is left out where colours are stored coarser along one axis only (4:2:2): libjpeg-turbo scales them by
//! one share for both axes, and so leaves them twice as coarse as they could be along that one.

use image::RgbImage;
use turbojpeg::{Colorspace, Decompressor, Image, PixelFormat, ScalingFactor, Subsamp};

/// Decodes a grey or YCbCr JPEG at `scale_num`/8 of its size, not yet upright. What libjpeg-turbo only warns
/// of, such as a scan that ends early, is a refusal too.
pub(super) fn decode(bytes: &[u8], scale_num: usize) -> Option<RgbImage> {
    let mut decoder = Decompressor::new().ok()?;
    let header = decoder.read_header(bytes).ok()?;
    if !matches!(header.colorspace, Colorspace::YCbCr | Colorspace::Gray) {
        return None;
    }
    if !matches!(header.subsamp, Subsamp::None | Subsamp::Sub2x2 | Subsamp::Gray) {
        return None;
    }
    let scale = ScalingFactor::new(scale_num, 8);
    decoder.set_scaling_factor(scale).ok()?;
    let (width, height) = (scale.scale(header.width), scale.scale(header.height));
    let mut pixels = vec![0; 3 * width * height];
    let out =
        Image { pixels: pixels.as_mut_slice(), width, pitch: 3 * width, height, format: PixelFormat::RGB };
    decoder.decompress(bytes, out).ok()?;
    RgbImage::from_raw(width as u32, height as u32, pixels)
}
