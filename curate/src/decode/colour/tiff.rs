//! What the general decoder does not give of a TIFF: profiles longer than 32 KiB, as those of inks are, and
//! the inks, of which it makes RGB without asking the profile.

use std::io::Cursor;

use tiff::ColorType;
use tiff::decoder::{Decoder, DecodingResult, Limits};
use tiff::tags::{Tag, Type, ValueBuffer};

/// The most bytes of a profile. Those of print shops have up to 3 MB.
const PROFILE_BYTES: usize = 8 << 20;

/// The ICC profile of the first image.
pub(crate) fn profile(bytes: &[u8]) -> Option<Vec<u8>> {
    let limits = {
        let mut limits = Limits::default();
        limits.ifd_value_size = PROFILE_BYTES;
        limits
    };
    let mut decoder = Decoder::new(Cursor::new(bytes)).ok()?.with_limits(limits);
    let mut profile = ValueBuffer::empty(Type::UNDEFINED);
    decoder.image_ifd().find_tag_buf(Tag::IccProfile, &mut profile).ok()??;
    Some(profile.as_bytes().to_vec())
}

/// Four inks a pixel, 255 being all of one, with width and height; `None` where the file holds something
/// else.
pub(crate) fn inks(bytes: &[u8]) -> Option<(Vec<u8>, (u32, u32))> {
    let mut decoder = Decoder::new(Cursor::new(bytes)).ok()?;
    let ColorType::CMYK(8 | 16) = decoder.colortype().ok()? else { return None };
    let (width, height) = decoder.dimensions().ok()?;
    let inks = match decoder.read_image().ok()? {
        DecodingResult::U8(inks) => inks,
        DecodingResult::U16(inks) => {
            inks.into_iter().map(|ink| ((u32::from(ink) + 128) / 257) as u8).collect()
        }
        _ => return None,
    };
    // One plane behind the other would give fewer samples here.
    (inks.len() as u64 == u64::from(width) * u64::from(height) * 4).then_some((inks, (width, height)))
}
