//! The segments of a JPEG: as leniently as decoders walk them, or one by one and strictly.

use super::markers::{END_OF_IMAGE, START_OF_SCAN};

/// A segment with a length.
pub(crate) struct Segment<'a> {
    /// The second byte of its marker; the first is 0xFF.
    pub marker: u8,
    /// What stands behind the length.
    pub content: &'a [u8],
    /// What follows the segment.
    pub rest: &'a [u8],
}

/// The segments in their order up to the header of the first scan. A segment that is cut ends the walk.
pub(crate) fn segments(bytes: &[u8]) -> impl Iterator<Item = Segment<'_>> {
    let mut rest = bytes.get(2..).unwrap_or_default();
    std::iter::from_fn(move || {
        let segment = following(rest).filter(|segment| segment.marker != END_OF_IMAGE)?;
        rest = if segment.marker == START_OF_SCAN { &[] } else { segment.rest };
        Some(segment)
    })
}

/// The next segment with a length, or the end of the image, which has none. Stray bytes between segments, fill
/// bytes and other markers without a length are passed over. `None` where the bytes end, or the segment is
/// cut.
pub(crate) fn following(mut rest: &[u8]) -> Option<Segment<'_>> {
    loop {
        match rest {
            [0xFF, END_OF_IMAGE, rest @ ..] => {
                return Some(Segment { marker: END_OF_IMAGE, content: &[], rest });
            }
            [0xFF, 0x00 | 0x01 | 0xD0..=0xD8, ..] => rest = &rest[2..],
            [0xFF, 0xFF, ..] => rest = &rest[1..],
            [0xFF, marker, high, low, behind @ ..] => {
                let length = usize::from(u16::from_be_bytes([*high, *low])).saturating_sub(2);
                let (content, rest) = behind.split_at_checked(length)?;
                return Some(Segment { marker: *marker, content, rest });
            }
            [_, after @ ..] => rest = after,
            [] => return None,
        }
    }
}
