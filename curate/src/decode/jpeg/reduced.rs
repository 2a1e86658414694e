//! Decoding a plain JPEG at 1/2, 1/4 or 1/8 of its size, from the lowest frequencies of each block alone.
//!
//! A shortcut for the usual file, which is also exact about its length: every block has to be there, and
//! nothing more. Whatever is not plain, or odd in any way, gives `None` and goes the long way, which says
//! what is wrong.

use std::f32::consts::PI;

use image::RgbImage;

use super::entropy::bits::BitReader;
use super::entropy::huffman::{Huffman, Run, Skips};
use super::entropy::scan_header::Member;
use super::entropy::walk::Walk;
use super::entropy::zigzag::ZIGZAG;
use super::headers::markers::{END_OF_IMAGE, FIRST_RESTART};
use super::headers::picture::Picture;
use super::headers::space::Space;
use super::samples::idct::Block;
use crate::pixels::buffers;

/// Decodes a plain JPEG at `scale_num`/8 of its size (4, 2 or 1), not yet upright.
pub(super) fn decode(bytes: &[u8], scale_num: usize) -> Option<RgbImage> {
    let mut walk = Walk::begin(bytes).ok()?;
    let is_in_order = walk.scan.members.iter().enumerate().all(|(place, member)| member.place == place);
    if !walk.is_at_once() || !is_in_order || !matches!(walk.space, Space::Grey | Space::YCbCr) {
        return None;
    }
    let members = std::mem::take(&mut walk.scan.members);
    let plane =
        |place: usize| Plane::new(&walk.picture, place, walk.states[place].steps.as_ref()?, scale_num);
    let mut planes = (0..members.len()).map(plane).collect::<Option<Vec<_>>>()?;
    let tables = members.into_iter().map(Tables::of).collect::<Option<Vec<_>>>()?;
    read_scan(&walk, &tables, &mut planes)?;
    let (width, height) = walk.picture.size;
    let side = |length: usize| (length * scale_num).div_ceil(8) as u32;
    let image = colours(&planes, side(width), side(height));
    planes.into_iter().for_each(|plane| buffers::keep(plane.samples));
    Some(image)
}

/// One component's samples at the reduced size.
struct Plane {
    samples: Vec<u8>,
    stride: usize,
    /// Samples per block along x and y: coarser components have more, so that all planes end up with one
    /// size.
    side: (usize, usize),
    /// Blocks per MCU along x and y.
    sampling: (usize, usize),
    /// For each coefficient in the file's order: where it goes in `block`, and its quantisation step; 64:
    /// left out.
    places: [(u8, f32); 64],
    /// The first coefficient in the file's order from which on all are left out.
    kept: usize,
    /// The kept coefficients of the block at hand, rows of 8; those that are left out fall on the last place.
    block: [f32; 65],
    basis: IdctBasis,
    previous: i32,
}

impl Plane {
    /// The plane of the component at `place`, whose quantisation steps are rows of 8.
    fn new(picture: &Picture, place: usize, steps: &Block, scale_num: usize) -> Option<Self> {
        let (sampling, most, mcus) = (picture.components[place].sampling, picture.finest, picture.mcus);
        let along = |most: usize, own: usize| {
            let side = most.is_multiple_of(own).then(|| scale_num * (most / own));
            side.filter(|&side| side <= MOST)
        };
        let side = (along(most.0, sampling.0)?, along(most.1, sampling.1)?);
        let stride = mcus.0 * sampling.0 * side.0 + MOST; // the last block of a row is written beyond itself
        let place = |i: usize| {
            let (row, column) = (usize::from(ZIGZAG[i] / 8), usize::from(ZIGZAG[i] % 8));
            let is_kept = row < side.1 && column < side.0;
            let step = steps[8 * row + column] as u16; // tables of 16 bits are kept in as many
            (if is_kept { (8 * row + column) as u8 } else { 64 }, f32::from(step))
        };
        let places: [(u8, f32); 64] = std::array::from_fn(place);
        Some(Self {
            kept: places.iter().rposition(|(place, _)| *place < 64).map_or(0, |last| last + 1),
            samples: buffers::zeros(stride * mcus.1 * sampling.1 * side.1),
            stride,
            side,
            sampling,
            places,
            block: [0.0; 65],
            basis: IdctBasis::new(side),
            previous: 0,
        })
    }

    /// Reads one block; gives the last place of `block` that is not 0.
    fn read(&mut self, bits: &mut BitReader, Tables { dc, ac, skips }: &Tables) -> Option<usize> {
        self.previous = self.previous.checked_add(bits.dc(dc)?)?;
        self.block[0] = self.previous as f32 * self.places[0].1;
        let mut last = 0;
        let mut at = 1;
        while at < self.kept {
            let Run { zeros, value } = bits.run(ac)?;
            if value == 0 {
                match zeros {
                    15 => at += 16,
                    0 => return Some(last.into()),
                    _ => return None, // runs of blocks belong to progressive files
                }
                continue;
            }
            at += usize::from(zeros);
            let (place, step) = *self.places.get(at)?;
            self.block[usize::from(place)] = f32::from(value) * step;
            last = last.max(place & 63); // one that is left out is at 64, and counts as 0
            at += 1;
        }
        bits.skip_block(at, ac, skips)?;
        Some(last.into())
    }

    /// Turns the block into samples, at block `(x, y)` of the plane, and clears it. As many samples are
    /// written at once as the processor likes: those beyond the block are of blocks that follow.
    #[inline(always)]
    fn place(&mut self, x: usize, y: usize, last: usize) {
        let first = y * self.side.1 * self.stride + x * self.side.0;
        let Self { samples, stride, side, block, basis, .. } = self;
        let rows = &mut samples[first..];
        if last == 0 {
            let value = level(block[0] / 8.0);
            return match side.0 {
                ..=4 => fill::<4>(rows, *stride, side.1, value),
                _ => fill::<MOST>(rows, *stride, side.1, value),
            };
        }
        let lines = &mut block.as_chunks_mut::<8>().0[..last / 8 + 1];
        match *side {
            (2, 2) => halves(rows, *stride, lines),
            (..=4, _) => transform::<4>(rows, *stride, side.1, lines, basis),
            _ => transform::<MOST>(rows, *stride, side.1, lines, basis),
        }
        lines.fill([0.0; 8]);
    }
}

/// The most samples of a block along a side.
const MOST: usize = 8;

/// From coefficients to samples; beyond the plane's side and beyond its frequencies: zeros.
struct IdctBasis {
    /// Along y: `[sample][frequency]`.
    down: [[f32; 8]; MOST],
    /// Along x: `[frequency][sample]`.
    across: [[f32; MOST]; 8],
}

impl IdctBasis {
    /// The inverse transform of as many points as the sides have, of coefficients that were made by one of 8.
    fn new((width, height): (usize, usize)) -> Self {
        let wave = |side: usize, sample: usize, frequency: usize| {
            let height = if frequency == 0 { 1.0 } else { 2.0_f32.sqrt() };
            let angle = PI * frequency as f32 * (2 * sample + 1) as f32 / (2 * side) as f32;
            if frequency < side && sample < side { height * angle.cos() / 8.0_f32.sqrt() } else { 0.0 }
        };
        Self {
            down: std::array::from_fn(|sample| std::array::from_fn(|f| wave(height, sample, f))),
            across: std::array::from_fn(|f| std::array::from_fn(|sample| wave(width, sample, f))),
        }
    }
}

/// The inverse transform of the lines of a block, `LANES` samples in each of `height` rows.
#[inline(always)]
fn transform<const LANES: usize>(
    samples: &mut [u8],
    stride: usize,
    height: usize,
    lines: &[[f32; 8]],
    basis: &IdctBasis,
) {
    let mut across = [[0.0_f32; LANES]; 8];
    for (sums, line) in across.iter_mut().zip(lines) {
        for (value, wave) in line.iter().zip(&basis.across) {
            for (sum, factor) in sums.iter_mut().zip(wave) {
                *sum += value * factor;
            }
        }
    }
    for (row, wave) in samples.chunks_mut(stride).zip(&basis.down).take(height) {
        let mut sums = [0.0_f32; LANES];
        for (factor, line) in wave.iter().zip(&across[..lines.len()]) {
            for (sum, value) in sums.iter_mut().zip(line) {
                *sum += value * factor;
            }
        }
        *row.first_chunk_mut().expect(ROOM) = bytes(&sums);
    }
}

/// The inverse transform to 2 × 2 samples, whose basis functions are 1 or −1: what most large photos are
/// decoded by.
#[inline(always)]
fn halves(samples: &mut [u8], stride: usize, lines: &[[f32; 8]]) {
    let eighth = |value: f32| value / 8.0;
    let (a, b) = (eighth(lines[0][0]), eighth(lines[0][1]));
    let (c, d) = lines.get(1).map_or((0.0, 0.0), |line| (eighth(line[0]), eighth(line[1])));
    let (up, up_across, down, down_across) = (a + c, b + d, a - c, b - d);
    let [first, second] =
        [bytes(&[up + up_across, up - up_across]), bytes(&[down + down_across, down - down_across])];
    *samples.first_chunk_mut().expect(ROOM) = first;
    *samples[stride..].first_chunk_mut().expect(ROOM) = second;
}

/// Why a row always takes a block's samples.
const ROOM: &str = "a row has room for one block more";

/// One level for `LANES` samples in each of `height` rows.
#[inline(always)]
fn fill<const LANES: usize>(samples: &mut [u8], stride: usize, height: usize, value: u8) {
    for row in samples.chunks_mut(stride).take(height) {
        *row.first_chunk_mut().expect(ROOM) = [value; LANES];
    }
}

/// The levels of samples.
#[inline(always)]
fn bytes<const LANES: usize>(samples: &[f32; LANES]) -> [u8; LANES] {
    let mut bytes = [0; LANES];
    bytes.iter_mut().zip(samples).for_each(|(byte, sample)| *byte = level(*sample));
    bytes
}

/// From −128..128 to the nearest level.
#[inline(always)]
fn level(value: f32) -> u8 {
    byte(value + 128.0)
}

/// The nearest of 0..=255. Adding 2^23 moves the whole part of a float into its lowest bits, without a
/// conversion that asks for every odd case.
#[inline(always)]
fn byte(value: f32) -> u8 {
    (value.clamp(0.0, 255.0) + 8_388_608.0).to_bits() as u8
}

/// The Huffman tables of a component.
struct Tables {
    dc: Huffman,
    ac: Huffman,
    skips: Skips,
}

impl Tables {
    /// `None` where one is missing.
    fn of(member: Member) -> Option<Self> {
        let (dc, ac) = (member.dc?, member.ac?);
        Some(Self { skips: Skips::of(&ac), dc, ac })
    }
}

/// Reads every block, and insists that the image ends behind the last one.
fn read_scan(walk: &Walk<'_>, tables: &[Tables], planes: &mut [Plane]) -> Option<()> {
    let (mcus, restart_interval) = (walk.picture.mcus, walk.settings.restart_interval);
    let mut bits = BitReader::new(walk.data);
    let mut until_restart = restart_interval;
    let mut restarts = 0;
    for y in 0..mcus.1 {
        for x in 0..mcus.0 {
            if restart_interval > 0 {
                if until_restart == 0 {
                    if bits.marker()? != FIRST_RESTART + restarts {
                        return None;
                    }
                    (until_restart, restarts) = (restart_interval, (restarts + 1) % 8);
                    planes.iter_mut().for_each(|plane| plane.previous = 0);
                }
                until_restart -= 1;
            }
            for (plane, tables) in planes.iter_mut().zip(tables) {
                let (wide, high) = plane.sampling;
                for down in 0..high {
                    for right in 0..wide {
                        let last = plane.read(&mut bits, tables)?;
                        plane.place(x * wide + right, y * high + down, last);
                    }
                }
            }
        }
    }
    (bits.marker()? == END_OF_IMAGE).then_some(())
}

/// JFIF's YCbCr, or grey, to RGB.
fn colours(planes: &[Plane], width: u32, height: u32) -> RgbImage {
    let width_px = width as usize;
    let mut out = buffers::zeros(3 * width_px * height as usize);
    let mut levels = [vec![0_u8; width_px], vec![0_u8; width_px], vec![0_u8; width_px]];
    for (y, out) in out.chunks_exact_mut(3 * width_px).enumerate() {
        let line = |plane: &'_ Plane| y * plane.stride..y * plane.stride + width_px;
        let [luma, blue, red] = planes else {
            let grey = &planes[0].samples[line(&planes[0])];
            out.as_chunks_mut().0.iter_mut().zip(grey).for_each(|(pixel, &value)| *pixel = [value; 3]);
            continue;
        };
        let lines =
            luma.samples[line(luma)].iter().zip(&blue.samples[line(blue)]).zip(&red.samples[line(red)]);
        // By planes first, which the compiler makes sixteen pixels at once of.
        let [r, g, b] = &mut levels;
        for (((r, g), b), ((&y, &cb), &cr)) in r.iter_mut().zip(g.iter_mut()).zip(b.iter_mut()).zip(lines) {
            let (y, cb, cr) = (f32::from(y), f32::from(cb) - 128.0, f32::from(cr) - 128.0);
            (*r, *g, *b) =
                (byte(y + 1.402 * cr), byte(y - 0.344_136 * cb - 0.714_136 * cr), byte(y + 1.772 * cb));
        }
        let rgb = r.iter().zip(&*g).zip(&*b).map(|((&r, &g), &b)| [r, g, b]);
        out.as_chunks_mut().0.iter_mut().zip(rgb).for_each(|(pixel, rgb)| *pixel = rgb);
    }
    RgbImage::from_raw(width, height, out).expect("three bytes per pixel")
}
