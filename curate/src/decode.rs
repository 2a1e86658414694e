//! Bytes to an upright RGB photo and the facts of its pixels.
//!
//! The header is read first: what is too large is refused before anything is decoded, and a JPEG is decoded at the
//! smallest of 1/1, 1/2, 1/4 and 1/8 of its size that is large enough for what looks at it ([`Need`]).
//!
//! The format is taken from the bytes, never from a name. Colours are converted to sRGB ([`crate::colour`]), the EXIF
//! orientation is applied, transparent pixels lie over white, 16-bit samples are rounded to 8. Of an animation the first
//! frame counts.

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

use image::metadata::Orientation;
use image::{DynamicImage, ExtendedColorType, ImageDecoder, ImageFormat, ImageReader, Limits, RgbImage};
use photo::{ImageFacts, Unread};
use serde::Serialize;

use crate::colour::{Colours, exif, png, tiff};
use crate::{facts, jpeg};

/// The most pixels a photo may declare. The largest sensors of 2026 have 100 to 150 megapixels; galleries serve far
/// smaller files, and one RGB photo of this size takes 300 MB.
pub const MAX_PIXELS: u64 = 100_000_000;

/// The most bytes a decoder may allocate for one photo: `MAX_PIXELS` with four 8-bit channels, with a little room.
/// 16-bit photos are therefore limited to about 64 megapixels.
pub const MAX_DECODED_BYTES: u64 = 512 << 20;

/// Raised whenever the same bytes become other pixels: scores, facts and tensors of another version are never mixed with
/// new ones. 1: colour profiles are followed; JPEGs that lack nothing but their end marker are read.
pub(crate) const VERSION: u32 = 1;

/// What a file says of itself before it is decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The format of the bytes.
    pub format: &'static str,
    /// Width in pixels, upright.
    pub width: u32,
    /// Height in pixels, upright.
    pub height: u32,
    /// The EXIF orientation, 1 to 8.
    pub orientation: u8,
    /// Eighths of the size at which the photo is decoded: 8, or less for a JPEG that is larger than needed.
    pub eighths: u32,
    /// The most bytes that decoding takes at once.
    pub decoded_bytes: u64,
}

/// How large a photo has to be decoded. Photos that are smaller are taken as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Need {
    /// The shorter side in px, at least.
    pub shorter_px: u32,
    /// The longer side in px, at least.
    pub longer_px: u32,
}

impl Need {
    /// Every pixel.
    pub const WHOLE: Self = Self { shorter_px: u32::MAX, longer_px: u32::MAX };

    /// The needs of two.
    pub fn and(self, other: Self) -> Self {
        Self {
            shorter_px: self.shorter_px.max(other.shorter_px),
            longer_px: self.longer_px.max(other.longer_px),
        }
    }

    fn eighths(self, width: u32, height: u32) -> u32 {
        let is_enough = |eighths: u32| {
            let side = |length: u32| u64::from(length) * u64::from(eighths) / 8;
            side(width.min(height)) >= self.shorter_px.into()
                && side(width.max(height)) >= self.longer_px.into()
        };
        [1, 2, 4].into_iter().find(|&eighths| is_enough(eighths)).unwrap_or(8)
    }
}

/// A decoded photo.
#[derive(Clone, Debug)]
pub struct Photo {
    /// The pixels, upright, 8 bits per channel; fewer than `facts` says where a reduced photo was enough.
    pub image: RgbImage,
    /// What the header and the pixels say without any model.
    pub facts: ImageFacts,
}

/// Why bytes are no photo that can be read. The text goes into the reason `unreadable`.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// There are no bytes at all.
    #[error("the file is empty")]
    Empty,
    /// A photo of a kind that is not read.
    #[error("{0}")]
    Unread(Unread),
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
    /// The file is legal, and of a kind that is not decoded.
    #[error("{format} is unsupported: {detail}")]
    Unsupported {
        /// The format of the bytes.
        format: &'static str,
        /// What of it.
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

/// Decodes every pixel of one photo.
///
/// # Errors
/// [`DecodeError`] when the bytes are no image, are cut short or damaged, or declare a size beyond the limits.
pub fn decode(bytes: &[u8]) -> Result<Photo, DecodeError> {
    decode_for(bytes, Need::WHOLE)
}

/// Decodes one photo as far as it is needed. The facts of its pixels are those of the photo as decoded.
///
/// # Errors
/// As [`decode`].
pub fn decode_for(bytes: &[u8], need: Need) -> Result<Photo, DecodeError> {
    let (header, Decoded { image, colours, lacks_end }) = decode_upright(bytes, need)?;
    let facts = ImageFacts { colours, lacks_end, ..facts::of(&image, &header, bytes.len() as u64) };
    Ok(Photo { image, facts })
}

/// Decodes one photo as far as it is needed, without the facts, which take a tenth as long as decoding.
///
/// # Errors
/// As [`decode`].
pub(crate) fn pixels(bytes: &[u8], need: Need) -> Result<RgbImage, DecodeError> {
    decode_upright(bytes, need).map(|(_, decoded)| decoded.image)
}

fn decode_upright(bytes: &[u8], need: Need) -> Result<(Header, Decoded), DecodeError> {
    let header = header(bytes, need)?;
    // The bytes come from strangers, and the decoders index and subtract a lot: a panic in one of them must cost this
    // one photo, not the run. Nothing outlives the closure, so no half-changed state can be seen afterwards.
    let decoded = catch_unwind(AssertUnwindSafe(|| match format_of(bytes)? {
        (ImageFormat::Jpeg, _) => jpeg::decode(bytes, header.eighths),
        (other, name) => decode_other(bytes, other, name),
    }));
    let decoded = decoded.unwrap_or_else(|_| Err(panicked(header.format)))?;
    let mut image = DynamicImage::ImageRgb8(decoded.image);
    let orientation = Orientation::from_exif(header.orientation).unwrap_or(Orientation::NoTransforms);
    image.apply_orientation(orientation);
    Ok((header, Decoded { image: image.into_rgb8(), ..decoded }))
}

/// Pixels in sRGB, and what else a decoder knows of them. They are not upright when they leave the decoder.
pub(crate) struct Decoded {
    pub image: RgbImage,
    pub colours: Option<photo::Colours>,
    /// Whether everything is there but the file's end marker.
    pub lacks_end: bool,
}

/// Reads what stands in front of the pixels, and refuses what is no photo or is beyond the limits.
///
/// # Errors
/// [`DecodeError`] when the bytes are no image or declare a size beyond the limits. Damage shows when they are decoded.
pub fn header(bytes: &[u8], need: Need) -> Result<Header, DecodeError> {
    let (image_format, format) = format_of(bytes)?;
    let read = catch_unwind(AssertUnwindSafe(|| match image_format {
        ImageFormat::Jpeg => jpeg::header(bytes).map(|(width, height, turn)| (width, height, turn, 3)),
        other => {
            let mut decoder = open(bytes, other, format)?;
            let ((width, height), colour) = (decoder.dimensions(), decoder.color_type());
            // A broken EXIF block is no reason to lose a photo.
            let turn = decoder.orientation().unwrap_or(Orientation::NoTransforms);
            Ok((width, height, turn, u64::from(colour.bytes_per_pixel())))
        }
    }));
    let (width, height, turn, bytes_per_pixel) = read.unwrap_or_else(|_| Err(panicked(format)))?;
    let eighths = if image_format == ImageFormat::Jpeg { need.eighths(width, height) } else { 8 };
    let pixels = u64::from(width) * u64::from(height) * u64::from(eighths * eighths) / 64;
    let is_on_its_side = turn.to_exif() >= 5; // the four that swap the axes
    let (width, height) = if is_on_its_side { (height, width) } else { (width, height) };
    // Beside the pixels as stored: their RGB copy, and for an odd JPEG the upright one.
    let decoded_bytes = pixels * (bytes_per_pixel + 3);
    Ok(Header { format, width, height, orientation: turn.to_exif(), eighths, decoded_bytes })
}

/// What decodes reduced JPEGs in this build.
pub fn reducing_decoder() -> &'static str {
    jpeg::REDUCING_DECODER
}

fn panicked(format: &'static str) -> DecodeError {
    DecodeError::Damaged { format, detail: "the decoder panicked".to_owned() }
}

fn format_of(bytes: &[u8]) -> Result<(ImageFormat, &'static str), DecodeError> {
    if bytes.is_empty() {
        return Err(DecodeError::Empty);
    }
    let format = image::guess_format(bytes).ok();
    format.and_then(|format| Some((format, name(format)?))).ok_or_else(|| {
        if let Some(kind) = Unread::of(bytes) {
            return DecodeError::Unread(kind);
        }
        let head = bytes.iter().take(8).map(|byte| format!("{byte:02x}")).collect::<Vec<_>>();
        DecodeError::UnknownFormat(head.join(" "))
    })
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

/// A decoder whose header was read and is within the limits.
fn open<'a>(
    bytes: &'a [u8],
    format: ImageFormat,
    name: &'static str,
) -> Result<impl ImageDecoder + use<'a>, DecodeError> {
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MAX_DECODED_BYTES);
    reader.limits(limits);
    let decoder = reader.into_decoder().map_err(|error| refusal(name, &error))?;
    let (width, height) = decoder.dimensions();
    check_size(name, width, height, u64::from(decoder.color_type().bytes_per_pixel()))?;
    Ok(decoder)
}

fn decode_other(bytes: &[u8], format: ImageFormat, name: &'static str) -> Result<Decoded, DecodeError> {
    let mut decoder = open(bytes, format, name)?;
    // What cannot be read of the colours is no reason to lose a photo.
    let profile = match format {
        ImageFormat::Tiff => tiff::profile(bytes),
        _ => decoder.icc_profile().ok().flatten(),
    };
    let said = match (format, &profile) {
        (ImageFormat::Png, _) => png::colours(bytes, profile.as_deref()),
        (_, Some(profile)) => Colours::of_profile(profile),
        (_, None) => Colours::Srgb,
    };
    let said = match (said, decoder.exif_metadata()) {
        (Colours::Srgb, Ok(Some(block))) if profile.is_none() => exif::colours(&block),
        (said, _) => said,
    };
    if said.is_inks()
        && let Some((inks, size)) = tiff::inks(bytes)
        && let (Some(rgb), colours) = said.inks_to_srgb(&inks)
        && let Some(image) = RgbImage::from_raw(size.0, size.1, rgb)
    {
        return Ok(Decoded { image, colours, lacks_end: false });
    }
    let has_inks =
        matches!(decoder.original_color_type(), ExtendedColorType::Cmyk8 | ExtendedColorType::Cmyk16);
    let mut decoded = DynamicImage::from_decoder(decoder).map_err(|error| refusal(name, &error))?;
    let said = if has_inks { said.of_inks_alone() } else { said };
    let colours = said.to_srgb(&mut decoded);
    Ok(Decoded { image: over_white(decoded), colours, lacks_end: false })
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
