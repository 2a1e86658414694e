//! The segments of a JPEG: up to its first scan as leniently as decoders walk them, or one by one and
//! strictly.

use super::markers::START_OF_SCAN;

/// A segment with a length.
pub(super) struct Segment<'a> {
    /// The second byte of its marker; the first is 0xFF.
    pub marker: u8,
    /// What stands behind the length.
    pub content: &'a [u8],
    /// What follows the segment.
    pub rest: &'a [u8],
}

/// The segments in their order, the header of the first scan the last. Stray bytes between segments, fill
/// bytes and markers without a length are passed over; a segment that is cut ends the walk.
pub(super) fn segments(bytes: &[u8]) -> impl Iterator<Item = Segment<'_>> {
    let mut rest = bytes.get(2..).unwrap_or_default();
    std::iter::from_fn(move || {
        loop {
            match rest {
                [0xFF, 0x00 | 0x01 | 0xD0..=0xD9, ..] => rest = &rest[2..],
                [0xFF, 0xFF, ..] => rest = &rest[1..],
                [0xFF, marker, high, low, behind @ ..] => {
                    let length = usize::from(u16::from_be_bytes([*high, *low])).saturating_sub(2);
                    let (content, after) = behind.split_at_checked(length)?;
                    rest = if *marker == START_OF_SCAN { &[] } else { after };
                    return Some(Segment { marker: *marker, content, rest: after });
                }
                [_, after @ ..] => rest = after,
                [] => return None,
            }
        }
    })
}

/// The segment that begins right here, fill bytes passed over; `None` where none does, or where it is cut.
pub(super) fn next_segment(mut bytes: &[u8]) -> Option<Segment<'_>> {
    while let [0xFF, 0xFF, ..] = bytes {
        bytes = &bytes[1..];
    }
    let [0xFF, marker, high, low, behind @ ..] = bytes else { return None };
    let length = usize::from(u16::from_be_bytes([*high, *low])).checked_sub(2)?;
    let (content, rest) = behind.split_at_checked(length)?;
    Some(Segment { marker: *marker, content, rest })
}
