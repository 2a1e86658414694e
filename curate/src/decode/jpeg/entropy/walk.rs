//! Segment after segment and scan after scan of a JPEG, with an exact account of its blocks.
//!
//! Every block of every scan has to be there. A file that lacks its end marker is whole where nothing else is
//! missing: phones and cut uploads write such files. Of a progressive one the scans then have to bring every
//! coefficient to its full precision; otherwise nobody knows whether more were to come, and the file counts as
//! truncated. With its end marker, such a file is taken as it is, as long as every component has come.

use super::bits::BitReader;
use super::scan_header::{ComponentState, NEVER, Scan};
use super::zigzag::ZIGZAG;
use crate::decode::error::{DecodeError, check_size};
use crate::decode::jpeg::headers::markers::{
    ARITHMETIC_CONDITIONING, END_OF_IMAGE, EXTENSION, HUFFMAN_TABLES, START_OF_IMAGE, START_OF_SCAN,
};
use crate::decode::jpeg::headers::picture::Picture;
use crate::decode::jpeg::headers::segments::following;
use crate::decode::jpeg::headers::settings::Settings;
use crate::decode::jpeg::headers::space::{Marks, Space};
use crate::decode::jpeg::refusals::{FORMAT, damaged, truncated};

/// A file on whose scans the reading is.
pub(crate) struct Walk<'a> {
    pub picture: Picture,
    /// What the components are.
    pub space: Space,
    /// Of each component what its scans have brought so far.
    pub states: Vec<ComponentState>,
    pub settings: Settings<'a>,
    /// The scan at hand.
    pub scan: Scan,
    /// The bytes behind its header.
    pub data: &'a [u8],
}

impl<'a> Walk<'a> {
    /// Up to the header of the first scan, of a picture within the limits.
    pub fn begin(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let mut rest =
            bytes.strip_prefix(&START_OF_IMAGE).ok_or_else(|| damaged("it does not begin as a JPEG"))?;
        let mut settings = Settings::default();
        let mut marks = Marks::default();
        let mut picture: Option<Picture> = None;
        loop {
            let segment = following(rest).ok_or_else(|| truncated("it ends before its first scan"))?;
            rest = segment.rest;
            match (segment.marker, picture) {
                (END_OF_IMAGE, _) => return Err(damaged("it has no scan")),
                (START_OF_SCAN, None) => return Err(damaged("a scan comes before the frame")),
                (START_OF_SCAN, Some(picture)) => {
                    let ids: Vec<u8> = picture.components.iter().map(|component| component.id).collect();
                    let space = marks.space(&ids);
                    let states: Vec<_> =
                        ids.iter().map(|_| ComponentState { steps: None, shifts: [NEVER; _] }).collect();
                    let scan = Scan::parse(segment.content, &picture, &states, &settings)?;
                    let mut walk = Self { picture, space, states, settings, scan, data: rest };
                    walk.latch_steps()?;
                    return Ok(walk);
                }
                (HUFFMAN_TABLES | EXTENSION | ARITHMETIC_CONDITIONING, before) => {
                    settings.read(&segment)?;
                    picture = before;
                }
                (marker @ 0xC0..=0xCF, None) => {
                    let parsed = Picture::parse(marker, segment.content)?;
                    check_size(FORMAT, parsed.size.0 as u32, parsed.size.1 as u32, 3)?;
                    picture = Some(parsed);
                }
                (marker, before) => {
                    marks.read(marker, segment.content);
                    settings.read(&segment)?;
                    picture = before;
                }
            }
        }
    }

    /// Whether the first scan, the one at hand, is the whole picture.
    pub fn is_at_once(&self) -> bool {
        !self.picture.is_progressive && self.scan.members.len() == self.picture.components.len()
    }

    /// Goes on to the next scan behind the bits of the one at hand; `None` where there is none, which of a file
    /// without end marker is an error.
    pub fn next_scan(&mut self, bits: &BitReader<'a>) -> Result<Option<()>, DecodeError> {
        let mut rest = bits.behind();
        loop {
            let segment = following(rest).ok_or_else(|| truncated(NO_END))?;
            rest = segment.rest;
            match segment.marker {
                END_OF_IMAGE => return Ok(None),
                START_OF_SCAN => {
                    self.scan = Scan::parse(segment.content, &self.picture, &self.states, &self.settings)?;
                    self.data = rest;
                    self.latch_steps()?;
                    return Ok(Some(()));
                }
                _ => self.settings.read(&segment)?,
            }
        }
    }

    /// Takes note of the scan at hand, every block of which was read.
    pub fn note_scan(&mut self) {
        for member in &self.scan.members {
            self.states[member.place].shifts[self.scan.first..=self.scan.last].fill(self.scan.low);
        }
    }

    /// Whether every coefficient has its full precision.
    pub fn is_whole(&self) -> bool {
        self.states.iter().all(|state| state.shifts == [0; _])
    }

    /// The quantisation tables count that stand in front of a component's first scan.
    fn latch_steps(&mut self) -> Result<(), DecodeError> {
        for member in &self.scan.members {
            let state = &mut self.states[member.place];
            if state.steps.is_some() {
                continue;
            }
            let number = self.picture.components[member.place].quantisation;
            let table = self.settings.quantisation.get(number).copied().flatten();
            let table = table.ok_or_else(|| damaged(format!("quantisation table {number} is missing")))?;
            let mut steps = [0; _];
            for (place, step) in ZIGZAG.iter().zip(table) {
                steps[usize::from(*place)] = step as i16;
            }
            state.steps = Some(steps);
        }
        Ok(())
    }
}

/// How many bytes of nothing stand behind the last block in place of an end marker; 0 where one comes. An error
/// where something else may be missing.
pub(crate) fn nothing_behind(bits: &mut BitReader) -> Result<usize, DecodeError> {
    if bits.behind().windows(2).any(|pair| pair == [0xFF, END_OF_IMAGE]) {
        return Ok(0);
    }
    bits.nothing().map(<[u8]>::len).ok_or_else(|| truncated(NO_END))
}

/// Why a file without it is refused.
pub(crate) const NO_END: &str = "the end-of-image marker is missing";
