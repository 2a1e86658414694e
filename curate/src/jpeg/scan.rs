//! The entropy-coded bytes of a JPEG scan: bits, Huffman codes, and an exact account of both.
//!
//! `None` anywhere means that the scan is not what its header promised: a code that does not exist, bits that run out
//! before the last block, bytes left over behind it. Decoders that are made to show something fill such gaps with grey.

use super::frame::Codes;

/// Codes up to this length are found by one look-up; the few longer ones bit by bit.
const LOOK_UP_BITS: u32 = 10;

/// Some zeros and the coefficient behind them; a value of 0 says that there is none: the block ends, or 16 zeros stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Run {
    pub zeros: u8,
    pub value: i16,
}

/// A Huffman table that is ready to decode.
pub(super) struct Huffman {
    /// By the next bits: the code's length and its symbol; length 0 where the code is longer.
    short: Vec<(u8, u8)>,
    /// By length: the first code beyond those of this length, moved to 16 bits, and what to add for the symbol's place.
    long: [(u32, i32); 17],
    symbols: Vec<u8>,
    /// By the next bits: how many of them a code and its number take together, and what they say; 0 bits where they take
    /// more. Most coefficients are small, so one look-up reads them whole.
    runs: Vec<(u8, Run)>,
    /// By the next bits: the whole runs among them, for coefficients that nobody asks for.
    skips: Vec<Skip>,
}

/// Some runs that follow each other.
#[derive(Clone, Copy, Debug, Default)]
struct Skip {
    /// The bits they take; 0 where not even one is whole.
    bits: u8,
    /// How many coefficients they are.
    coefficients: u8,
    /// Whether the block ends behind them.
    ends: bool,
}

impl Huffman {
    /// `None` where the lengths make no prefix code.
    pub fn new(codes: Codes) -> Option<Self> {
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
        let runs = runs(&short);
        Some(Self { skips: skips(&runs), runs, short, long, symbols: codes.symbols.to_vec() })
    }
}

fn runs(short: &[(u8, u8)]) -> Vec<(u8, Run)> {
    let run = |(next, &(length, symbol)): (usize, &(u8, u8))| {
        let (zeros, bits) = (symbol >> 4, u32::from(symbol & 15));
        let all = u32::from(length) + bits;
        if length == 0 || all > LOOK_UP_BITS {
            return (0, Run::default());
        }
        let number = next >> (LOOK_UP_BITS - all) & ((1 << bits) - 1);
        (all as u8, Run { zeros, value: signed(number as i32, bits) as i16 })
    };
    short.iter().enumerate().map(run).collect()
}

fn skips(runs: &[(u8, Run)]) -> Vec<Skip> {
    let skip = |next: usize| {
        let mut skip = Skip::default();
        loop {
            // Bits behind the known ones are taken as zeros; a run that reaches into them is not whole.
            let (bits, run) = runs[next << skip.bits & (runs.len() - 1)];
            if bits == 0 || skip.bits + bits > LOOK_UP_BITS as u8 || skip.ends {
                return skip;
            }
            match run {
                Run { value: 0, zeros: 0 } => skip.ends = true,
                Run { value: 0, zeros: 15 } => skip.coefficients += 16,
                Run { value: 0, .. } => return skip,
                Run { zeros, .. } => skip.coefficients += zeros + 1,
            }
            skip.bits += bits;
        }
    };
    (0..runs.len()).map(skip).collect()
}

/// The number that `bits` bits stand for: the first half of their values are negative ones.
fn signed(value: i32, bits: u32) -> i32 {
    if bits > 0 && value < 1 << (bits - 1) { value - (1 << bits) + 1 } else { value }
}

/// The bits of a scan.
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    /// The next bits, the very next one on top; zeros behind the last.
    ahead: u64,
    /// How many of them are real.
    count: u32,
}

impl<'a> Bits<'a> {
    /// Of the bytes behind the scan's header.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, ahead: 0, count: 0 }
    }

    /// At least 32 bits, unless a marker or the end comes before.
    #[inline]
    fn refill(&mut self) {
        if self.count < 32 {
            self.fill();
        }
    }

    fn fill(&mut self) {
        if let Some(next) = self.bytes.get(self.at..self.at + 4) {
            let word = u32::from_be_bytes([next[0], next[1], next[2], next[3]]);
            let has_ff = (!word).wrapping_sub(0x0101_0101) & word & 0x8080_8080 != 0;
            if !has_ff {
                self.ahead |= u64::from(word) << (32 - self.count);
                self.count += 32;
                self.at += 4;
                return;
            }
        }
        while self.count < 32 {
            let width = match self.bytes.get(self.at..) {
                Some([0xFF, 0, ..]) => 2, // a byte of 0xFF, marked as data by the 0
                None | Some([] | [0xFF, ..]) => return,
                Some(_) => 1,
            };
            self.ahead |= u64::from(self.bytes[self.at]) << (56 - self.count);
            self.count += 8;
            self.at += width;
        }
    }

    #[inline]
    fn skip(&mut self, bits: u32) -> Option<()> {
        self.count = self.count.checked_sub(bits)?;
        self.ahead <<= bits;
        Some(())
    }

    /// The next symbol. Leaves at least 16 bits ahead, where the scan has them, for the number that may follow.
    pub fn symbol(&mut self, table: &Huffman) -> Option<u8> {
        self.refill();
        let (length, symbol) = table.short[(self.ahead >> (64 - LOOK_UP_BITS)) as usize];
        if length > 0 {
            self.skip(length.into())?;
            return Some(symbol);
        }
        let next = (self.ahead >> 48) as u32;
        let length = (LOOK_UP_BITS + 1..=16).find(|&length| next < table.long[length as usize].0)?;
        let place = (next >> (16 - length)) as i32 + table.long[length as usize].1;
        self.skip(length)?;
        table.symbols.get(usize::try_from(place).ok()?).copied()
    }

    /// Passes over the rest of a block whose next coefficient is the `at`th.
    #[inline]
    pub fn skip_block(&mut self, mut at: usize, table: &Huffman) -> Option<()> {
        while at < 64 {
            self.refill();
            let Skip { bits, coefficients, ends } = table.skips[(self.ahead >> (64 - LOOK_UP_BITS)) as usize];
            let behind = at + usize::from(coefficients);
            // The bits behind a block's last coefficient belong to the next block.
            if bits > 0 && behind + usize::from(ends) <= 64 {
                self.skip(bits.into())?;
                if ends {
                    return Some(());
                }
                at = behind;
                continue;
            }
            match self.run(table)? {
                Run { value: 0, zeros: 0 } => return Some(()),
                Run { value: 0, zeros: 15 } => at += 16,
                Run { value: 0, .. } => return None,
                Run { zeros, .. } => at += usize::from(zeros) + 1,
            }
        }
        (at == 64).then_some(())
    }

    /// The next zeros and the coefficient behind them.
    #[inline]
    pub fn run(&mut self, table: &Huffman) -> Option<Run> {
        self.refill();
        let (bits, run) = table.runs[(self.ahead >> (64 - LOOK_UP_BITS)) as usize];
        if bits > 0 {
            self.skip(bits.into())?;
            return Some(run);
        }
        let symbol = self.symbol(table)?;
        let value = self.number(u32::from(symbol & 15))?;
        Some(Run { zeros: symbol >> 4, value: value as i16 })
    }

    /// A number of `bits` bits (at most 15), whose first half of values stands for negative ones.
    pub fn number(&mut self, bits: u32) -> Option<i32> {
        if bits == 0 {
            return Some(0);
        }
        let value = (self.ahead >> (64 - bits)) as i32;
        self.skip(bits)?;
        Some(signed(value, bits))
    }

    /// The marker behind the last bits. Less than a byte may be left, which fills up the last one.
    pub fn marker(&mut self) -> Option<u8> {
        self.refill();
        if self.count >= 8 {
            return None;
        }
        let fills = self.bytes.get(self.at..)?.iter().take_while(|&&byte| byte == 0xFF).count();
        let marker = *self.bytes.get(self.at + fills)?;
        (self.at, self.ahead, self.count) = (self.at + fills + 1, 0, 0);
        (fills > 0).then_some(marker)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of ITU-T T.81, K.3.1 (constant coefficients of luma).
    const COUNTS: [u8; 16] = [0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0];
    const SYMBOLS: [u8; 12] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];

    fn table() -> Huffman {
        Huffman::new(Codes { counts: &COUNTS, symbols: &SYMBOLS }).unwrap()
    }

    #[test]
    fn codes_and_numbers_are_read_as_the_standard_writes_them() {
        // 1110 = symbol 6, then 6 bits 000000 = -63; 00 = symbol 0; padding 1111
        let mut bits = Bits::new(&[0b1110_0000, 0b0000_1111, 0xFF, 0xD9]);
        assert_eq!(bits.symbol(&table()), Some(6));
        assert_eq!(bits.number(6), Some(-63));
        assert_eq!(bits.symbol(&table()), Some(0));
        assert_eq!(bits.marker(), Some(0xD9));
    }

    #[test]
    fn a_look_up_reads_a_run_as_its_code_and_number_do() {
        let table = table(); // its symbols are numbers' lengths, without zeros before
        for bytes in [
            [0b0110_0000, 0, 0],
            [0b0010_1111, 0, 0],
            [0b1110_1010, 0b1010_1010, 0],
            [0b1111_1110, 0b1111_0000, 0x55],
        ] {
            let (mut at_once, mut apart) = (Bits::new(&bytes), Bits::new(&bytes));
            let run = at_once.run(&table).unwrap();
            let length = apart.symbol(&table).unwrap();
            let value = apart.number(length.into()).unwrap();
            assert_eq!((run.zeros, i32::from(run.value)), (0, value), "{bytes:?}");
            assert_eq!(at_once.count, apart.count, "{bytes:?}");
        }
    }

    #[test]
    fn a_block_is_passed_over_as_its_runs_are_read() {
        // The most frequent codes of K.5: 1 = 01 + 1 bit after no zeros, 0 = end in 1010.
        let counts = [0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 125];
        let symbols = (0..162).map(|place| match place {
            0..4 => [1, 2, 3, 0][place],
            4..11 => [4, 0x11, 5, 0x12, 0x21, 0x31, 0x41][place - 4],
            _ => 0xF0, // 16 zeros
        });
        let table = Huffman::new(Codes { counts: &counts, symbols: &symbols.collect::<Vec<u8>>() }).unwrap();
        let mut state = 1_u32;
        let bytes: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8 & 0x7F // no marker
        })
        .take(4000)
        .collect();
        let mut ended = 0;
        for start in 0..3000 {
            let (mut quick, mut slow) = (Bits::new(&bytes[start..]), Bits::new(&bytes[start..]));
            let from = 1 + start % 60;
            let mut at = from;
            let expected = loop {
                if at >= 64 {
                    break (at == 64).then_some(());
                }
                match slow.run(&table) {
                    Some(Run { value: 0, zeros: 0 }) => break Some(()),
                    Some(Run { value: 0, zeros: 15 }) => at += 16,
                    Some(Run { zeros, .. }) => at += usize::from(zeros) + 1,
                    None => break None,
                }
            };
            assert_eq!(quick.skip_block(from, &table), expected, "from byte {start}");
            if expected.is_some() {
                ended += 1;
                let read = |bits: &Bits| 8 * bits.at - bits.count as usize;
                assert_eq!(read(&quick), read(&slow), "from byte {start}");
            }
        }
        assert!((500..2990).contains(&ended), "{ended}");
    }

    #[test]
    fn bits_that_run_out_and_bytes_left_over_are_noticed() {
        let mut bits = Bits::new(&[0b1110_0000, 0xFF, 0xD9]);
        assert_eq!(bits.symbol(&table()), Some(6));
        assert_eq!(bits.number(6), None, "two of six bits are missing");
        assert_eq!(Bits::new(&[0x12, 0x34, 0xFF, 0xD9]).marker(), None);
    }

    #[test]
    fn lengths_that_are_no_prefix_code_make_no_table() {
        let mut counts = COUNTS;
        counts[0] = 3;
        assert!(Huffman::new(Codes { counts: &counts, symbols: &[0; 20] }).is_none());
    }
}
