//! The entropy-coded bytes of a JPEG scan: bits, Huffman codes, and an exact account of both.
//!
//! `None` anywhere means that the scan is not what its header promised: a code that does not exist, bits that
//! run out before the last block, bytes left over behind it. Decoders that are made to show something fill
//! such gaps with grey.

use super::huffman::{ALL, ENDS, Huffman, LOOK_UP_BITS, Run, SKIP_BITS, Skips, signed};
use super::zigzag::ZIGZAG;
use crate::decode::jpeg::samples::idct::Block;

/// The most bits of a code and its number together.
const MOST_OF_RUN: u32 = 16 + 15;

/// The bits of a scan.
#[derive(Clone, Copy)]
pub(crate) struct BitReader<'a> {
    bytes: &'a [u8],
    at: usize,
    /// The next bits, the very next one on top. Behind the counted ones stands what follows them, or zeros.
    ahead: u64,
    /// How many of them are counted: no byte at `at` or behind it is among them.
    count: u32,
}

impl<'a> BitReader<'a> {
    /// Of the bytes behind the scan's header.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, ahead: 0, count: 0 }
    }

    /// At least 56 bits, unless a marker or the end comes before.
    #[inline(always)] // so that the state stays in registers
    fn refill(&mut self) {
        if let Some(next) = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk::<8>()) {
            let word = u64::from_be_bytes(*next);
            let has_ff = (!word).wrapping_sub(0x0101_0101_0101_0101) & word & 0x8080_8080_8080_8080 != 0;
            if !has_ff {
                // Whole bytes are counted; the bits of one more that fit are the same when they come again.
                self.ahead |= word >> self.count;
                self.at += ((63 - self.count) / 8) as usize;
                self.count |= 56;
                return;
            }
        }
        (self.at, self.ahead, self.count) = bytewise(self.bytes, self.at, self.ahead, self.count);
    }

    #[inline(always)]
    fn skip(&mut self, bits: u32) -> Option<()> {
        self.count = self.count.checked_sub(bits)?;
        self.ahead <<= bits;
        Some(())
    }

    /// Passes over the rest of a block whose next coefficient is the `at`th.
    #[inline(always)]
    pub fn skip_block(&mut self, mut at: usize, table: &Huffman, skips: &Skips) -> Option<()> {
        while at < ALL {
            self.refill();
            let mut is_stuck = true;
            // Four look-ups, as long as none can ask for more bits than there are.
            if self.count >= 4 * SKIP_BITS {
                for _ in 0..4 {
                    let skip = skips.0[(self.ahead >> (64 - SKIP_BITS)) as usize];
                    let behind = at + usize::from(skip.coefficients);
                    if behind < ALL {
                        self.ahead <<= skip.bits;
                        self.count -= u32::from(skip.bits);
                        at = behind;
                        is_stuck = false;
                        continue;
                    }
                    // The bits behind a block's last coefficient belong to the next block.
                    if behind == ALL || (ENDS..ENDS + ALL).contains(&behind) {
                        return self.skip(skip.bits.into());
                    }
                    break;
                }
            }
            if !is_stuck {
                continue;
            }
            // What no look-up holds, and the last bits of the scan, run by run.
            match self.run(table)? {
                Run { value: 0, zeros: 0 } => return Some(()),
                Run { value: 0, zeros: 15 } => at += 16,
                Run { value: 0, .. } => return None,
                Run { zeros, .. } => at += usize::from(zeros) + 1,
            }
        }
        (at == ALL).then_some(())
    }

    /// The next zeros and the coefficient behind them.
    #[inline(always)]
    pub fn run(&mut self, table: &Huffman) -> Option<Run> {
        if self.count < MOST_OF_RUN {
            self.refill();
        }
        let whole = table.runs[(self.ahead >> (64 - LOOK_UP_BITS)) as usize];
        if whole.bits() > 0 {
            self.skip(whole.bits())?;
            return Some(whole.run());
        }
        let (behind, run) = self.long_run(table);
        *self = behind;
        run
    }

    /// Reads a block of a sequential file, which comes in as zeros; gives the place of its last coefficient in
    /// the file's order. `previous`: the component's DC coefficient before, and then this block's.
    #[inline(always)]
    pub fn block(
        &mut self,
        (dc, ac): (&Huffman, &Huffman),
        previous: &mut i32,
        block: &mut Block,
    ) -> Option<usize> {
        *previous = previous.wrapping_add(self.dc(dc)?);
        block[0] = *previous as i16;
        let (mut at, mut last) = (1, 0);
        while at < ALL {
            let Run { zeros, value } = self.run(ac)?;
            if value == 0 {
                match zeros {
                    15 => at += 16,
                    0 => return Some(last),
                    _ => return None, // runs of blocks belong to progressive files
                }
                continue;
            }
            last = at + usize::from(zeros);
            block[usize::from(*ZIGZAG.get(last)?)] = value;
            at = last + 1;
        }
        (at == ALL).then_some(last)
    }

    /// The difference of a block's DC coefficient from the last block's: a number of at most 11 bits.
    #[inline(always)]
    pub fn dc(&mut self, table: &Huffman) -> Option<i32> {
        let Run { zeros, value } = self.run(table)?;
        (zeros == 0 && value.unsigned_abs() < 1 << 11).then_some(value.into())
    }

    /// A run whose bits are too many for a look-up, and the bits behind it.
    #[inline(never)] // it is rare; and `self` goes by value, since a reference would keep the state out of registers
    fn long_run(mut self, table: &Huffman) -> (Self, Option<Run>) {
        let symbol = self.symbol(table);
        let run = symbol.and_then(|symbol| {
            let value = self.number(u32::from(symbol & 15))?;
            Some(Run { zeros: symbol >> 4, value: value as i16 })
        });
        (self, run)
    }

    /// The next symbol. Leaves at least 16 bits ahead, where the scan has them, for the number that may
    /// follow.
    fn symbol(&mut self, table: &Huffman) -> Option<u8> {
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

    /// A number of `bits` bits (at most 15), whose first half of values stands for negative ones.
    fn number(&mut self, bits: u32) -> Option<i32> {
        if bits == 0 {
            return Some(0);
        }
        let value = (self.ahead >> (64 - bits)) as i32;
        self.skip(bits)?;
        Some(signed(value, bits))
    }

    /// The next bits as they are, at most 16.
    pub fn raw(&mut self, bits: u32) -> Option<u32> {
        self.refill();
        let value = if bits == 0 { 0 } else { (self.ahead >> (64 - bits)) as u32 };
        self.skip(bits)?;
        Some(value)
    }

    /// What stands behind the last bits, where it is nothing: zeros to the end of a disk's block, the first
    /// half of a marker. Less than a byte may be left, which fills up the last one.
    pub fn nothing(&mut self) -> Option<&'a [u8]> {
        self.refill();
        let bytes = (self.count / 8) as usize;
        let unread = (self.ahead << (self.count % 8)).to_be_bytes();
        let behind = self.bytes.get(self.at - bytes..)?; // none of them is marked as data, if all are zeros
        let is_nothing = unread[..bytes].iter().all(|&byte| byte == 0)
            && behind[bytes..].iter().all(|&byte| byte == 0 || byte == 0xFF);
        is_nothing.then_some(behind)
    }

    /// The bytes from the next marker on; encoders leave some bytes over in front of it.
    pub fn behind(&self) -> &'a [u8] {
        let rest = &self.bytes[self.at.min(self.bytes.len())..];
        let marker = rest.windows(2).position(|pair| pair[0] == 0xFF && pair[1] != 0);
        &rest[marker.unwrap_or(rest.len())..]
    }

    /// The next marker, whatever stands in front of it; the bits behind it are the next ones.
    pub fn restart(&mut self) -> Option<u8> {
        let rest = self.behind();
        let fills = rest.iter().take_while(|&&byte| byte == 0xFF).count();
        let marker = *rest.get(fills)?;
        *self = Self { at: self.bytes.len() - rest.len() + fills + 1, ..Self::new(self.bytes) };
        Some(marker)
    }

    /// Whether a marker or the end stands behind the few bits that are left.
    pub fn has_run_out(&mut self) -> bool {
        self.refill();
        self.count < 32
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

/// Bytes one after the other, up to 56 bits or a marker: the new place, bits and their count.
#[cold]
fn bytewise(bytes: &[u8], mut at: usize, mut ahead: u64, mut count: u32) -> (usize, u64, u32) {
    while count < 56 {
        let (byte, width) = match bytes.get(at..) {
            Some([0xFF, 0, ..]) => (0xFF, 2), // a byte of 0xFF, marked as data by the 0
            None | Some([] | [0xFF, ..]) => break,
            Some([byte, ..]) => (*byte, 1),
        };
        ahead |= u64::from(byte) << (56 - count);
        (at, count) = (at + width, count + 8);
    }
    (at, ahead, count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::jpeg::headers::tables::HuffmanSpec;

    /// The table of ITU-T T.81, K.3.1 (DC coefficients of luma).
    const COUNTS: [u8; 16] = [0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0];
    const SYMBOLS: [u8; 12] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];

    fn table() -> Huffman {
        Huffman::new(HuffmanSpec { counts: &COUNTS, symbols: &SYMBOLS }).unwrap()
    }

    #[test]
    fn codes_and_numbers_are_read_as_the_standard_writes_them() {
        // 1110 = symbol 6, then 6 bits 000000 = -63; 00 = symbol 0; padding 1111
        let mut bits = BitReader::new(&[0b1110_0000, 0b0000_1111, 0xFF, 0xD9]);
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
            let (mut at_once, mut apart) = (BitReader::new(&bytes), BitReader::new(&bytes));
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
        let table =
            Huffman::new(HuffmanSpec { counts: &counts, symbols: &symbols.collect::<Vec<u8>>() }).unwrap();
        let skips = Skips::of(&table);
        let mut state = 1_u32;
        let bytes: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8 & 0x7F // no marker
        })
        .take(4000)
        .collect();
        let mut ended = 0;
        for start in 0..3000 {
            let (mut quick, mut slow) = (BitReader::new(&bytes[start..]), BitReader::new(&bytes[start..]));
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
            assert_eq!(quick.skip_block(from, &table, &skips), expected, "from byte {start}");
            if expected.is_some() {
                ended += 1;
                let read = |bits: &BitReader| 8 * bits.at - bits.count as usize;
                assert_eq!(read(&quick), read(&slow), "from byte {start}");
            }
        }
        assert!((500..2990).contains(&ended), "{ended}");
    }

    #[test]
    fn bits_that_run_out_and_bytes_left_over_are_noticed() {
        let mut bits = BitReader::new(&[0b1110_0000, 0xFF, 0xD9]);
        assert_eq!(bits.symbol(&table()), Some(6));
        assert_eq!(bits.number(6), None, "two of six bits are missing");
        assert_eq!(BitReader::new(&[0x12, 0x34, 0xFF, 0xD9]).marker(), None);
    }
}
