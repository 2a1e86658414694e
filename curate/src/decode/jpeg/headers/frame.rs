//! The segments of a plain JPEG in front of its one scan: size, components, tables.

use super::markers::{
    ADOBE, BASELINE, COMMENT, EXTENDED, HUFFMAN_TABLES, JFIF, QUANTISATION_TABLES, RESTART_INTERVAL,
    START_OF_IMAGE, START_OF_SCAN,
};
use super::segments::{Segment, next_segment};
use super::tables::{HuffmanSpecs, QuantTables, read_huffman_specs, read_quant_tables};

/// A frame of the plain kind: baseline or extended Huffman, 8 bits, grey or YCbCr, everything in one scan.
pub(crate) struct Frame<'a> {
    /// Width in px as stored.
    pub width: usize,
    /// Height in px as stored.
    pub height: usize,
    /// Y, or Y, Cb, Cr.
    pub components: Vec<Component>,
    /// MCUs between two restart markers; 0: none.
    pub restart_interval: usize,
    pub tables: HuffmanSpecs<'a>,
    /// The bytes behind the scan's header.
    pub scan: &'a [u8],
}

/// One component of a frame.
pub(crate) struct Component {
    id: u8,
    /// Blocks per MCU, along x and y.
    pub sampling: (usize, usize),
    /// The quantisation table, in zigzag order.
    pub quant_table: [u16; 64],
    quantisation: usize,
    /// The numbers of its DC and its AC Huffman table.
    pub huffman: [usize; 2],
}

impl<'a> Frame<'a> {
    /// The frame of a plain JPEG; `None` for any other, damaged ones included.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let mut rest = bytes.strip_prefix(&START_OF_IMAGE)?;
        let mut frame: Option<Frame> = None;
        let mut tables = [[None; 4]; 2];
        let mut quant_tables = [None; 4];
        let mut restart_interval = 0;
        let (mut is_jfif, mut adobe_transform) = (false, None);
        loop {
            let Segment { marker, content: segment, rest: behind } = next_segment(rest)?;
            rest = behind;
            match marker {
                BASELINE | EXTENDED if frame.is_none() => frame = Some(Self::of_header(segment)?),
                HUFFMAN_TABLES => read_huffman_specs(segment, &mut tables)?,
                QUANTISATION_TABLES => read_quant_tables(segment, &mut quant_tables)?,
                RESTART_INTERVAL => {
                    restart_interval = usize::from(u16::from_be_bytes(segment.try_into().ok()?));
                }
                JFIF => is_jfif |= segment.starts_with(b"JFIF\0"),
                ADOBE if segment.starts_with(b"Adobe") => adobe_transform = segment.get(11).copied(),
                START_OF_SCAN => {
                    let mut frame = frame?;
                    (frame.tables, frame.restart_interval, frame.scan) = (tables, restart_interval, rest);
                    frame.choose_tables(segment, &quant_tables)?;
                    return (frame.components.len() == 1 || frame.is_ycbcr(is_jfif, adobe_transform))
                        .then_some(frame);
                }
                0xE1..=0xEF | COMMENT => {}
                _ => return None, // progressive, arithmetic, hierarchical, lossless
            }
        }
    }

    fn of_header(segment: &[u8]) -> Option<Self> {
        let [8, h1, h0, w1, w0, count, rows @ ..] = segment else { return None };
        let side = |high, low| Some(usize::from(u16::from_be_bytes([high, low]))).filter(|&side| side > 0);
        if !matches!(count, 1 | 3) || rows.len() != 3 * usize::from(*count) {
            return None;
        }
        let component = |row: &[u8; 3]| Component {
            id: row[0],
            // One component alone is stored block by block, whatever its sampling says.
            sampling: if *count == 1 { (1, 1) } else { ((row[1] >> 4).into(), (row[1] & 15).into()) },
            quant_table: [0; 64],
            quantisation: row[2].into(),
            huffman: [0; 2],
        };
        Some(Self {
            width: side(*w1, *w0)?,
            height: side(*h1, *h0)?,
            components: rows.as_chunks().0.iter().map(component).collect(),
            restart_interval: 0,
            tables: [[None; 4]; 2],
            scan: &[],
        })
    }

    /// Reads the scan's header; it has to hold every component and every frequency.
    fn choose_tables(&mut self, segment: &[u8], quant_tables: &QuantTables) -> Option<()> {
        let (&count, rows) = segment.split_first()?;
        let rows = rows.strip_suffix(&[0, 63, 0])?;
        if usize::from(count) != self.components.len() || rows.len() != 2 * self.components.len() {
            return None;
        }
        for (component, row) in self.components.iter_mut().zip(rows.as_chunks::<2>().0) {
            component.huffman = [usize::from(row[1] >> 4), usize::from(row[1] & 15)];
            component.quant_table = (*quant_tables.get(component.quantisation)?)?;
            let known =
                |kind: usize| self.tables[kind].get(component.huffman[kind]).is_some_and(Option::is_some);
            if row[0] != component.id || !known(0) || !known(1) {
                return None;
            }
        }
        Some(())
    }

    /// Whether the colours are surely YCbCr; RGB and what only a guess would tell is left to others.
    fn is_ycbcr(&self, is_jfif: bool, adobe_transform: Option<u8>) -> bool {
        let ids: Vec<u8> = self.components.iter().map(|component| component.id).collect();
        match adobe_transform {
            Some(transform) => transform == 1,
            None => is_jfif || ids == [1, 2, 3],
        }
    }
}
