//! All scans of a file, one after the other.

use super::coefficients::Coefficients;
use super::mcus::ScanReader;
use super::scan_header::NEVER;
use super::walk::{Walk, nothing_behind};
use crate::decode::error::DecodeError;
use crate::decode::jpeg::refusals::{truncated, unsupported};

/// The most scans of a file. Encoders write about ten, optimisers fewer than a hundred.
const MOST_SCANS: usize = 500;

/// The most blocks that are read in all scans together, which takes a second or two. A scan that says nothing of
/// a large picture has a few bytes, and asks for every block all the same. A photo of the largest size with ten
/// scans has some 25 million.
const MOST_BLOCKS: usize = 250_000_000;

/// Reads scan after scan; gives the coefficients of each component, and how many bytes of nothing stand behind
/// them in place of an end.
pub(crate) fn read(walk: &mut Walk) -> Result<(Vec<Coefficients>, usize), DecodeError> {
    let mut all = Coefficients::of(&walk.picture, walk.picture.mcus);
    let mut blocks = 0;
    for _ in 0..MOST_SCANS {
        let mut reader = ScanReader::new(walk);
        blocks += reader.blocks();
        if blocks > MOST_BLOCKS {
            return Err(unsupported(format!("its scans are of more than {MOST_BLOCKS} blocks")));
        }
        read_scan(walk, &mut reader, &mut all)?;
        walk.note_scan();
        if walk.is_whole() {
            return Ok((all, nothing_behind(&mut reader.bits)?));
        }
        if walk.next_scan(&reader.bits)?.is_none() {
            let has_come = walk.states.iter().all(|state| state.shifts[0] != NEVER);
            let is_enough = walk.picture.is_progressive && has_come;
            return if is_enough { Ok((all, 0)) } else { Err(truncated("a component has no scan")) };
        }
    }
    Err(unsupported(format!("it has more than {MOST_SCANS} scans")))
}

/// Reads every block of the scan at hand.
fn read_scan<'a>(
    walk: &Walk<'a>,
    reader: &mut ScanReader<'a>,
    all: &mut [Coefficients],
) -> Result<(), DecodeError> {
    for y in 0..reader.mcus.1 {
        reader.read_mcus(walk, all, reader.mcus.0, y)?;
    }
    reader.finish()
}
