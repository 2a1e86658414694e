//! In which colours the components of a JPEG are stored. No header says so; the rules are libjpeg's
//! (`default_decompress_parms`).

use super::markers::{ADOBE, JFIF};

/// What the components are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Space {
    Grey,
    Rgb,
    YCbCr,
    /// Four inks as stored.
    Cmyk,
    /// YCbCr of the inks' complement, and black as stored.
    Ycck,
}

/// The segments that tell.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Marks {
    is_jfif: bool,
    adobe_transform: Option<u8>,
}

impl Marks {
    /// Takes note of a segment.
    pub fn read(&mut self, marker: u8, content: &[u8]) {
        match marker {
            JFIF => self.is_jfif |= content.len() >= 14 && content.starts_with(b"JFIF\0"),
            ADOBE if content.starts_with(b"Adobe") => {
                self.adobe_transform = content.get(11).copied().or(self.adobe_transform);
            }
            _ => {}
        }
    }

    /// The colours of components with these ids, one, three or four.
    pub fn space(self, ids: &[u8]) -> Space {
        match (ids, self.adobe_transform) {
            ([_], _) => Space::Grey,
            ([_, _, _, _], None | Some(0)) => Space::Cmyk,
            ([_, _, _, _], Some(_)) => Space::Ycck,
            (_, Some(0)) | (b"RGB", None) if !self.is_jfif => Space::Rgb,
            _ => Space::YCbCr,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adobe(transform: u8) -> Vec<u8> {
        [b"Adobe\0\x64\0\0\0\0".as_slice(), &[transform]].concat()
    }

    #[test]
    fn colours_are_told_as_libjpeg_tells_them() {
        let jfif = b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0".to_vec();
        let of = |segments: &[(u8, Vec<u8>)], ids: &[u8]| {
            let mut marks = Marks::default();
            segments.iter().for_each(|(marker, content)| marks.read(*marker, content));
            marks.space(ids)
        };
        assert_eq!(of(&[(ADOBE, adobe(0))], &[7]), Space::Grey);
        assert_eq!(of(&[], &[1, 2, 3]), Space::YCbCr);
        assert_eq!(of(&[], &[0, 1, 2]), Space::YCbCr);
        assert_eq!(of(&[], b"RGB"), Space::Rgb);
        assert_eq!(of(&[(JFIF, jfif.clone())], b"RGB"), Space::YCbCr);
        assert_eq!(of(&[(JFIF, jfif.clone()), (ADOBE, adobe(0))], &[1, 2, 3]), Space::YCbCr);
        assert_eq!(of(&[(ADOBE, adobe(0))], &[1, 2, 3]), Space::Rgb);
        assert_eq!(of(&[(ADOBE, adobe(1))], b"RGB"), Space::YCbCr);
        assert_eq!(of(&[(ADOBE, adobe(2))], &[1, 2, 3]), Space::YCbCr);
        assert_eq!(of(&[(ADOBE, adobe(0)[..11].to_vec())], &[1, 2, 3]), Space::YCbCr);
        assert_eq!(of(&[], &[1, 2, 3, 4]), Space::Cmyk);
        assert_eq!(of(&[(ADOBE, adobe(0))], &[1, 2, 3, 4]), Space::Cmyk);
        assert_eq!(of(&[(ADOBE, adobe(1))], &[1, 2, 3, 4]), Space::Ycck);
        assert_eq!(of(&[(ADOBE, adobe(2)), (JFIF, jfif)], &[1, 2, 3, 4]), Space::Ycck);
    }
}
