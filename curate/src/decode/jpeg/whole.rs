//! Every pixel of a JPEG, by zune-jpeg, and its errors in the words of [`DecodeError`].

use image::RgbImage;
use image::metadata::Orientation;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::frame::Frame;
use super::markers::END_OF_IMAGE;
use crate::decode::error::{DecodeError, check_size};
use crate::pixels::buffers;

pub(super) const FORMAT: &str = "jpeg";

/// Decodes every pixel to RGB, whatever a profile says of it.
///
/// Four-channel files are taken as inverted, Adobe's convention: Photoshop writes no other, and browsers,
/// Pillow and ImageMagick assume it whether or not the file carries Adobe's marker.
pub(super) fn decode_whole(bytes: &[u8]) -> Result<RgbImage, DecodeError> {
    let (pixels, (width, height)) = decode_as(bytes, ColorSpace::RGB)?;
    RgbImage::from_raw(width, height, pixels).ok_or_else(|| damaged("the size does not fit"))
}

/// Every sample in a colour space that the decoder knows, and width and height.
pub(super) fn decode_as(bytes: &[u8], space: ColorSpace) -> Result<(Vec<u8>, (u32, u32)), DecodeError> {
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

pub(super) fn options() -> DecoderOptions {
    DecoderOptions::default()
        .set_strict_mode(false)
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX))
        .jpeg_set_out_colorspace(ColorSpace::RGB)
}

pub(super) fn read_header(
    decoder: &mut JpegDecoder<ZCursor<&[u8]>>,
) -> Result<(u32, u32, Orientation), DecodeError> {
    decoder.decode_headers().map_err(failed)?;
    let (width, height) = decoder.dimensions().ok_or_else(|| damaged("the header holds no size"))?;
    let (width, height) = (width as u32, height as u32);
    check_size(FORMAT, width, height, 3)?;
    let orientation = decoder.exif().and_then(|exif| Orientation::from_exif_chunk(exif));
    Ok((width, height, orientation.unwrap_or(Orientation::NoTransforms)))
}

/// A plain file up to its end-of-image marker. At a marker the decoder goes on with zeros for as long as
/// blocks are missing, so that a file whose middle was cut out would pass; at the end of its bytes it
/// refuses.
fn without_end(bytes: &[u8]) -> &[u8] {
    let Some(frame) = Frame::parse(bytes) else { return bytes };
    let end = frame.scan.windows(2).position(|pair| pair == [0xFF, END_OF_IMAGE]);
    end.map_or(bytes, |end| &bytes[..bytes.len() - frame.scan.len() + end])
}

#[allow(clippy::needless_pass_by_value, reason = "the shape that `map_err` wants")]
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

pub(super) fn truncated(detail: &str) -> DecodeError {
    DecodeError::Truncated { format: FORMAT, detail: detail.to_owned() }
}
