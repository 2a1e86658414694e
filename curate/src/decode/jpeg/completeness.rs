//! Whether every block of every scan is there although the end-of-image marker is not: phones and cut uploads
//! write such files, and nothing of the photo is missing.
//!
//! Every bit is accounted for, as in a reduced decode, in baseline and in progressive files. Of a progressive
//! file the scans have to bring every coefficient to its full precision; otherwise nobody knows whether more
//! were to come, and the file counts as truncated.

use super::frame::{HuffmanSpec, read_huffman_specs};
use super::markers::{
    BASELINE, EXTENDED, FIRST_RESTART, HUFFMAN_TABLES, PROGRESSIVE, RESTART_INTERVAL, START_OF_SCAN,
};
use super::scan::{BitReader, Huffman, Run};
use super::segments::{Segment, next_segment};

/// The shift of a coefficient of which no scan has spoken.
const NEVER: u8 = u8::MAX;

/// The file up to its last block, where nothing but the end marker is missing.
pub(super) fn complete(bytes: &[u8]) -> Option<&[u8]> {
    let behind = walk(bytes.get(2..)?)?;
    Some(&bytes[..bytes.len() - behind])
}

/// A component and what is known of its coefficients.
struct Component {
    id: u8,
    /// Blocks per MCU along x and y.
    sampling: (usize, usize),
    /// Blocks along x and y that show, and all along x, those that fill up MCUs included.
    blocks: (usize, usize),
    stride: usize,
    /// Of each block: which coefficients are not 0, as the bits of later scans depend on it.
    nonzero: Vec<u64>,
    /// How many of the lowest bits of each coefficient are still to come.
    shifts: [u8; 64],
}

struct Picture {
    is_progressive: bool,
    components: Vec<Component>,
    /// MCUs along x and y of a scan of several components.
    mcus: (usize, usize),
}

/// What a scan's header says.
struct Scan {
    /// The components, by place, with their DC and AC tables.
    components: Vec<(usize, [usize; 2])>,
    first: usize,
    last: usize,
    /// The shift before and after.
    high: u8,
    low: u8,
}

/// Reads scan after scan up to the last one, and gives how many bytes of nothing follow it; `None` where
/// something is missing, or odd in any way.
fn walk(mut rest: &[u8]) -> Option<usize> {
    let mut picture = None;
    let mut tables: [[Option<HuffmanSpec>; 4]; 2] = [[None; 4]; 2];
    let mut restart_interval = 0;
    loop {
        let Segment { marker, content: segment, rest: behind } = next_segment(rest)?;
        rest = behind;
        match marker {
            BASELINE | EXTENDED | PROGRESSIVE if picture.is_none() => {
                picture = Some(Picture::parse(segment, marker == PROGRESSIVE)?);
            }
            HUFFMAN_TABLES => read_huffman_specs(segment, &mut tables)?,
            RESTART_INTERVAL => restart_interval = usize::from(u16::from_be_bytes(segment.try_into().ok()?)),
            START_OF_SCAN => {
                let picture = picture.as_mut()?;
                let scan = Scan::parse(segment, picture)?;
                let mut bits = BitReader::new(rest);
                picture.read(&scan, &tables, restart_interval, &mut bits)?;
                if picture.is_whole() {
                    return bits.nothing().map(<[u8]>::len);
                }
                rest = bits.behind()?;
            }
            0xC0..=0xCF | 0xD8 | 0xD9 => return None,
            _ => {}
        }
    }
}

impl Picture {
    fn parse(segment: &[u8], is_progressive: bool) -> Option<Self> {
        let [8, h1, h0, w1, w0, count, rows @ ..] = segment else { return None };
        let side = |high, low| Some(usize::from(u16::from_be_bytes([high, low]))).filter(|&side| side > 0);
        let (width, height) = (side(*w1, *w0)?, side(*h1, *h0)?);
        if !matches!(count, 1..=4) || rows.len() != 3 * usize::from(*count) {
            return None;
        }
        let sampling = |row: &[u8; 3]| (usize::from(row[1] >> 4), usize::from(row[1] & 15));
        let rows = rows.as_chunks::<3>().0;
        if rows.iter().map(sampling).any(|(h, v)| !(1..=4).contains(&h) || !(1..=4).contains(&v)) {
            return None;
        }
        let most = rows.iter().map(sampling).fold((1, 1), |most, own| (most.0.max(own.0), most.1.max(own.1)));
        let mcus = (width.div_ceil(8 * most.0), height.div_ceil(8 * most.1));
        let component = |row: &[u8; 3]| {
            let (h, v) = sampling(row);
            let shown = |length: usize, own: usize, most: usize| (length * own).div_ceil(most).div_ceil(8);
            Component {
                id: row[0],
                sampling: (h, v),
                blocks: (shown(width, h, most.0), shown(height, v, most.1)),
                stride: mcus.0 * h,
                nonzero: if is_progressive { vec![0; mcus.0 * h * mcus.1 * v] } else { Vec::new() },
                shifts: [NEVER; 64],
            }
        };
        Some(Self { is_progressive, components: rows.iter().map(component).collect(), mcus })
    }

    /// Whether every coefficient has its full precision.
    fn is_whole(&self) -> bool {
        self.components.iter().all(|component| component.shifts == [0; 64])
    }

    /// Reads all blocks of a scan.
    fn read(
        &mut self,
        scan: &Scan,
        tables: &[[Option<HuffmanSpec>; 4]; 2],
        restart_interval: usize,
        bits: &mut BitReader,
    ) -> Option<()> {
        // A table that no block asks for need not be there.
        let ready = |kind: usize, number: usize| tables[kind][number].and_then(Huffman::new);
        let tables: Vec<_> =
            scan.components.iter().map(|(_, of)| [ready(0, of[0]), ready(1, of[1])]).collect();
        let is_alone = scan.components.len() == 1;
        let mcus = if is_alone { self.components[scan.components[0].0].blocks } else { self.mcus };
        let mut ends = 0; // blocks that end here without a bit of their own
        for mcu in 0..mcus.0 * mcus.1 {
            if restart_interval > 0 && mcu > 0 && mcu % restart_interval == 0 {
                let expected = FIRST_RESTART + ((mcu / restart_interval - 1) % 8) as u8;
                if bits.marker()? != expected {
                    return None;
                }
                ends = 0;
            }
            let (x, y) = (mcu % mcus.0, mcu / mcus.0);
            for (&(place, _), tables) in scan.components.iter().zip(&tables) {
                let component = &mut self.components[place];
                let (wide, high) = if is_alone { (1, 1) } else { component.sampling };
                for block in 0..wide * high {
                    let block = (y * high + block / wide) * component.stride + x * wide + block % wide;
                    if self.is_progressive {
                        let nonzero = component.nonzero.get_mut(block)?;
                        scan.read_block(bits, tables, nonzero, &mut ends)?;
                    } else {
                        bits.dc(tables[0].as_ref()?)?;
                        bits.skip_block(1, tables[1].as_ref()?)?;
                    }
                }
            }
        }
        for &(place, _) in &scan.components {
            self.components[place].shifts[scan.first..=scan.last].fill(scan.low);
        }
        (ends == 0).then_some(())
    }
}

impl Scan {
    fn parse(segment: &[u8], picture: &Picture) -> Option<Self> {
        let (&count, rows) = segment.split_first()?;
        let (rows, [first, last, shifts]) = rows.split_last_chunk::<3>()?;
        if rows.len() != 2 * usize::from(count) || !(1..=4).contains(&count) {
            return None;
        }
        let component = |row: &[u8; 2]| {
            let place = picture.components.iter().position(|component| component.id == row[0])?;
            let tables = [usize::from(row[1] >> 4), usize::from(row[1] & 15)];
            tables.iter().all(|&table| table < 4).then_some((place, tables))
        };
        let components = rows.as_chunks::<2>().0.iter().map(component).collect::<Option<Vec<_>>>()?;
        let (first, last) = (usize::from(*first), usize::from(*last));
        let scan = Self { components, first, last, high: shifts >> 4, low: shifts & 15 };
        let fits = if picture.is_progressive {
            // DC coefficients alone, or AC coefficients of one component; each bit below those that came
            // before.
            let is_sorted = if first == 0 { last == 0 } else { last < 64 && first <= last && count == 1 };
            let before = if scan.high == 0 { NEVER } else { scan.high };
            let mut shifts = scan
                .components
                .iter()
                .flat_map(|(place, _)| &picture.components[*place].shifts[first.min(63)..=last.min(63)]);
            is_sorted
                && scan.low < 14
                && (scan.high == 0 || scan.high == scan.low + 1)
                && shifts.all(|&shift| shift == before)
        } else {
            (first, last, *shifts) == (0, 63, 0)
        };
        fits.then_some(scan)
    }

    /// Reads one block's share of a progressive scan. `ends`: how many blocks, this one among them, end
    /// without a bit.
    fn read_block(
        &self,
        bits: &mut BitReader,
        tables: &[Option<Huffman>; 2],
        nonzero: &mut u64,
        ends: &mut u32,
    ) -> Option<()> {
        match (self.first, self.high) {
            (0, 0) => bits.dc(tables[0].as_ref()?).map(|_| ()),
            (0, _) => bits.raw(1).map(|_| ()),
            (_, 0) => self.read_first(bits, tables[1].as_ref()?, nonzero, ends),
            _ => self.refine(bits, tables[1].as_ref()?, nonzero, ends),
        }
    }

    /// The highest bits of coefficients (ITU-T T.81, G.1.2.2).
    fn read_first(
        &self,
        bits: &mut BitReader,
        table: &Huffman,
        nonzero: &mut u64,
        ends: &mut u32,
    ) -> Option<()> {
        if *ends > 0 {
            *ends -= 1;
            return Some(());
        }
        let mut at = self.first;
        while at <= self.last {
            match bits.run(table)? {
                Run { value: 0, zeros: 15 } => at += 16,
                Run { value: 0, zeros } => {
                    *ends = (1 << zeros) + bits.raw(zeros.into())? - 1;
                    return Some(());
                }
                Run { zeros, .. } => {
                    at += usize::from(zeros);
                    *nonzero |= 1_u64.checked_shl(at as u32).filter(|_| at <= self.last)?;
                    at += 1;
                }
            }
        }
        (at == self.last + 1).then_some(())
    }

    /// One bit more of each coefficient (G.1.2.3): of those that are not 0 as it is, of others in runs.
    fn refine(&self, bits: &mut BitReader, table: &Huffman, nonzero: &mut u64, ends: &mut u32) -> Option<()> {
        let known = *nonzero;
        let is_known = |at: usize| known >> at & 1 == 1;
        let mut at = self.first;
        if *ends == 0 {
            while at <= self.last {
                let run = bits.run(table)?;
                if run.value == 0 && run.zeros < 15 {
                    *ends = (1 << run.zeros) + bits.raw(run.zeros.into())?;
                    break;
                }
                if run.value.unsigned_abs() > 1 {
                    return None; // a coefficient that is new has one bit
                }
                let mut zeros = run.zeros;
                loop {
                    if at > self.last {
                        return None;
                    }
                    if is_known(at) {
                        bits.raw(1)?;
                    } else if zeros == 0 {
                        break;
                    } else {
                        zeros -= 1;
                    }
                    at += 1;
                }
                if run.value != 0 {
                    *nonzero |= 1 << at;
                }
                at += 1;
            }
        }
        if *ends > 0 {
            for at in at..=self.last {
                if is_known(at) {
                    bits.raw(1)?;
                }
            }
            *ends -= 1;
        }
        Some(())
    }
}
