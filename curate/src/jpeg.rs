//! JPEG, stricter than the `image` crate, which shows a truncated file with its missing part in grey.
//!
//! A photo is looked at by models far smaller than it is, so the plain kind of file is decoded at 1/2, 1/4 or 1/8 of
//! its size where that is enough ([`reduced`]); all else is decoded whole.

mod arrangement;
mod frame;
mod reduced;
mod scan;
mod segments;
#[cfg(feature = "turbojpeg")]
mod turbo;

use image::RgbImage;
use image::metadata::Orientation;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use self::segments::segments;
use crate::decode::{DecodeError, check_size};

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

/// Decodes a JPEG to RGB that is not yet upright, at 4/8, 2/8 or 1/8 of its size.
///
/// `None` where the file is not of the plain kind, or odd in any way: [`decode`] says what it is.
pub(crate) fn decode_reduced(bytes: &[u8], eighths: u32) -> Option<RgbImage> {
    #[cfg(feature = "turbojpeg")]
    if let Some(image) = turbo::decode(bytes, eighths as usize) {
        return Some(image);
    }
    reduced::decode(bytes, eighths as usize)
}

/// Decodes a JPEG to RGB that is not yet upright.
///
/// Four-channel files are taken as inverted, Adobe's convention: Photoshop writes no other, and browsers, Pillow and
/// ImageMagick assume it whether or not the file carries Adobe's marker.
pub(crate) fn decode(bytes: &[u8]) -> Result<RgbImage, DecodeError> {
    if !has_end(bytes) {
        return Err(truncated("the end-of-image marker is missing"));
    }
    // Headers leniently: odd bytes between segments are common and harmless.
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(without_end(bytes)), options());
    let (width, height, _) = read_header(&mut decoder)?;
    // The scan strictly: a code that does not exist is damage, not a grey block.
    decoder.set_options(options().set_strict_mode(true));
    let mut pixels = vec![0; width as usize * height as usize * 3];
    decoder.decode_into(&mut pixels).map_err(failed)?;
    RgbImage::from_raw(width, height, pixels).ok_or_else(|| damaged("the size does not fit"))
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
