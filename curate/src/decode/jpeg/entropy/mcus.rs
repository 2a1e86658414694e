//! The MCUs of a scan, block by block.

use super::bits::BitReader;
use super::coefficients::Coefficients;
use super::progressive::ProgressiveBlock;
use super::walk::Walk;
use crate::decode::error::DecodeError;
use crate::decode::jpeg::headers::markers::FIRST_RESTART;
use crate::decode::jpeg::refusals::{damaged, truncated};
use crate::pixels::simd::{Loop, vectorised};

/// Where the reading of a scan is.
pub(crate) struct ScanReader<'a> {
    /// MCUs along x and y. A component alone comes block by block, without those that fill up MCUs.
    pub mcus: (usize, usize),
    /// The blocks of an MCU along x and y, by member of the scan.
    shapes: Vec<(usize, usize)>,
    pub bits: BitReader<'a>,
    /// The last block's DC coefficient, by member.
    previous: [i32; 4],
    /// Blocks that end here without a bit of their own, in progressive scans.
    ends: u32,
    restart_interval: usize,
    until_restart: usize,
    restarts: u8,
}

impl<'a> ScanReader<'a> {
    /// At the first block of the scan on which the walk is.
    pub fn new(walk: &Walk<'a>) -> Self {
        let component = |place: usize| &walk.picture.components[place];
        let (mcus, shapes) = match walk.scan.members.as_slice() {
            [alone] => (component(alone.place).blocks, vec![(1, 1)]),
            members => {
                let shapes = members.iter().map(|member| component(member.place).sampling);
                (walk.picture.mcus, shapes.collect())
            }
        };
        let restart_interval = walk.settings.restart_interval;
        Self {
            mcus,
            shapes,
            bits: BitReader::new(walk.data),
            previous: [0; 4],
            ends: 0,
            restart_interval,
            until_restart: restart_interval,
            restarts: 0,
        }
    }

    /// The blocks of the scan.
    pub fn blocks(&self) -> usize {
        let in_mcu: usize = self.shapes.iter().map(|(wide, high)| wide * high).sum();
        in_mcu * self.mcus.0 * self.mcus.1
    }

    /// Reads the next `count` MCUs, all of one row, into the `y`th row of `all`.
    pub fn read_mcus(
        &mut self,
        walk: &Walk<'a>,
        all: &mut [Coefficients],
        count: usize,
        y: usize,
    ) -> Result<(), DecodeError> {
        vectorised(ReadMcus { reader: self, walk, all, count, y }).ok_or_else(|| {
            if self.bits.has_run_out() {
                truncated("its bits end before its last block")
            } else {
                damaged("a code does not exist, or says more than its block holds")
            }
        })
    }

    /// Behind the last MCU.
    pub fn finish(&self) -> Result<(), DecodeError> {
        if self.ends > 0 { Err(damaged("a scan has more blocks than its components")) } else { Ok(()) }
    }

    /// In front of an MCU of a scan with restart intervals.
    fn restart(&mut self, bits: &mut BitReader) -> Option<()> {
        if self.until_restart == 0 {
            if bits.restart()? != FIRST_RESTART + self.restarts {
                return None;
            }
            self.restarts = (self.restarts + 1) % 8;
            self.until_restart = self.restart_interval;
            (self.previous, self.ends) = ([0; 4], 0);
        }
        self.until_restart -= 1;
        Some(())
    }
}

/// [`ScanReader::read_mcus`] as a loop.
struct ReadMcus<'s, 'a> {
    reader: &'s mut ScanReader<'a>,
    walk: &'s Walk<'a>,
    all: &'s mut [Coefficients],
    count: usize,
    y: usize,
}

impl Loop for ReadMcus<'_, '_> {
    type Output = Option<()>;

    #[inline(always)]
    fn run(mut self) -> Option<()> {
        let mut bits = self.reader.bits; // where the compiler keeps it in registers
        // Loops and no iterator's methods, which are not always inlined, and so would not be vectorised.
        let mut is_there = true;
        'all: for mcu in 0..self.count {
            if self.reader.restart_interval > 0 && self.reader.restart(&mut bits).is_none() {
                is_there = false;
                break;
            }
            for member in 0..self.reader.shapes.len() {
                let (wide, high) = self.reader.shapes[member];
                for down in 0..high {
                    for right in 0..wide {
                        let (x, y) = (mcu * wide + right, self.y * high + down);
                        if self.read_block(&mut bits, member, (x, y)).is_none() {
                            is_there = false;
                            break 'all;
                        }
                    }
                }
            }
        }
        self.reader.bits = bits;
        is_there.then_some(())
    }
}

impl ReadMcus<'_, '_> {
    /// Reads the block at a place among those of a member of the scan; `None` where it is not there, or is
    /// damaged.
    #[inline(always)]
    fn read_block(&mut self, bits: &mut BitReader, number: usize, (x, y): (usize, usize)) -> Option<()> {
        let scan = &self.walk.scan;
        let member = &scan.members[number];
        let of = &mut self.all[member.place];
        let at = y * of.stride + x;
        let (block, nonzero) = (of.blocks.get_mut(at)?, of.nonzero.get_mut(at)?);
        let previous = &mut self.reader.previous[number];
        if self.walk.picture.is_progressive {
            let ends = &mut self.reader.ends;
            return ProgressiveBlock { block, nonzero, previous, ends }.read(scan, member, bits);
        }
        *block = [0; _];
        *nonzero = 1 << bits.block((member.dc.as_ref()?, member.ac.as_ref()?), previous, block)?;
        Some(())
    }
}
