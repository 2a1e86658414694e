//! A photo as a message holds it: a small JPEG in a `data:` URI.

use base64::prelude::{BASE64_STANDARD, Engine};
use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageError, RgbImage};

/// The longer side of what is sent, px. Vision encoders look at 336 to 448 px at once, and those that look at several
/// tiles scale the photo to 768 px first (OpenAI's guide to images, "detail"); what is larger is paid for and thrown
/// away.
pub const LONGER_PX: u32 = 768;

/// JPEG at this quality shows no blocks at that size, in about a tenth of the bytes of a PNG.
const QUALITY: u8 = 90;

/// Raised whenever the same photo would be sent otherwise.
pub const VERSION: u32 = 1;

/// A picture that no JPEG can hold.
#[derive(Debug, thiserror::Error)]
#[error("encode a photo of {width}×{height} px as JPEG: {cause}")]
#[allow(missing_docs, reason = "the fields are named in the message")]
pub struct PictureError {
    width: u32,
    height: u32,
    cause: ImageError,
}

/// The picture as a `data:` URI.
///
/// # Errors
/// Where a side is longer than JPEG allows, or there is none.
pub fn data_uri(picture: &RgbImage) -> Result<String, PictureError> {
    let (width, height) = picture.dimensions();
    let mut jpeg = Vec::new();
    JpegEncoder::new_with_quality(&mut jpeg, QUALITY)
        .encode(picture, width, height, ExtendedColorType::Rgb8)
        .map_err(|cause| PictureError { width, height, cause })?;
    Ok(format!("data:image/jpeg;base64,{}", BASE64_STANDARD.encode(jpeg)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_comes_back_out_of_its_address() {
        let picture = RgbImage::from_pixel(24, 16, image::Rgb([200, 40, 90]));
        let uri = data_uri(&picture).unwrap();
        let jpeg = BASE64_STANDARD.decode(uri.strip_prefix("data:image/jpeg;base64,").unwrap()).unwrap();
        let decoded = image::load_from_memory(&jpeg).unwrap().to_rgb8();
        assert_eq!(decoded.dimensions(), (24, 16));
        let near = |a: u8, b: u8| a.abs_diff(b) < 6;
        assert!(decoded.pixels().all(|p| near(p[0], 200) && near(p[1], 40) && near(p[2], 90)));
    }
}
