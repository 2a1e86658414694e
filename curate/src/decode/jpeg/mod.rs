//! JPEG, stricter than the `image` crate, which shows a truncated file with its missing part in grey.
//!
//! Models take photos far smaller than they are, so the usual kind of file is decoded at 1/2, 1/4 or 1/8 of
//! its size where that is enough ([`reduced`]); all else is decoded whole ([`whole`]), to the pixels that
//! libjpeg-turbo makes: every Huffman-coded file of 8 bits whose samplings libjpeg takes. What is coded
//! arithmetically, without loss, in levels (hierarchical), with 12 bits, or with a height that stands behind
//! the first scan, is refused by name.
//!
//! | module | what |
//! |---|---|
//! | [`headers`] | the segments of a file: tables, the frame, what its components are |
//! | [`entropy`] | scans to coefficients |
//! | [`samples`] | coefficients to samples, samples to pixels |
//! | [`whole`], [`reduced`] | every pixel of a file; a plain file at 1/2, 1/4 or 1/8 of its size |
//! | `turbo` | the same by libjpeg-turbo, with the feature `turbojpeg` |
//! | [`colours`] | what a file says of its colours |
//! | [`refusals`] | why a file is not decoded |

mod colours;
mod entropy;
mod headers;
mod reduced;
mod refusals;
mod samples;
#[cfg(feature = "turbojpeg")]
mod turbo;
mod whole;

use image::metadata::Orientation;
use image::{DynamicImage, RgbImage};

use self::entropy::coefficients::Coefficients;
use self::entropy::walk::{NO_END, Walk};
use self::headers::markers::{END_OF_IMAGE, START_OF_SCAN};
use self::headers::segments::segments;
use self::refusals::{damaged, truncated};
use self::samples::convert::Output;
use self::whole::Whole;
use super::colour::Colours;
use super::decoded::DecodedPixels;
use super::error::DecodeError;

/// The format's name.
pub(super) const FORMAT: &str = refusals::FORMAT;

/// What decodes reduced photos. Levels differ by a rounding between the two, so scores are never mixed.
#[cfg(not(feature = "turbojpeg"))]
pub(crate) const REDUCING_DECODER: &str = "pure Rust, 2";
#[cfg(feature = "turbojpeg")]
pub(crate) const REDUCING_DECODER: &str = "libjpeg-turbo, 2";

/// Width, height and orientation of a JPEG whose frame is within the limits, and the bytes that its coefficients
/// take while they are kept; nothing is decoded.
pub(crate) fn header(bytes: &[u8]) -> Result<(u32, u32, Orientation, u64), DecodeError> {
    let walk = Walk::begin(bytes)?;
    let (width, height) = walk.picture.size;
    let orientation = colours::exif_block(bytes).and_then(Orientation::from_exif_chunk);
    let kept = if walk.is_at_once() { 0 } else { Coefficients::bytes(&walk.picture) };
    Ok((width as u32, height as u32, orientation.unwrap_or(Orientation::NoTransforms), kept))
}

/// Decodes a JPEG to sRGB that is not yet upright, at `scale_num`/8 of its size (8, 4, 2 or 1).
pub(crate) fn decode(bytes: &[u8], scale_num: u32) -> Result<DecodedPixels, DecodeError> {
    if has_end(bytes) {
        return decode_ended(bytes, scale_num);
    }
    let complete = whole::complete(bytes).map_err(|error| match error {
        DecodeError::Damaged { .. } => truncated(NO_END),
        other => other,
    })?;
    let ended = [complete, &[0xFF, END_OF_IMAGE]].concat();
    Ok(DecodedPixels { lacks_end: true, ..decode_ended(&ended, scale_num)? })
}

/// Decodes a JPEG that has an end-of-image marker.
fn decode_ended(bytes: &[u8], scale_num: u32) -> Result<DecodedPixels, DecodeError> {
    let said = colours::of(bytes);
    if said.is_inks() && whole::has_inks(bytes)? {
        let Whole { pixels: inks, size: (width, height) } = whole::decode(bytes, Output::Inks)?;
        if let (Some(rgb), colours) = said.inks_to_srgb(&inks)
            && let Some(image) = RgbImage::from_raw(width, height, rgb)
        {
            return Ok(DecodedPixels { image, colours, lacks_end: false });
        }
    }
    let reduced = (scale_num < 8).then(|| decode_reduced(bytes, scale_num)).flatten();
    let image = reduced.map_or_else(|| decode_whole(bytes), Ok)?;
    let components = if matches!(said, Colours::Srgb) { 3 } else { colours::components(bytes) };
    let said = if components == 4 { said.of_inks_alone() } else { said };
    let mut image = DynamicImage::ImageRgb8(image);
    if components == 1 && said.is_grey() {
        image = DynamicImage::ImageLuma8(image.into_luma8()); // the three channels are the same
    }
    let colours = said.to_srgb(&mut image);
    Ok(DecodedPixels { image: image.into_rgb8(), colours, lacks_end: false })
}

/// Decodes every pixel to RGB, whatever a profile says of it.
fn decode_whole(bytes: &[u8]) -> Result<RgbImage, DecodeError> {
    let Whole { pixels, size: (width, height) } = whole::decode(bytes, Output::Rgb)?;
    RgbImage::from_raw(width, height, pixels).ok_or_else(|| damaged("the size does not fit"))
}

/// Decodes at 4/8, 2/8 or 1/8 of the size.
///
/// `None` where the file is not of the plain kind, or odd in any way: [`decode_whole`] says what it is.
fn decode_reduced(bytes: &[u8], scale_num: u32) -> Option<RgbImage> {
    #[cfg(feature = "turbojpeg")]
    if let Some(image) = turbo::decode(bytes, scale_num as usize) {
        return Some(image);
    }
    reduced::decode(bytes, scale_num as usize)
}

/// Whether an end-of-image marker stands behind the start of the first scan. Within a scan 0xFF is always
/// followed by 0 or a restart marker, so a cut file has none; a thumbnail's own marker lies in a segment
/// before the scan.
fn has_end(bytes: &[u8]) -> bool {
    let scan = segments(bytes).find(|segment| segment.marker == START_OF_SCAN);
    scan.is_some_and(|scan| scan.rest.windows(2).rev().any(|pair| pair == [0xFF, END_OF_IMAGE]))
}
