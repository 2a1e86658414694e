//! What a frame's header says: size, components, blocks. What is not decoded is refused here by name.

use super::markers::{BASELINE, EXTENDED, PROGRESSIVE};
use crate::decode::error::DecodeError;
use crate::decode::jpeg::refusals::{damaged, unsupported};

/// Samples of a block along a side.
pub(crate) const SIDE: usize = 8;

/// A frame of the Huffman processes with 8 bits: baseline, extended sequential, progressive.
pub(crate) struct Picture {
    /// Width and height in px as stored.
    pub size: (usize, usize),
    pub is_progressive: bool,
    /// One, three or four.
    pub components: Vec<Component>,
    /// The finest sampling of all components along x and y.
    pub finest: (usize, usize),
    /// MCUs along x and y of a scan of several components.
    pub mcus: (usize, usize),
}

/// One component of a frame.
pub(crate) struct Component {
    pub id: u8,
    /// Blocks per MCU along x and y.
    pub sampling: (usize, usize),
    /// Samples along x and y that show.
    pub size: (usize, usize),
    /// Blocks along x and y that show.
    pub blocks: (usize, usize),
    /// The number of its quantisation table.
    pub quantisation: usize,
}

impl Picture {
    /// Of the header of a frame with `marker`. Nothing is known of how large it is yet.
    pub fn parse(marker: u8, header: &[u8]) -> Result<Self, DecodeError> {
        match marker {
            BASELINE | EXTENDED | PROGRESSIVE => {}
            0xC3 | 0xC7 | 0xCB | 0xCF => return Err(unsupported("it is coded without loss")),
            0xC5 | 0xC6 | 0xCD | 0xCE => return Err(unsupported("it is coded in levels (hierarchical)")),
            _ => return Err(unsupported("it is coded arithmetically")),
        }
        let [precision, h1, h0, w1, w0, count, rows @ ..] = header else {
            return Err(damaged("the frame's header is cut"));
        };
        let count = usize::from(*count);
        if *precision != 8 {
            return Err(unsupported(format!("its samples have {precision} bits")));
        }
        if !matches!(count, 1 | 3 | 4) {
            return Err(unsupported(format!("it has {count} components")));
        }
        if rows.len() != 3 * count {
            let found = rows.len();
            return Err(damaged(format!("the frame's header has {found} bytes for {count} components")));
        }
        let side = |high, low| usize::from(u16::from_be_bytes([high, low]));
        let size = (side(*w1, *w0), side(*h1, *h0));
        if size.1 == 0 {
            return Err(unsupported("its height stands behind its first scan (DNL)"));
        }
        if size.0 == 0 {
            return Err(damaged("its width is 0"));
        }
        let rows = rows.as_chunks::<3>().0;
        let sampling = |row: &[u8; 3]| match row[1] {
            // One component alone is stored block by block, whatever its sampling says.
            _ if count == 1 => (1, 1),
            both => (usize::from(both >> 4), usize::from(both & 15)),
        };
        if let Some([id, both, _]) =
            rows.iter().find(|row| !matches!((row[1] >> 4, row[1] & 15), (1..=4, 1..=4)))
        {
            return Err(damaged(format!("component {id} is sampled {}×{}", both >> 4, both & 15)));
        }
        let finest =
            rows.iter().map(sampling).fold((1, 1), |most, own| (most.0.max(own.0), most.1.max(own.1)));
        let component = |row: &[u8; 3]| {
            let sampling = sampling(row);
            let shown = |length: usize, own: usize, finest: usize| (length * own).div_ceil(finest);
            let size = (shown(size.0, sampling.0, finest.0), shown(size.1, sampling.1, finest.1));
            let blocks = (size.0.div_ceil(SIDE), size.1.div_ceil(SIDE));
            Component { id: row[0], sampling, size, blocks, quantisation: row[2].into() }
        };
        let components: Vec<_> = rows.iter().map(component).collect();
        let of_finest = |own: usize, finest: usize| finest.is_multiple_of(own);
        if let Some(Component { sampling: (h, v), .. }) = components.iter().find(|component| {
            !of_finest(component.sampling.0, finest.0) || !of_finest(component.sampling.1, finest.1)
        }) {
            // libjpeg: “fractional sampling not implemented yet”.
            let (most_h, most_v) = finest;
            return Err(unsupported(format!(
                "a colour is sampled {h}×{v}, no whole share of {most_h}×{most_v}"
            )));
        }
        let mcus = (size.0.div_ceil(SIDE * finest.0), size.1.div_ceil(SIDE * finest.1));
        Ok(Self { size, is_progressive: marker == PROGRESSIVE, components, finest, mcus })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame's header of 16×16 px.
    fn header(precision: u8, sampling: &[(u8, u8)]) -> Vec<u8> {
        let mut bytes = vec![precision, 0, 16, 0, 16, sampling.len() as u8];
        for (id, (h, v)) in (1..).zip(sampling) {
            bytes.extend([id, h << 4 | v, 0]);
        }
        bytes
    }

    #[test]
    fn every_layout_of_whole_shares_is_known() {
        let chroma = |h, v| [(h, v), (1, 1), (1, 1)];
        for sampling in [chroma(1, 1), chroma(2, 1), chroma(1, 2), chroma(2, 2), chroma(4, 1), chroma(3, 1)] {
            assert!(Picture::parse(BASELINE, &header(8, &sampling)).is_ok(), "{sampling:?}");
            assert!(Picture::parse(PROGRESSIVE, &header(8, &sampling)).is_ok(), "{sampling:?}");
        }
        for sampling in [[(1, 1), (2, 2), (2, 2)], [(2, 1), (1, 2), (1, 1)], [(1, 2), (4, 2), (2, 1)]] {
            assert!(Picture::parse(EXTENDED, &header(8, &sampling)).is_ok(), "{sampling:?}");
        }
        assert!(Picture::parse(EXTENDED, &header(8, &[(1, 1); 4])).is_ok());
        let grey = Picture::parse(BASELINE, &header(8, &[(2, 2)])).unwrap();
        assert_eq!((grey.mcus, grey.components[0].blocks), ((2, 2), (2, 2)));
    }

    #[test]
    fn what_is_not_decoded_is_refused_by_name() {
        let said = |marker: u8, header: &[u8]| match Picture::parse(marker, header) {
            Err(DecodeError::Unsupported { detail, .. }) => detail,
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("it is known"),
        };
        assert!(said(BASELINE, &header(8, &[(3, 1), (2, 1), (1, 1)])).contains("2×1, no whole share of 3×1"));
        assert!(said(BASELINE, &header(8, &[(2, 3), (2, 2), (1, 1)])).contains("no whole share"));
        assert!(said(EXTENDED, &header(12, &[(1, 1); 3])).contains("12 bits"));
        assert!(said(0xC9, &header(8, &[(1, 1); 3])).contains("arithmetically"));
        assert!(said(0xC3, &header(8, &[(1, 1); 3])).contains("without loss"));
        assert!(said(0xC5, &header(8, &[(1, 1); 3])).contains("hierarchical"));
        assert!(said(BASELINE, &header(8, &[(1, 1); 2])).contains("2 components"));
        assert!(said(BASELINE, &[8, 0, 0, 0, 16, 1, 1, 0x11, 0]).contains("DNL"));
    }

    #[test]
    fn a_damaged_header_is_no_picture() {
        let whole = header(8, &[(2, 2), (1, 1), (1, 1)]);
        for end in 0..whole.len() {
            assert!(Picture::parse(BASELINE, &whole[..end]).is_err(), "{end}");
        }
        for both in [0x00, 0x10, 0x51, 0x15] {
            let mut damaged = whole.clone();
            damaged[7] = both;
            assert!(matches!(Picture::parse(BASELINE, &damaged), Err(DecodeError::Damaged { .. })));
        }
        let mut flat = whole;
        flat[4] = 0;
        assert!(matches!(Picture::parse(BASELINE, &flat), Err(DecodeError::Damaged { .. })));
    }
}
