//! A photo at the size of a card on a page.

use image::RgbImage;

use crate::decode::{self, DecodeError, MinDecodeSize};
use crate::pixels::resize::{self, Filter};

/// The photo with a longer side of at most `longer_px`, upright and in sRGB. A smaller one keeps its size.
///
/// # Errors
/// [`DecodeError`] where the bytes are no photo.
pub fn preview(bytes: &[u8], longer_px: u32) -> Result<RgbImage, DecodeError> {
    let image = decode::pixels(bytes, MinDecodeSize { shorter_px: 1, longer_px })?;
    let scale = f64::from(longer_px) / f64::from(image.width().max(image.height()));
    if scale >= 1.0 {
        return Ok(image);
    }
    let side = |length: u32| ((f64::from(length) * scale).round() as u32).max(1);
    Ok(resize::whole(&image, side(image.width()), side(image.height()), Filter::Bilinear))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use image::ImageFormat;

    use super::*;

    #[test]
    fn the_longer_side_is_as_asked_and_small_photos_stay_as_they_are() {
        let mut png = Cursor::new(Vec::new());
        RgbImage::from_pixel(90, 30, image::Rgb([9, 80, 200]))
            .write_to(&mut png, ImageFormat::Png)
            .expect("PNG");
        let small = preview(png.get_ref(), 45).expect("a photo");
        assert_eq!((small.dimensions(), small.get_pixel(44, 14).0), ((45, 15), [9, 80, 200]));
        assert_eq!(preview(png.get_ref(), 256).expect("a photo").dimensions(), (90, 30));
        assert!(preview(b"no photo", 45).is_err());
    }
}
