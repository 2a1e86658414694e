//! The inks of a JPEG with four components.

use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;

use super::whole::{decode_as, options, read_header};
use crate::decode::error::DecodeError;

/// Four inks a pixel, 255 being all of one, with width and height.
type Inks = (Vec<u8>, (u32, u32));

/// The inks of a file; `None` where the file has other components. Stored values
/// are inverted, as everywhere in JPEG ([`super::whole::decode_whole`]).
pub(super) fn read(bytes: &[u8]) -> Result<Option<Inks>, DecodeError> {
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options());
    read_header(&mut decoder)?;
    let Some(space @ (ColorSpace::CMYK | ColorSpace::YCCK)) = decoder.input_colorspace() else {
        return Ok(None);
    };
    // As stored, since the decoder makes nothing but RGB of one of the two.
    let (mut samples, size) = decode_as(bytes, space)?;
    for [c, m, y, k] in samples.as_chunks_mut::<4>().0 {
        if space == ColorSpace::YCCK {
            let (luma, blue, red) = (f32::from(*c), f32::from(*m) - 128.0, f32::from(*y) - 128.0);
            // JFIF's YCbCr to RGB gives the amounts of ink, which RGB would have to be made of by turning
            // them round.
            let rgb = [luma + 1.402 * red, luma - 0.344_136 * blue - 0.714_136 * red, luma + 1.772 * blue];
            [*c, *m, *y] = rgb.map(|level| level.round().clamp(0.0, 255.0) as u8);
        } else {
            [*c, *m, *y] = [255 - *c, 255 - *m, 255 - *y];
        }
        *k = 255 - *k;
    }
    Ok(Some((samples, size)))
}
