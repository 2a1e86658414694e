//! The tables of a JPEG as its segments write them.

/// A Huffman table as the file writes it.
#[derive(Clone, Copy)]
pub(crate) struct HuffmanSpec<'a> {
    /// How many codes there are of 1 to 16 bits.
    pub counts: &'a [u8],
    /// What they stand for, shortest code first.
    pub symbols: &'a [u8],
}

/// The DC and the AC Huffman tables, by index.
pub(crate) type HuffmanSpecs<'a> = [[Option<HuffmanSpec<'a>>; 4]; 2];

/// The quantisation tables, by index, each in the file's order.
pub(crate) type QuantTables = [Option<[u16; 64]>; 4];

/// Reads the Huffman tables of a segment.
pub(crate) fn read_huffman_specs<'a>(mut segment: &'a [u8], tables: &mut HuffmanSpecs<'a>) -> Option<()> {
    while let Some((&place, rest)) = segment.split_first() {
        let (counts, rest) = rest.split_at_checked(16)?;
        let all = counts.iter().map(|&count| usize::from(count)).sum();
        let (symbols, rest) = rest.split_at_checked(all)?;
        *tables.get_mut(usize::from(place >> 4))?.get_mut(usize::from(place & 15))? =
            Some(HuffmanSpec { counts, symbols });
        segment = rest;
    }
    Some(())
}

/// Reads the quantisation tables of a segment.
pub(crate) fn read_quant_tables(mut segment: &[u8], quant_tables: &mut QuantTables) -> Option<()> {
    while let Some((&place, rest)) = segment.split_first() {
        let is_wide = match place >> 4 {
            0 => false,
            1 => true,
            _ => return None,
        };
        let (table, rest) = rest.split_at_checked(if is_wide { 128 } else { 64 })?;
        let step = |i: usize| {
            if is_wide { u16::from_be_bytes([table[2 * i], table[2 * i + 1]]) } else { table[i].into() }
        };
        *quant_tables.get_mut(usize::from(place & 15))? = Some(std::array::from_fn(step));
        segment = rest;
    }
    Some(())
}
