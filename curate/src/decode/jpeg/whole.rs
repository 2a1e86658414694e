//! Every pixel of a JPEG, the same as libjpeg-turbo makes by default: exact inverse DCT, fancy upsampling.
//!
//! A file whose first scan is the whole picture is decoded row of MCUs by row of MCUs. All others, progressive
//! ones among them, bring coefficients in several scans, which are kept: two bytes a sample. A progressive
//! file whose scans end before every coefficient has its full precision is shown by what there is; libjpeg
//! smooths it between blocks, which is left out here.

use super::entropy::coefficients::Coefficients;
use super::entropy::mcus::ScanReader;
use super::entropy::scans;
use super::entropy::walk::{Walk, nothing_behind};
use super::headers::picture::Picture;
use super::headers::space::Space;
use super::refusals::damaged;
use super::samples::bands::{Bands, Plane};
use super::samples::convert::Output;
use crate::decode::error::DecodeError;
use crate::pixels::simd::{Loop, vectorised};

/// Decoded pixels.
pub(super) struct Whole {
    /// Row by row.
    pub pixels: Vec<u8>,
    /// Width and height in px.
    pub size: (u32, u32),
}

/// Decodes every pixel. Inks are made of pictures with four components alone.
pub(super) fn decode(bytes: &[u8], output: Output) -> Result<Whole, DecodeError> {
    let mut walk = Walk::begin(bytes)?;
    let size = (walk.picture.size.0 as u32, walk.picture.size.1 as u32);
    let bands = if walk.is_at_once() {
        let mut bands = bands(&walk, output)?;
        read_at_once(&walk, Some(&mut bands))?;
        bands
    } else {
        let (all, _) = scans::read(&mut walk)?;
        let mut bands = bands(&walk, output)?;
        for y in 0..walk.picture.mcus.1 {
            let planes = bands.planes();
            vectorised(PlaceMcus { all: &all, picture: &walk.picture, planes, first: 0, y });
            bands.finish(y);
        }
        bands
    };
    Ok(Whole { pixels: bands.into_pixels(), size })
}

/// A file up to its last block, where nothing but the end marker is missing; an error where any block is.
pub(super) fn complete(bytes: &[u8]) -> Result<&[u8], DecodeError> {
    let mut walk = Walk::begin(bytes)?;
    let nothing = if walk.is_at_once() { read_at_once(&walk, None)? } else { scans::read(&mut walk)?.1 };
    Ok(&bytes[..bytes.len() - nothing])
}

/// Whether a file has four components.
pub(super) fn has_inks(bytes: &[u8]) -> Result<bool, DecodeError> {
    Ok(matches!(Walk::begin(bytes)?.space, Space::Cmyk | Space::Ycck))
}

fn bands(walk: &Walk, output: Output) -> Result<Bands, DecodeError> {
    let steps = walk.states.iter().map(|state| state.steps).collect::<Option<Vec<_>>>();
    let steps = steps.ok_or_else(|| damaged("a component has no scan"))?;
    Ok(Bands::new(&walk.picture, walk.space, &steps, output))
}

/// MCUs that are read before they become samples: their coefficients fit the nearest cache.
const MCUS_AT_A_TIME: usize = 16;

/// Reads the one scan of a file, into `bands` if there are any; gives as many bytes of nothing as stand behind
/// it in place of an end.
fn read_at_once(walk: &Walk, mut bands: Option<&mut Bands>) -> Result<usize, DecodeError> {
    let mut reader = ScanReader::new(walk);
    let (wide, high) = walk.picture.mcus;
    let mut some = Coefficients::of(&walk.picture, (MCUS_AT_A_TIME, 1));
    for y in 0..high {
        for first in (0..wide).step_by(MCUS_AT_A_TIME) {
            let count = MCUS_AT_A_TIME.min(wide - first);
            reader.read_mcus(walk, &mut some, count, 0)?;
            if let Some(bands) = &mut bands {
                let planes = bands.planes();
                vectorised(PlaceMcus { all: &some, picture: &walk.picture, planes, first, y: 0 });
            }
        }
        if let Some(bands) = &mut bands {
            bands.finish(y);
        }
    }
    nothing_behind(&mut reader.bits)
}

/// MCUs of one row whose coefficients are there, and become samples.
struct PlaceMcus<'s> {
    all: &'s [Coefficients],
    picture: &'s Picture,
    planes: &'s mut [Plane],
    /// The place along x of the first MCU.
    first: usize,
    /// The row of MCUs among the coefficients.
    y: usize,
}

impl Loop for PlaceMcus<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let components = self.picture.components.iter();
        for ((of, plane), component) in self.all.iter().zip(self.planes).zip(components) {
            let (wide, high) = component.sampling;
            let first = self.first * wide;
            let shown = of.stride.min(component.blocks.0.saturating_sub(first));
            for down in 0..high {
                let row = (self.y * high + down) * of.stride;
                let blocks = of.blocks[row..row + shown].iter().zip(&of.nonzero[row..row + shown]);
                for (x, (block, nonzero)) in blocks.enumerate() {
                    let last = 63 - (nonzero | 1).leading_zeros() as usize;
                    plane.place(first + x, down, block, last);
                }
            }
        }
    }
}
