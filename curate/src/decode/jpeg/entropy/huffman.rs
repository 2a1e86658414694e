//! Huffman tables that are ready to decode: by the next bits of a scan, what stands there.

use crate::decode::jpeg::headers::tables::HuffmanSpec;

/// Codes up to this length are found by one look-up; the few longer ones bit by bit.
pub(super) const LOOK_UP_BITS: u32 = 10;

/// Bits that are looked up to pass over coefficients. Two more bits hold half a coefficient more, and
/// the tables of two components still lie in the nearest cache.
pub(super) const SKIP_BITS: u32 = 12;

/// Coefficients of a block.
pub(super) const ALL: usize = 64;

/// Some zeros and the coefficient behind them. A value of 0 says that there is none: after 0 zeros the block
/// ends (EOB), after 15 it goes on behind 16 zeros (ZRL).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Run {
    pub zeros: u8,
    pub value: i16,
}

/// A Huffman table that is ready to decode.
pub(crate) struct Huffman {
    /// By the next bits: the code's length and its symbol; length 0 where the code is longer.
    pub(super) short: Vec<(u8, u8)>,
    /// By length: the first code beyond those of this length, moved to 16 bits, and what to add for the
    /// symbol's place.
    pub(super) long: [(u32, i32); 17],
    pub(super) symbols: Vec<u8>,
    /// By the next bits: what a code and its number say together. Most coefficients are small, so one look-up
    /// reads them whole.
    pub(super) runs: Box<[WholeRun; 1 << LOOK_UP_BITS]>,
}

/// A [`Run`] and how many bits its code and its number take together, in one word: the number in the upper
/// half, the zeros and the bits in a byte each. 0 bits where they take more than a look-up has.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct WholeRun(u32);

impl WholeRun {
    fn new(bits: u32, Run { zeros, value }: Run) -> Self {
        Self(u32::from(value as u16) << 16 | u32::from(zeros) << 8 | bits)
    }

    #[inline(always)]
    pub fn bits(self) -> u32 {
        self.0 & 0xFF
    }

    #[inline(always)]
    pub fn run(self) -> Run {
        Run { zeros: (self.0 >> 8) as u8, value: (self.0 >> 16) as i16 }
    }
}

/// What passes over the coefficients of a table that nobody asks for. By the next bits: the whole runs among
/// them.
pub(crate) struct Skips(pub(super) Box<[Skip; 1 << SKIP_BITS]>);

/// Some runs that follow each other.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Skip {
    /// The bits they take.
    pub bits: u8,
    /// How many coefficients they are; more by [`ENDS`] where the block ends behind them, [`NONE`] where no
    /// run is whole. So a sum below [`ALL`] is all that has to be asked for nearly always.
    pub coefficients: u8,
}

/// Added to a count of coefficients behind which the block ends.
pub(super) const ENDS: usize = 128;
/// In place of a count: not even one run is whole.
const NONE: u8 = 255;

impl Huffman {
    /// `None` where the lengths make no prefix code.
    pub fn new(codes: HuffmanSpec) -> Option<Self> {
        let mut short = vec![(0, 0); 1 << LOOK_UP_BITS];
        let mut long = [(0, 0); 17];
        let (mut code, mut place) = (0_u32, 0_usize);
        for (length, &count) in (1_u32..).zip(codes.counts) {
            long[length as usize].1 = place as i32 - code as i32;
            for _ in 0..count {
                if code >= 1 << length {
                    return None;
                }
                if length <= LOOK_UP_BITS {
                    let spare = LOOK_UP_BITS - length;
                    let first = (code << spare) as usize;
                    short[first..first + (1 << spare)].fill((length as u8, *codes.symbols.get(place)?));
                }
                (code, place) = (code + 1, place + 1);
            }
            long[length as usize].0 = code << (16 - length);
            code <<= 1;
        }
        Some(Self { runs: runs(&short), short, long, symbols: codes.symbols.to_vec() })
    }
}

fn runs(short: &[(u8, u8)]) -> Box<[WholeRun; 1 << LOOK_UP_BITS]> {
    let run = |next: usize| {
        let (length, symbol) = short[next];
        let (zeros, bits) = (symbol >> 4, u32::from(symbol & 15));
        let all = u32::from(length) + bits;
        if length == 0 || all > LOOK_UP_BITS {
            return WholeRun::default();
        }
        let number = next >> (LOOK_UP_BITS - all) & ((1 << bits) - 1);
        WholeRun::new(all, Run { zeros, value: signed(number as i32, bits) as i16 })
    };
    Box::new(std::array::from_fn(run))
}

impl Skips {
    /// Of the runs of `table`.
    pub fn of(table: &Huffman) -> Self {
        let skips: Vec<Skip> = (0..1 << SKIP_BITS).map(|next| Self::skip(&table.runs, next)).collect();
        Self(skips.try_into().expect("as many as there are bits"))
    }

    /// The whole runs among the bits `next`.
    fn skip(runs: &[WholeRun; 1 << LOOK_UP_BITS], next: usize) -> Skip {
        let (mut read, mut coefficients) = (0, 0_usize);
        loop {
            // Bits behind the known ones are taken as zeros; a run that reaches into them is not whole.
            let ahead = next << read & ((1 << SKIP_BITS) - 1);
            let whole = runs[ahead >> (SKIP_BITS - LOOK_UP_BITS)];
            let bits = whole.bits();
            let more = match whole.run() {
                _ if bits == 0 || read + bits > SKIP_BITS => None,
                Run { value: 0, zeros: 0 } => Some(ENDS),
                Run { value: 0, zeros: 15 } => Some(16),
                Run { value: 0, .. } => None,
                Run { zeros, .. } => Some(usize::from(zeros) + 1),
            };
            // More than a block holds is some other block's; what is odd is read run by run.
            let Some(more) = more.filter(|more| coefficients + more % ENDS < ALL) else {
                return if read == 0 {
                    Skip { bits: 0, coefficients: NONE }
                } else {
                    Skip { bits: read as u8, coefficients: coefficients as u8 }
                };
            };
            (read, coefficients) = (read + bits, coefficients + more);
            if more == ENDS {
                return Skip { bits: read as u8, coefficients: coefficients as u8 };
            }
        }
    }
}

/// The number that `bits` bits stand for: the first half of their values are negative ones.
pub(super) fn signed(value: i32, bits: u32) -> i32 {
    if bits > 0 && value < 1 << (bits - 1) { value - (1 << bits) + 1 } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_that_are_no_prefix_code_make_no_table() {
        let mut counts = [0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0]; // ITU-T T.81, K.3.1
        assert!(Huffman::new(HuffmanSpec { counts: &counts, symbols: &[0; 20] }).is_some());
        counts[0] = 3;
        assert!(Huffman::new(HuffmanSpec { counts: &counts, symbols: &[0; 20] }).is_none());
    }
}
