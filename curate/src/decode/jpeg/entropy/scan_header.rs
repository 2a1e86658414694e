//! What a scan's header says, held against the frame and the scans before.

use super::huffman::Huffman;
use crate::decode::error::DecodeError;
use crate::decode::jpeg::headers::picture::{Picture, SIDE};
use crate::decode::jpeg::headers::settings::Settings;
use crate::decode::jpeg::refusals::damaged;
use crate::decode::jpeg::samples::idct::Block;

/// The most blocks of an MCU of several components (ITU-T T.81, B.2.3).
const MOST_BLOCKS: usize = 10;

/// The shift of a coefficient of which no scan has spoken.
pub(crate) const NEVER: u8 = u8::MAX;

/// What the scans so far have brought of a component.
pub(crate) struct ComponentState {
    /// Its quantisation steps, rows of 8, as they stood in front of its first scan.
    pub steps: Option<Block>,
    /// How many of the lowest bits of each coefficient are still to come, in the file's order.
    pub shifts: [u8; SIDE * SIDE],
}

/// A scan.
pub(crate) struct Scan {
    /// Its components, in the order of their blocks.
    pub members: Vec<Member>,
    /// The first and the last coefficient, in the file's order.
    pub first: usize,
    pub last: usize,
    /// How many of the lowest bits were missing before, 0 where all were, and are missing behind the scan.
    pub high: u8,
    pub low: u8,
}

/// A component in a scan.
pub(crate) struct Member {
    /// Its number in the frame.
    pub place: usize,
    /// A table that no block asks for need not be there.
    pub dc: Option<Huffman>,
    pub ac: Option<Huffman>,
}

impl Scan {
    /// Of the header of the next scan.
    pub fn parse(
        header: &[u8],
        picture: &Picture,
        states: &[ComponentState],
        settings: &Settings,
    ) -> Result<Self, DecodeError> {
        let is_cut = || damaged("a scan's header is cut");
        let (&count, rows) = header.split_first().ok_or_else(is_cut)?;
        let (rows, [first, last, shifts]) = rows.split_last_chunk::<3>().ok_or_else(is_cut)?;
        if rows.len() != 2 * usize::from(count) || !(1..=4).contains(&count) {
            return Err(is_cut());
        }
        let mut members: Vec<Member> = Vec::new();
        for [id, tables] in rows.as_chunks::<2>().0 {
            let is_free = |place: usize| members.iter().all(|member| member.place != place);
            let place = picture.components.iter().enumerate();
            let place = place.filter(|(place, of)| of.id == *id && is_free(*place)).map(|of| of.0).next();
            let place = place.ok_or_else(|| damaged(format!("a scan is of a component {id}")))?;
            let ready = |kind: usize, number: u8| {
                let spec = settings.huffman[kind].get(usize::from(number)).copied().flatten();
                spec.and_then(Huffman::new)
            };
            members.push(Member { place, dc: ready(0, tables >> 4), ac: ready(1, tables & 15) });
        }
        let sampling = members.iter().map(|member| picture.components[member.place].sampling);
        let blocks: usize = sampling.map(|(h, v)| h * v).sum();
        if members.len() > 1 && blocks > MOST_BLOCKS {
            return Err(damaged(format!("an MCU has {blocks} blocks")));
        }
        let (first, last, high, low) = if picture.is_progressive {
            ((*first).into(), (*last).into(), shifts >> 4, shifts & 15)
        } else {
            (0, 63, 0, 0) // whatever a sequential file says
        };
        // Progressive: DC coefficients alone, or AC coefficients of one component. Each bit comes below those
        // that came before.
        let is_sorted = !picture.is_progressive
            || if first == 0 { last == 0 } else { last < 64 && first <= last && members.len() == 1 };
        let before = if high == 0 { NEVER } else { high };
        let is_next =
            |member: &Member| states[member.place].shifts[first..=last].iter().all(|&at| at == before);
        if !is_sorted || low > 13 || (high > 0 && high != low + 1) || !members.iter().all(is_next) {
            return Err(damaged(format!(
                "a scan has bits {high} to {low} of coefficients {first} to {last}, which do not come next"
            )));
        }
        Ok(Self { members, first, last, high, low })
    }
}
