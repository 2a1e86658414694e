//! What the segments of a JPEG set, which holds until another one says otherwise.

use super::markers::{
    ARITHMETIC_CONDITIONING, EXTENSION, HUFFMAN_TABLES, QUANTISATION_TABLES, RESTART_INTERVAL,
};
use super::segments::Segment;
use super::tables::{HuffmanSpecs, QuantTables, read_huffman_specs, read_quant_tables};
use crate::decode::error::DecodeError;
use crate::decode::jpeg::refusals::damaged;

/// Tables, and how many MCUs stand between two restart markers; 0: there are none.
#[derive(Default)]
pub(crate) struct Settings<'a> {
    pub huffman: HuffmanSpecs<'a>,
    pub quantisation: QuantTables,
    pub restart_interval: usize,
}

impl<'a> Settings<'a> {
    /// Takes over what a segment behind the frame's header, or beside it, says.
    pub fn read(&mut self, segment: &Segment<'a>) -> Result<(), DecodeError> {
        let content = segment.content;
        match segment.marker {
            HUFFMAN_TABLES => read_huffman_specs(content, &mut self.huffman)
                .ok_or_else(|| damaged("a Huffman table is cut")),
            QUANTISATION_TABLES => read_quant_tables(content, &mut self.quantisation)
                .ok_or_else(|| damaged("a quantisation table is cut")),
            RESTART_INTERVAL => {
                let interval =
                    content.try_into().map_err(|_| damaged("the restart interval is no number"))?;
                self.restart_interval = u16::from_be_bytes(interval).into();
                Ok(())
            }
            0xC0..=0xCF if !matches!(segment.marker, EXTENSION | ARITHMETIC_CONDITIONING) => {
                Err(damaged("it has two frames"))
            }
            _ => Ok(()),
        }
    }
}
