//! A block's share of a progressive scan (ITU-T T.81, G.1.2).

use super::bits::BitReader;
use super::huffman::{Huffman, Run};
use super::scan_header::{Member, Scan};
use super::zigzag::ZIGZAG;
use crate::decode::jpeg::samples::idct::Block;

/// A block that scan after scan brings.
pub(crate) struct ProgressiveBlock<'s> {
    pub block: &'s mut Block,
    /// Which coefficients are not 0, in the file's order: the bits of later scans depend on it.
    pub nonzero: &'s mut u64,
    /// The DC coefficient of the component's block before.
    pub previous: &'s mut i32,
    /// Blocks that end here without a bit of their own.
    pub ends: &'s mut u32,
}

impl ProgressiveBlock<'_> {
    /// Reads its share of a scan; `None` where it is not there, or is damaged.
    #[inline(always)]
    pub fn read(self, scan: &Scan, member: &Member, bits: &mut BitReader) -> Option<()> {
        match (scan.first, scan.high) {
            (0, 0) => {
                *self.previous = self.previous.wrapping_add(bits.dc(member.dc.as_ref()?)?);
                self.block[0] = (*self.previous << scan.low) as i16;
                Some(())
            }
            (0, _) => {
                self.block[0] |= (bits.raw(1)? << scan.low) as i16;
                Some(())
            }
            (_, 0) => self.read_first(scan, member.ac.as_ref()?, bits),
            _ => self.refine(scan, member.ac.as_ref()?, bits),
        }
    }

    /// The highest bits of coefficients (G.1.2.2).
    #[inline(always)]
    fn read_first(self, scan: &Scan, table: &Huffman, bits: &mut BitReader) -> Option<()> {
        if *self.ends > 0 {
            *self.ends -= 1;
            return Some(());
        }
        let mut at = scan.first;
        while at <= scan.last {
            match bits.run(table)? {
                Run { value: 0, zeros: 15 } => at += 16,
                Run { value: 0, zeros } => {
                    *self.ends = (1 << zeros) + bits.raw(zeros.into())? - 1;
                    return Some(());
                }
                Run { zeros, value } => {
                    at += usize::from(zeros);
                    if at > scan.last {
                        return None;
                    }
                    self.block[usize::from(ZIGZAG[at])] = value << scan.low;
                    *self.nonzero |= 1 << at;
                    at += 1;
                }
            }
        }
        (at == scan.last + 1).then_some(())
    }

    /// One bit more of each coefficient (G.1.2.3): of those that are not 0 as it is, of others in runs.
    #[inline(always)]
    fn refine(mut self, scan: &Scan, table: &Huffman, bits: &mut BitReader) -> Option<()> {
        let known = *self.nonzero;
        let is_known = |at: usize| known >> at & 1 == 1;
        let mut at = scan.first;
        if *self.ends == 0 {
            while at <= scan.last {
                let run = bits.run(table)?;
                if run.value == 0 && run.zeros < 15 {
                    *self.ends = (1 << run.zeros) + bits.raw(run.zeros.into())?;
                    break;
                }
                if run.value.unsigned_abs() > 1 {
                    return None; // a coefficient that is new has one bit
                }
                let mut zeros = run.zeros;
                loop {
                    if at > scan.last {
                        return None;
                    }
                    if is_known(at) {
                        self.refine_known(at, scan.low, bits)?;
                    } else if zeros == 0 {
                        break;
                    } else {
                        zeros -= 1;
                    }
                    at += 1;
                }
                if run.value != 0 {
                    self.block[usize::from(ZIGZAG[at])] = run.value << scan.low;
                    *self.nonzero |= 1 << at;
                }
                at += 1;
            }
        }
        if *self.ends > 0 {
            let band = u64::MAX << at.min(63) & u64::MAX >> (63 - scan.last);
            let mut left = if at < 64 { known & band } else { 0 };
            while left > 0 {
                self.refine_known(left.trailing_zeros() as usize, scan.low, bits)?;
                left &= left - 1;
            }
            *self.ends -= 1;
        }
        Some(())
    }

    /// The next bit of a coefficient that is not 0: its amount grows.
    #[inline(always)]
    fn refine_known(&mut self, at: usize, low: u8, bits: &mut BitReader) -> Option<()> {
        let more = (bits.raw(1)? as i16) << low;
        let coefficient = &mut self.block[usize::from(ZIGZAG[at])];
        *coefficient = coefficient.wrapping_add(if *coefficient < 0 { -more } else { more });
        Some(())
    }
}
