//! How the components of a JPEG are laid out, and which layouts the decoder gets wrong.
//!
//! zune-jpeg decodes some legal files to wrong pixels without an error: every other row is black where chroma
//! is sampled finer than luma, and colours are those of one component where each has a scan of its own. A
//! photo with wrong pixels is worse than none, so these are refused by name.

use super::markers::{
    ARITHMETIC_CONDITIONING, BASELINE, EXTENDED, EXTENSION, HUFFMAN_TABLES, PROGRESSIVE, START_OF_SCAN,
};
use super::segments::{Segment, segments};

/// What stands in the frame's header and in that of the first scan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Arrangement {
    process: u8,
    precision: u8,
    /// Blocks per MCU along x and y, by component.
    sampling: Vec<(u8, u8)>,
    /// Components of the first scan.
    in_first_scan: u8,
}

/// Why the whole of a JPEG cannot be decoded rightly; `None` where it can, and where its headers are damaged,
/// which the decoder says better.
pub(super) fn unsupported(bytes: &[u8]) -> Option<String> {
    parse(bytes)?.problem()
}

fn parse(bytes: &[u8]) -> Option<Arrangement> {
    let mut found = Arrangement::default();
    for Segment { marker, content, .. } in segments(bytes) {
        match marker {
            HUFFMAN_TABLES | EXTENSION | ARITHMETIC_CONDITIONING => {}
            0xC0..=0xCF if found.process == 0 => {
                let [precision, _, _, _, _, _, rows @ ..] = content else { return None };
                found.process = marker;
                found.precision = *precision;
                found.sampling =
                    rows.as_chunks::<3>().0.iter().map(|row| (row[1] >> 4, row[1] & 15)).collect();
            }
            START_OF_SCAN => {
                found.in_first_scan = *content.first()?;
                return (found.process != 0).then_some(found);
            }
            _ => {}
        }
    }
    None
}

impl Arrangement {
    fn problem(&self) -> Option<String> {
        let count = self.sampling.len();
        match self.process {
            BASELINE | EXTENDED | PROGRESSIVE => {}
            0xC3 | 0xC7 | 0xCB | 0xCF => return Some("it is coded without loss".to_owned()),
            0xC5 | 0xC6 | 0xCD | 0xCE => return Some("it is coded in levels (hierarchical)".to_owned()),
            _ => return Some("it is coded arithmetically".to_owned()),
        }
        if self.precision != 8 {
            return Some(format!("its samples have {} bits", self.precision));
        }
        if !matches!(count, 1 | 3 | 4) {
            return Some(format!("it has {count} components"));
        }
        let (&(h, v), others) = self.sampling.split_first()?;
        for &(own_h, own_v) in others {
            if own_h > h || own_v > v {
                return Some(format!("a colour is sampled {own_h}×{own_v}, finer than the first, {h}×{v}"));
            }
            if own_h == 0 || own_v == 0 || h % own_h != 0 || v % own_v != 0 {
                return Some(format!("a colour is sampled {own_h}×{own_v}, no whole share of {h}×{v}"));
            }
        }
        let is_apart = self.process != PROGRESSIVE && usize::from(self.in_first_scan) < count;
        is_apart.then(|| "its colours are in scans of their own".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file up to its first scan.
    fn file(process: u8, precision: u8, sampling: &[(u8, u8)], in_scan: u8) -> Vec<u8> {
        let count = sampling.len() as u8;
        let mut bytes = vec![0xFF, 0xD8, 0xFF, 0xE0, 0, 4, 1, 2];
        bytes.extend([0xFF, process, 0, 8 + 3 * count, precision, 0, 16, 0, 16, count]);
        for (id, (h, v)) in (1..).zip(sampling) {
            bytes.extend([id, h << 4 | v, 0]);
        }
        bytes.extend([0xFF, HUFFMAN_TABLES, 0, 2, 0xFF, START_OF_SCAN, 0, 6 + 2 * in_scan, in_scan]);
        bytes.extend(vec![0; 3 + 2 * usize::from(in_scan)]);
        bytes
    }

    #[test]
    fn usual_layouts_are_decoded() {
        let chroma = |h, v| [(h, v), (1, 1), (1, 1)];
        for sampling in [chroma(1, 1), chroma(2, 1), chroma(1, 2), chroma(2, 2), chroma(4, 1)] {
            assert_eq!(unsupported(&file(BASELINE, 8, &sampling, 3)), None, "{sampling:?}");
            assert_eq!(unsupported(&file(PROGRESSIVE, 8, &sampling, 1)), None, "{sampling:?}");
        }
        assert_eq!(unsupported(&file(EXTENDED, 8, &[(1, 1)], 1)), None);
        assert_eq!(unsupported(&file(BASELINE, 8, &[(1, 1); 4], 4)), None);
    }

    #[test]
    fn layouts_that_the_decoder_gets_wrong_are_refused_by_name() {
        let said = |file: &[u8]| unsupported(file).unwrap_or_default();
        assert!(said(&file(BASELINE, 8, &[(1, 1), (2, 2), (2, 2)], 3)).contains("finer than the first, 1×1"));
        assert!(said(&file(BASELINE, 8, &[(2, 1), (1, 2), (1, 1)], 3)).contains("1×2"));
        assert!(said(&file(BASELINE, 8, &[(3, 1), (2, 1), (1, 1)], 3)).contains("no whole share"));
        assert!(said(&file(BASELINE, 8, &[(1, 1); 3], 1)).contains("scans of their own"));
        assert!(said(&file(EXTENDED, 12, &[(1, 1); 3], 3)).contains("12 bits"));
        assert!(said(&file(0xC9, 8, &[(1, 1); 3], 3)).contains("arithmetically"));
        assert!(said(&file(0xC3, 8, &[(1, 1); 3], 3)).contains("without loss"));
        assert!(said(&file(BASELINE, 8, &[(1, 1); 2], 2)).contains("2 components"));
    }

    #[test]
    fn damaged_headers_are_left_to_the_decoder() {
        let whole = file(BASELINE, 8, &[(1, 1), (2, 2), (2, 2)], 3);
        for end in 0..whole.len() - 8 {
            assert_eq!(unsupported(&whole[..end]), None, "{end}");
        }
    }
}
