//! What a JPEG says of its colours: an ICC profile in one or more segments, else EXIF.

use super::headers::markers::{EXIF, ICC_PROFILE};
use super::headers::segments::segments;
use crate::decode::colour::{Colours, exif};

/// What the file says.
pub(super) fn of(bytes: &[u8]) -> Colours {
    let mut parts: Vec<_> = contents(bytes, ICC_PROFILE, b"ICC_PROFILE\0").collect();
    if parts.is_empty() {
        return exif_block(bytes).map_or(Colours::Srgb, exif::colours);
    }
    // Each begins with its number, from 1 on, and how many there are.
    parts.sort_by_key(|part| part.first());
    let is_whole = (1..)
        .zip(&parts)
        .all(|(number, part)| part.get(..2) == Some(&[number, parts.len().try_into().unwrap_or(0)]));
    if !is_whole {
        let found = parts.len();
        return Colours::Unusable(format!(
            "the colour profile is broken: {found} segment(s) do not make one"
        ));
    }
    let profile: Vec<u8> = parts.into_iter().flat_map(|part| &part[2..]).copied().collect();
    Colours::of_profile(&profile)
}

/// The file's EXIF block, from the header of its TIFF structure on.
pub(super) fn exif_block(bytes: &[u8]) -> Option<&[u8]> {
    contents(bytes, EXIF, b"Exif\0\0").next()
}

/// What stands behind `name` in the segments that begin with it.
fn contents<'a>(bytes: &'a [u8], marker: u8, name: &'static [u8]) -> impl Iterator<Item = &'a [u8]> {
    let segments = segments(bytes).filter(move |segment| segment.marker == marker);
    segments.filter_map(move |segment| segment.content.strip_prefix(name))
}

/// How many components the file has; 0 where its headers do not say.
pub(super) fn components(bytes: &[u8]) -> u8 {
    let is_frame = |marker: u8| matches!(marker, 0xC0..=0xC2);
    let frame = segments(bytes).find(|segment| is_frame(segment.marker));
    frame.and_then(|frame| frame.content.get(5).copied()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_parts(parts: &[(u8, u8)]) -> Vec<u8> {
        let mut bytes = vec![0xFF, 0xD8];
        for (number, of) in parts {
            bytes.extend([0xFF, ICC_PROFILE, 0, 20]);
            bytes.extend(b"ICC_PROFILE\0".iter().chain(&[*number, *of, 1, 2, 3, 4]));
        }
        bytes
    }

    #[test]
    fn a_profile_of_which_a_segment_is_missing_twice_there_or_miscounted_is_told() {
        for parts in
            [&[(1, 2)][..], &[(2, 2)], &[(1, 2), (1, 2)], &[(0, 1)], &[(1, 3), (3, 3)], &[(1, 1), (2, 1)]]
        {
            let Colours::Unusable(detail) = of(&with_parts(parts)) else { panic!("{parts:?}") };
            assert!(detail.contains("do not make one"), "{detail}");
        }
        // Whole, in any order, and then no profile.
        let Colours::Unusable(detail) = of(&with_parts(&[(2, 2), (1, 2)])) else {
            panic!("it is no profile")
        };
        assert!(!detail.contains("do not make one"), "{detail}");
        assert!(matches!(of(&[0xFF, 0xD8]), Colours::Srgb));
    }
}
