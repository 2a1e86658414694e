//! Bytes to an upright RGB photo and the facts of its pixels.
//!
//! The format is taken from the bytes, never from a name. The EXIF orientation is applied, transparent pixels lie
//! over white, 16-bit samples are rounded to 8, CMYK is converted. Of an animation the first frame counts.

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, RgbImage};
use photo::ImageFacts;

use crate::{facts, jpeg};

/// The most pixels a photo may declare. The largest sensors of 2026 have 100 to 150 megapixels; galleries serve far
/// smaller files, and one RGB photo of this size takes 300 MB.
pub const MAX_PIXELS: u64 = 100_000_000;

/// The most bytes a decoder may allocate for one photo: `MAX_PIXELS` with four 8-bit channels, with a little room.
/// 16-bit photos are therefore limited to about 64 megapixels.
pub const MAX_DECODED_BYTES: u64 = 512 << 20;

/// A decoded photo.
#[derive(Clone, Debug)]
pub struct Photo {
    /// The pixels, upright, 8 bits per channel.
    pub image: RgbImage,
    /// What the pixels say without any model.
    pub facts: ImageFacts,
}

/// Why bytes are no photo that can be read. The text goes into the reason `unreadable`.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// There are no bytes at all.
    #[error("the file is empty")]
    Empty,
    /// The first bytes belong to no format that is read.
    #[error("the bytes are no JPEG, PNG, WebP, GIF, BMP or TIFF; they begin with {0}")]
    UnknownFormat(String),
    /// The header declares more pixels than [`MAX_PIXELS`].
    #[error("{format} of {width}×{height} px has more than {MAX_PIXELS} pixels")]
    TooManyPixels {
        /// The format of the bytes.
        format: &'static str,
        /// Declared width in pixels.
        width: u32,
        /// Declared height in pixels.
        height: u32,
    },
    /// Decoding would take more memory than [`MAX_DECODED_BYTES`].
    #[error(
        "{format} of {width}×{height} px needs {bytes} bytes to decode; the limit is {MAX_DECODED_BYTES}"
    )]
    TooManyBytes {
        /// The format of the bytes.
        format: &'static str,
        /// Declared width in pixels.
        width: u32,
        /// Declared height in pixels.
        height: u32,
        /// Decoded size in bytes.
        bytes: u64,
    },
    /// A side of 0 pixels.
    #[error("{format} of {width}×{height} px has no pixels")]
    NoPixels {
        /// The format of the bytes.
        format: &'static str,
        /// Declared width in pixels.
        width: u32,
        /// Declared height in pixels.
        height: u32,
    },
    /// The file ends before its image does.
    #[error("{format} is truncated: {detail}")]
    Truncated {
        /// The format of the bytes.
        format: &'static str,
        /// What is missing.
        detail: String,
    },
    /// The decoder refused the content.
    #[error("{format} is damaged: {detail}")]
    Damaged {
        /// The format of the bytes.
        format: &'static str,
        /// What the decoder said.
        detail: String,
    },
}

/// Decodes the bytes of one photo.
///
/// # Errors
/// [`DecodeError`] when the bytes are no image, are cut short or damaged, or declare a size beyond the limits.
pub fn decode(bytes: &[u8]) -> Result<Photo, DecodeError> {
    if bytes.is_empty() {
        return Err(DecodeError::Empty);
    }
    let format = image::guess_format(bytes).ok().filter(|&format| name(format).is_some());
    let Some((format, name)) = format.and_then(|format| Some((format, name(format)?))) else {
        let head = bytes.iter().take(8).map(|byte| format!("{byte:02x}")).collect::<Vec<_>>();
        return Err(DecodeError::UnknownFormat(head.join(" ")));
    };
    // The bytes come from strangers, and the decoders index and subtract a lot: a panic in one of them must cost this
    // one photo, not the run. Nothing outlives the closure, so no half-changed state can be seen afterwards.
    let decoded = catch_unwind(AssertUnwindSafe(|| match format {
        ImageFormat::Jpeg => jpeg::decode(bytes),
        other => decode_other(bytes, other, name),
    }));
    let (decoded, orientation) = decoded.unwrap_or_else(|_| {
        Err(DecodeError::Damaged { format: name, detail: "the decoder panicked".to_owned() })
    })?;
    let mut decoded = DynamicImage::ImageRgb8(decoded);
    decoded.apply_orientation(orientation);
    let image = decoded.into_rgb8();
    let facts = facts::of(&image, name, orientation.to_exif(), bytes.len() as u64);
    Ok(Photo { image, facts })
}

/// The formats that are read, and their names in [`ImageFacts`].
fn name(format: ImageFormat) -> Option<&'static str> {
    Some(match format {
        ImageFormat::Jpeg => "jpeg",
        ImageFormat::Png => "png",
        ImageFormat::WebP => "webp",
        ImageFormat::Gif => "gif",
        ImageFormat::Bmp => "bmp",
        ImageFormat::Tiff => "tiff",
        _ => return None,
    })
}

/// Refuses sizes that no photo has, before anything of that size is allocated.
pub(crate) fn check_size(
    format: &'static str,
    width: u32,
    height: u32,
    bytes_per_pixel: u64,
) -> Result<(), DecodeError> {
    let pixels = u64::from(width) * u64::from(height);
    if pixels == 0 {
        return Err(DecodeError::NoPixels { format, width, height });
    }
    if pixels > MAX_PIXELS {
        return Err(DecodeError::TooManyPixels { format, width, height });
    }
    let bytes = pixels * bytes_per_pixel;
    if bytes > MAX_DECODED_BYTES {
        return Err(DecodeError::TooManyBytes { format, width, height, bytes });
    }
    Ok(())
}

fn decode_other(
    bytes: &[u8],
    format: ImageFormat,
    name: &'static str,
) -> Result<(RgbImage, Orientation), DecodeError> {
    let failed = |error: image::ImageError| refusal(name, &error);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MAX_DECODED_BYTES);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(failed)?;
    let (width, height) = decoder.dimensions();
    check_size(name, width, height, u64::from(decoder.color_type().bytes_per_pixel()))?;
    // A broken EXIF block is no reason to lose a photo.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let decoded = DynamicImage::from_decoder(decoder).map_err(failed)?;
    Ok((over_white(decoded), orientation))
}

fn refusal(format: &'static str, error: &image::ImageError) -> DecodeError {
    let detail = error.to_string();
    let is_eof = match error {
        image::ImageError::IoError(error) => error.kind() == std::io::ErrorKind::UnexpectedEof,
        _ => ["unexpected end of file", "unexpected EOF", "UnexpectedEof", "failed to fill whole buffer"]
            .iter()
            .any(|phrase| detail.contains(phrase)),
    };
    if is_eof { DecodeError::Truncated { format, detail } } else { DecodeError::Damaged { format, detail } }
}

/// The photo as RGB, transparent pixels laid over white, the page they were meant for.
fn over_white(decoded: DynamicImage) -> RgbImage {
    if !decoded.color().has_alpha() {
        return decoded.into_rgb8();
    }
    let rgba = decoded.into_rgba8();
    let (width, height) = rgba.dimensions();
    let mut rgb = RgbImage::new(width, height);
    for (out, pixel) in rgb.pixels_mut().zip(rgba.pixels()) {
        let alpha = u32::from(pixel.0[3]);
        for (channel, value) in out.0.iter_mut().zip(&pixel.0[..3]) {
            *channel = ((u32::from(*value) * alpha + 255 * (255 - alpha) + 127) / 255) as u8;
        }
    }
    rgb
}
