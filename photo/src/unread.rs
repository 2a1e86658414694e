//! Kinds of photos that phones and programs make and that are not read: known by their first bytes, so that
//! people are told what to do rather than that the file is damaged.

use std::fmt;

/// A kind of photo that is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unread {
    /// HEIF with HEVC inside, the photos of iPhones.
    Heic,
    /// HEIF with AV1 inside.
    Avif,
}

/// Every kind.
pub const UNREAD: [Unread; 2] = [Unread::Heic, Unread::Avif];

/// Brands by which files of the box format name themselves (ISO/IEC 23008-12, AV1 Image File Format).
const BRANDS: [(&[u8; 4], Unread); 10] = [
    (b"heic", Unread::Heic),
    (b"heix", Unread::Heic),
    (b"heim", Unread::Heic),
    (b"heis", Unread::Heic),
    (b"hevc", Unread::Heic),
    (b"hevx", Unread::Heic),
    (b"mif1", Unread::Heic),
    (b"msf1", Unread::Heic),
    (b"avif", Unread::Avif),
    (b"avis", Unread::Avif),
];

impl Unread {
    /// The kind that a file's first bytes are of, if it is one of these.
    pub fn of(head: &[u8]) -> Option<Self> {
        let (length, rest) = head.split_first_chunk::<4>()?;
        let length = (u32::from_be_bytes(*length) as usize).clamp(8, 256);
        let brands = rest.strip_prefix(b"ftyp")?;
        let brands = &brands[..brands.len().min(length - 8)];
        let named = |brand: &[u8; 4]| BRANDS.iter().find(|(name, _)| *name == brand).map(|(_, kind)| *kind);
        // The first brand is the main one; `mif1` says only that it is HEIF, and a later one what is inside.
        let found: Vec<Self> = brands.as_chunks::<4>().0.iter().filter_map(named).collect();
        let is_avif = found.contains(&Self::Avif);
        found.first().map(|&first| if is_avif { Self::Avif } else { first })
    }

    /// The kind's usual name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Heic => "HEIC",
            Self::Avif => "AVIF",
        }
    }
}

/// What to do.
impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not read: convert the photos to JPEG or PNG and take them in again", self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_known_by_its_first_bytes() {
        let boxed =
            |brands: &[u8]| [&(16 + brands.len() as u32 - 8).to_be_bytes()[..], b"ftyp", brands].concat();
        assert_eq!(Unread::of(&boxed(b"heic\0\0\0\0mif1heic")), Some(Unread::Heic));
        assert_eq!(Unread::of(&boxed(b"mif1\0\0\0\0mif1avifmiaf")), Some(Unread::Avif));
        assert_eq!(Unread::of(&boxed(b"avif\0\0\0\0avifmif1miaf")), Some(Unread::Avif));
        for other in
            [&b"\xFF\xD8\xFF\xE0"[..], b"", b"\0\0\0\x18ftypisom\0\0\0\0mp42", b"\0\0\0\x18ftyp", b"RIFF"]
        {
            assert_eq!(Unread::of(other), None, "{other:?}");
        }
    }

    #[test]
    fn the_sentence_names_the_kind_and_what_to_do() {
        for kind in UNREAD {
            assert!(kind.to_string().starts_with(&format!("{} is not read: convert", kind.name())));
        }
    }
}
