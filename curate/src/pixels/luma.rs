//! Photos to grey.

use image::RgbImage;

/// Luma by ITU-R BT.601, the weights of JPEG, in 0..=255.
pub(crate) fn luma(image: &RgbImage) -> Vec<f32> {
    image
        .pixels()
        .map(|p| 0.299 * f32::from(p.0[0]) + 0.587 * f32::from(p.0[1]) + 0.114 * f32::from(p.0[2]))
        .collect()
}
