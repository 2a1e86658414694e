//! Pixels to files: JPEG, PNG, EXIF orientation.

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder, RgbImage};

/// JPEG bytes of `quality` in 1..=100.
pub fn jpeg(image: &RgbImage, quality: u8) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(image.len() / 8);
    JpegEncoder::new_with_quality(&mut bytes, quality)
        .encode(image.as_raw(), image.width(), image.height(), ExtendedColorType::Rgb8)
        .expect("an image of whole pixels encodes into memory");
    bytes
}

/// PNG bytes.
pub fn png(image: &RgbImage) -> Vec<u8> {
    let mut bytes = Vec::new();
    PngEncoder::new_with_quality(&mut bytes, CompressionType::Fast, FilterType::Adaptive)
        .write_image(image.as_raw(), image.width(), image.height(), ExtendedColorType::Rgb8)
        .expect("an image of whole pixels encodes into memory");
    bytes
}

/// JPEG bytes of the image lying on its side, with an EXIF orientation that sets it upright (6: turn clockwise).
pub fn jpeg_on_its_side(image: &RgbImage, quality: u8) -> Vec<u8> {
    let bytes = jpeg(&image::imageops::rotate270(image), quality);
    // APP1 "Exif", little-endian TIFF, one directory with one entry: Orientation (0x0112), SHORT, 1, value 6
    let mut exif =
        b"\xff\xe1\x00\x22Exif\0\0II\x2a\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0".to_vec();
    exif.extend([0, 0, 0, 0]);
    let length = (exif.len() - 2) as u16;
    exif[2..4].copy_from_slice(&length.to_be_bytes());
    [&bytes[..2], &exif, &bytes[2..]].concat()
}
