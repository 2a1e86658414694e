//! JPEG, stricter than the `image` crate, which shows a truncated file with its missing part in grey.
//!
//! A photo is looked at by models far smaller than it is, so the plain kind of file is decoded at 1/2, 1/4 or 1/8 of
//! its size where that is enough ([`reduced`]); all else is decoded whole.

mod arrangement;
mod colours;
mod completeness;
mod frame;
mod inks;
mod reduced;
mod scan;
mod segments;
#[cfg(feature = "turbojpeg")]
mod turbo;

use image::metadata::Orientation;
use image::{DynamicImage, RgbImage};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use self::segments::segments;
use crate::buffers;
use crate::colour::Colours;
use crate::decode::{DecodeError, Decoded, check_size};

const FORMAT: &str = "jpeg";

/// Markers (second byte; the first is 0xFF).
const START_OF_SCAN: u8 = 0xDA;
const END_OF_IMAGE: u8 = 0xD9;

/// What decodes reduced photos. Levels differ by a rounding between the two, so scores are never mixed.
#[cfg(not(feature = "turbojpeg"))]
pub(crate) const REDUCING_DECODER: &str = "pure Rust, 2";
#[cfg(feature = "turbojpeg")]
pub(crate) const REDUCING_DECODER: &str = "libjpeg-turbo, 2";

/// Width, height and orientation of a JPEG whose frame is within the limits; nothing is decoded.
pub(crate) fn header(bytes: &[u8]) -> Result<(u32, u32, Orientation), DecodeError> {
    if let Some(detail) = arrangement::unsupported(bytes) {
        return Err(DecodeError::Unsupported { format: FORMAT, detail });
    }
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options());
    read_header(&mut decoder)
}

/// Decodes a JPEG to sRGB that is not yet upright, at `eighths`/8 of its size (8, 4, 2 or 1).
pub(crate) fn decode(bytes: &[u8], eighths: u32) -> Result<Decoded, DecodeError> {
    if has_end(bytes) {
        return decode_ended(bytes, eighths);
    }
    let complete = completeness::complete(bytes);
    let complete = complete.ok_or_else(|| truncated("the end-of-image marker is missing"))?;
    let ended = [complete, &[0xFF, END_OF_IMAGE]].concat();
    Ok(Decoded { lacks_end: true, ..decode_ended(&ended, eighths)? })
}

/// Decodes a JPEG that has an end-of-image marker.
fn decode_ended(bytes: &[u8], eighths: u32) -> Result<Decoded, DecodeError> {
    let said = colours::of(bytes);
    if said.is_inks()
        && let Some((inks, (width, height))) = inks::read(bytes)?
        && let (Some(rgb), colours) = said.inks_to_srgb(&inks)
        && let Some(image) = RgbImage::from_raw(width, height, rgb)
    {
        return Ok(Decoded { image, colours, lacks_end: false });
    }
    let reduced = (eighths < 8).then(|| decode_reduced(bytes, eighths)).flatten();
    let image = reduced.map_or_else(|| decode_whole(bytes), Ok)?;
    let components = if matches!(said, Colours::Srgb) { 3 } else { colours::components(bytes) };
    let said = if components == 4 { said.of_inks_alone() } else { said };
    let mut image = DynamicImage::ImageRgb8(image);
    if components == 1 && said.is_grey() {
        image = DynamicImage::ImageLuma8(image.into_luma8()); // the three channels are the same
    }
    let colours = said.to_srgb(&mut image);
    Ok(Decoded { image: image.into_rgb8(), colours, lacks_end: false })
}

/// Decodes at 4/8, 2/8 or 1/8 of the size.
///
/// `None` where the file is not of the plain kind, or odd in any way: [`decode_whole`] says what it is.
fn decode_reduced(bytes: &[u8], eighths: u32) -> Option<RgbImage> {
    #[cfg(feature = "turbojpeg")]
    if let Some(image) = turbo::decode(bytes, eighths as usize) {
        return Some(image);
    }
    reduced::decode(bytes, eighths as usize)
}

/// Decodes every pixel to RGB, whatever a profile says of it.
///
/// Four-channel files are taken as inverted, Adobe's convention: Photoshop writes no other, and browsers, Pillow and
/// ImageMagick assume it whether or not the file carries Adobe's marker.
fn decode_whole(bytes: &[u8]) -> Result<RgbImage, DecodeError> {
    let (pixels, (width, height)) = decode_as(bytes, ColorSpace::RGB)?;
    RgbImage::from_raw(width, height, pixels).ok_or_else(|| damaged("the size does not fit"))
}

/// Every sample in a colour space that the decoder knows, and width and height.
fn decode_as(bytes: &[u8], space: ColorSpace) -> Result<(Vec<u8>, (u32, u32)), DecodeError> {
    let options = options().jpeg_set_out_colorspace(space);
    // Headers leniently: odd bytes between segments are common and harmless.
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(without_end(bytes)), options);
    let (width, height, _) = read_header(&mut decoder)?;
    // The scan strictly: a code that does not exist is damage, not a grey block.
    decoder.set_options(options.set_strict_mode(true));
    let mut samples = buffers::zeros(width as usize * height as usize * space.num_components());
    decoder.decode_into(&mut samples).map_err(failed)?;
    Ok((samples, (width, height)))
}

fn options() -> DecoderOptions {
    DecoderOptions::default()
        .set_strict_mode(false)
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX))
        .jpeg_set_out_colorspace(ColorSpace::RGB)
}

fn read_header(decoder: &mut JpegDecoder<ZCursor<&[u8]>>) -> Result<(u32, u32, Orientation), DecodeError> {
    decoder.decode_headers().map_err(failed)?;
    let (width, height) = decoder.dimensions().ok_or_else(|| damaged("the header holds no size"))?;
    let (width, height) = (width as u32, height as u32);
    check_size(FORMAT, width, height, 3)?;
    let orientation = decoder.exif().and_then(|exif| Orientation::from_exif_chunk(exif));
    Ok((width, height, orientation.unwrap_or(Orientation::NoTransforms)))
}

/// A plain file up to its end-of-image marker. At a marker the decoder goes on with zeros for as long as blocks are
/// missing, so that a file whose middle was cut out would pass; at the end of its bytes it refuses.
fn without_end(bytes: &[u8]) -> &[u8] {
    let Some(frame) = frame::Frame::parse(bytes) else { return bytes };
    let end = frame.scan.windows(2).position(|pair| pair == [0xFF, END_OF_IMAGE]);
    end.map_or(bytes, |end| &bytes[..bytes.len() - frame.scan.len() + end])
}

#[allow(clippy::needless_pass_by_value)] // the shape that `map_err` wants
fn failed(error: zune_jpeg::errors::DecodeErrors) -> DecodeError {
    let detail = error.to_string();
    // What the decoder says when bytes run out before blocks do.
    let is_end =
        ["Premature end", "Exhausted", "more than bits left"].iter().any(|text| detail.contains(text));
    // What it says of layouts that it does not know.
    let is_unsupported =
        ["not a power of two", "Invalid component dimensions"].iter().any(|text| detail.contains(text));
    match (is_end, is_unsupported) {
        (true, _) => truncated(&detail),
        (_, true) => DecodeError::Unsupported { format: FORMAT, detail },
        _ => damaged(&detail),
    }
}

fn damaged(detail: &str) -> DecodeError {
    DecodeError::Damaged { format: FORMAT, detail: detail.to_owned() }
}

fn truncated(detail: &str) -> DecodeError {
    DecodeError::Truncated { format: FORMAT, detail: detail.to_owned() }
}

/// Whether an end-of-image marker stands behind the start of the first scan. Within a scan 0xFF is always followed by
/// 0 or a restart marker, so a cut file has none; a thumbnail's own marker lies in a segment before the scan.
fn has_end(bytes: &[u8]) -> bool {
    let scan = segments(bytes).find(|segment| segment.marker == START_OF_SCAN);
    scan.is_some_and(|scan| scan.rest.windows(2).rev().any(|pair| pair == [0xFF, END_OF_IMAGE]))
}
