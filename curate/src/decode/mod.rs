//! Bytes to an upright RGB photo and the facts of its pixels.
//!
//! The header is read first: what is too large is refused before anything is decoded, and a JPEG is decoded
//! at the smallest of 1/1, 1/2, 1/4 and 1/8 of its size that is large enough for its use ([`MinDecodeSize`]).
//!
//! The format is taken from the bytes, never from a name. Colours are converted to sRGB ([`colour`]), the
//! EXIF orientation is applied, transparent pixels lie over white, 16-bit samples are rounded to 8. Of an
//! animation the first frame counts.
//!
//! | module | what |
//! |---|---|
//! | `header` | what is known before a photo is decoded, and how large it has to be decoded |
//! | `error` | what is not decoded: damaged files, and sizes beyond the limits |
//! | `decoded` | what decoding gives |
//! | `jpeg` | JPEG, stricter than the `image` crate, and reduced while it is decoded |
//! | `jxl` | JPEG XL |
//! | [`hook`] | the same for whatever reads photos through the `image` crate |
//! | `colour` | what the numbers of a file mean, and the way to sRGB |
//! | `facts` | what is stored of a photo's pixels |

mod colour;
mod decoded;
pub(crate) mod error;
pub(crate) mod facts;
mod header;
pub mod hook;
mod jpeg;
mod jxl;

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

use image::metadata::Orientation;
use image::{DynamicImage, ExtendedColorType, ImageDecoder, ImageFormat, ImageReader, Limits, RgbImage};
use photo::{Digest, ImageFacts, Unread};

use self::colour::{Colours, exif, png, tiff};
use self::decoded::DecodedPixels;
use self::error::check_size;

pub use self::decoded::DecodedPhoto;
pub use self::error::{DecodeError, MAX_DECODED_BYTES, MAX_PIXELS};
pub use self::header::{Header, MinDecodeSize};

/// Raised whenever the same bytes become other pixels: scores, facts and tensors of another version are never
/// mixed with new ones. 1: colour profiles are followed; JPEGs that lack nothing but their end marker are
/// read. 2: whole JPEGs have the pixels that libjpeg-turbo makes.
pub(crate) const VERSION: u32 = 2;

/// Decodes every pixel of one photo.
///
/// # Errors
/// [`DecodeError`] when the bytes are no image, are cut short or damaged, or declare a size beyond the
/// limits.
pub fn decode(bytes: &[u8]) -> Result<DecodedPhoto, DecodeError> {
    decode_for(bytes, MinDecodeSize::WHOLE)
}

/// Decodes one photo as far as it is needed. The facts of its pixels are those of the photo as decoded.
///
/// # Errors
/// As [`decode`].
pub fn decode_for(bytes: &[u8], min_size: MinDecodeSize) -> Result<DecodedPhoto, DecodeError> {
    let (header, DecodedPixels { image, colours, lacks_end }) = decode_upright(bytes, min_size)?;
    let facts = ImageFacts { colours, lacks_end, ..facts::of(&image, &header, bytes.len() as u64) };
    Ok(DecodedPhoto { image, facts })
}

/// Decodes one photo as far as it is needed, without the facts, which take a tenth as long as decoding.
///
/// # Errors
/// As [`decode`].
pub fn pixels(bytes: &[u8], min_size: MinDecodeSize) -> Result<RgbImage, DecodeError> {
    decode_upright(bytes, min_size).map(|(_, decoded)| decoded.image)
}

fn decode_upright(bytes: &[u8], min_size: MinDecodeSize) -> Result<(Header, DecodedPixels), DecodeError> {
    let header = header(bytes, min_size)?;
    // The bytes come from strangers, and the decoders index and subtract a lot: a panic in one of them must
    // cost this one photo, not the run. Nothing outlives the closure, so no half-changed state can be seen
    // afterwards.
    let decoded = catch_unwind(AssertUnwindSafe(|| match format_of(bytes)? {
        Format::Jpeg => jpeg::decode(bytes, header.scale_num),
        Format::JpegXl => jxl::decode(bytes).map(|(image, said)| to_srgb(image, &said)),
        Format::Other(other, name) => decode_other(bytes, other, name),
    }));
    let decoded = decoded.unwrap_or_else(|_| Err(panicked(header.format)))?;
    let mut image = DynamicImage::ImageRgb8(decoded.image);
    let orientation = Orientation::from_exif(header.orientation).unwrap_or(Orientation::NoTransforms);
    image.apply_orientation(orientation);
    Ok((header, DecodedPixels { image: image.into_rgb8(), ..decoded }))
}

/// Reads what stands in front of the pixels, and refuses what is no photo or is beyond the limits.
///
/// # Errors
/// [`DecodeError`] when the bytes are no image or declare a size beyond the limits. Damage shows when they
/// are decoded.
pub fn header(bytes: &[u8], min_size: MinDecodeSize) -> Result<Header, DecodeError> {
    let format = format_of(bytes)?;
    let read = catch_unwind(AssertUnwindSafe(|| match format {
        Format::Jpeg => jpeg::header(bytes).map(|(width, height, turn, kept)| (width, height, turn, 3, kept)),
        Format::JpegXl => jxl::header(bytes)
            .map(|(width, height, memory)| (width, height, Orientation::NoTransforms, memory, 0)),
        Format::Other(other, name) => {
            let mut decoder = open(bytes, other, name)?;
            let ((width, height), colour) = (decoder.dimensions(), decoder.color_type());
            // A broken EXIF block is no reason to lose a photo.
            let turn = decoder.orientation().unwrap_or(Orientation::NoTransforms);
            Ok((width, height, turn, u64::from(colour.bytes_per_pixel()), 0))
        }
    }));
    let (width, height, turn, bytes_per_pixel, kept) =
        read.unwrap_or_else(|_| Err(panicked(format.name())))?;
    let scale_num = if matches!(format, Format::Jpeg) { min_size.scale_num(width, height) } else { 8 };
    let pixels = u64::from(width) * u64::from(height) * u64::from(scale_num * scale_num) / 64;
    let is_on_its_side = turn.to_exif() >= 5; // the four that swap the axes
    let (width, height) = if is_on_its_side { (height, width) } else { (width, height) };
    // Beside the pixels as stored: their RGB copy, and for an odd JPEG the upright one; what is kept between
    // scans.
    let decoded_bytes = pixels * (bytes_per_pixel + 3) + kept;
    let (format, orientation) = (format.name(), turn.to_exif());
    Ok(Header { format, width, height, orientation, scale_num, decoded_bytes })
}

/// The cache key of the facts of pixels, which need no model but depend on how photos are decoded.
pub fn facts_cache_key(min_size: MinDecodeSize) -> Digest {
    Digest::of_json(&(facts::VERSION, "facts", min_size, jpeg::REDUCING_DECODER, VERSION))
}

/// What decodes reduced JPEGs in this build.
pub fn reducing_decoder() -> &'static str {
    jpeg::REDUCING_DECODER
}

fn panicked(format: &'static str) -> DecodeError {
    DecodeError::Damaged { format, detail: "the decoder panicked".to_owned() }
}

/// What decodes a photo.
#[derive(Clone, Copy)]
enum Format {
    Jpeg,
    JpegXl,
    /// The `image` crate, and the format's name.
    Other(ImageFormat, &'static str),
}

impl Format {
    /// As it stands in [`ImageFacts`].
    fn name(self) -> &'static str {
        match self {
            Self::Jpeg => jpeg::FORMAT,
            Self::JpegXl => jxl::FORMAT,
            Self::Other(_, name) => name,
        }
    }

    fn of(format: ImageFormat) -> Option<Self> {
        let name = match format {
            ImageFormat::Jpeg => return Some(Self::Jpeg),
            ImageFormat::Png => "png",
            ImageFormat::WebP => "webp",
            ImageFormat::Gif => "gif",
            ImageFormat::Bmp => "bmp",
            ImageFormat::Tiff => "tiff",
            _ => return None,
        };
        Some(Self::Other(format, name))
    }
}

fn format_of(bytes: &[u8]) -> Result<Format, DecodeError> {
    if bytes.is_empty() {
        return Err(DecodeError::Empty);
    }
    if jxl::is(bytes) {
        return Ok(Format::JpegXl);
    }
    image::guess_format(bytes).ok().and_then(Format::of).ok_or_else(|| {
        if let Some(kind) = Unread::of(bytes) {
            return DecodeError::Unread(kind);
        }
        let head = bytes.iter().take(8).map(|byte| format!("{byte:02x}")).collect::<Vec<_>>();
        DecodeError::UnknownFormat(head.join(" "))
    })
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

fn decode_other(bytes: &[u8], format: ImageFormat, name: &'static str) -> Result<DecodedPixels, DecodeError> {
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
        return Ok(DecodedPixels { image, colours, lacks_end: false });
    }
    let has_inks =
        matches!(decoder.original_color_type(), ExtendedColorType::Cmyk8 | ExtendedColorType::Cmyk16);
    let decoded = DynamicImage::from_decoder(decoder).map_err(|error| refusal(name, &error))?;
    let said = if has_inks { said.of_inks_alone() } else { said };
    Ok(to_srgb(decoded, &said))
}

fn to_srgb(mut decoded: DynamicImage, said: &Colours) -> DecodedPixels {
    let colours = said.to_srgb(&mut decoded);
    DecodedPixels { image: over_white(decoded), colours, lacks_end: false }
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
