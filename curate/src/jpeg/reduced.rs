//! Decoding a plain JPEG at 1/2, 1/4 or 1/8 of its size, from the lowest frequencies of each block alone.
//!
//! A shortcut for the usual file, which is also exact about its length: every block has to be there, and nothing more.
//! Whatever is not plain, or odd in any way, gives `None` and goes the long way, which says what is wrong.

use std::f32::consts::PI;

use image::RgbImage;

use super::frame::{Component, Frame};
use super::scan::{Bits, Huffman, Run};

const END_OF_IMAGE: u8 = 0xD9;
const FIRST_RESTART: u8 = 0xD0;

/// Row and column of each coefficient, in the order in which files hold them.
const ZIGZAG: [(u8, u8); 64] = zigzag();

const fn zigzag() -> [(u8, u8); 64] {
    let mut places = [(0, 0); 64];
    let (mut row, mut column, mut i) = (0_u8, 0_u8, 0);
    while i < 64 {
        places[i] = (row, column);
        let is_up = (row + column).is_multiple_of(2);
        match (is_up, row, column) {
            (true, _, 7) => row += 1,
            (true, 0, _) => column += 1,
            (true, ..) => (row, column) = (row - 1, column + 1),
            (false, 7, _) => column += 1,
            (false, _, 0) => row += 1,
            (false, ..) => (row, column) = (row + 1, column - 1),
        }
        i += 1;
    }
    places
}

/// Decodes a plain JPEG at `eighths`/8 of its size (4, 2 or 1), not yet upright.
pub(super) fn decode(bytes: &[u8], eighths: usize) -> Option<RgbImage> {
    let frame = Frame::parse(bytes)?;
    let most = frame
        .components
        .iter()
        .fold((1, 1), |(x, y), component| (x.max(component.sampling.0), y.max(component.sampling.1)));
    let units = (frame.width.div_ceil(8 * most.0), frame.height.div_ceil(8 * most.1));
    let plane = |component| Plane::new(component, most, eighths, units);
    let mut planes = frame.components.iter().map(plane).collect::<Option<Vec<_>>>()?;
    read_scan(&frame, &mut planes, units)?;
    let side = |length: usize| (length * eighths).div_ceil(8) as u32;
    Some(colours(&planes, side(frame.width), side(frame.height)))
}

/// One component's samples at the reduced size.
struct Plane {
    samples: Vec<u8>,
    stride: usize,
    /// Samples per block along x and y: coarser components have more, so that all planes end up with one size.
    side: (usize, usize),
    /// Blocks per unit along x and y.
    sampling: (usize, usize),
    /// For each coefficient in the file's order: where it goes in `block`, and its quantisation step; 64: left out.
    places: [(u8, f32); 64],
    /// The first coefficient in the file's order from which on all are left out.
    kept: usize,
    /// The kept coefficients of the block at hand, rows of 8; those that are left out fall on the last place.
    block: [f32; 65],
    /// From coefficients to samples along x and y: `[sample][frequency]`.
    waves: ([[f32; 8]; 8], [[f32; 8]; 8]),
    previous: i32,
}

impl Plane {
    fn new(
        component: &Component,
        most: (usize, usize),
        eighths: usize,
        units: (usize, usize),
    ) -> Option<Self> {
        let sampling = component.sampling;
        let along = |most: usize, own: usize| {
            let side = most.is_multiple_of(own).then(|| eighths * (most / own));
            side.filter(|&side| side <= 8)
        };
        let side = (along(most.0, sampling.0)?, along(most.1, sampling.1)?);
        let stride = units.0 * sampling.0 * side.0;
        let place = |i: usize| {
            let (row, column) = (usize::from(ZIGZAG[i].0), usize::from(ZIGZAG[i].1));
            let is_kept = row < side.1 && column < side.0;
            (if is_kept { (8 * row + column) as u8 } else { 64 }, f32::from(component.steps[i]))
        };
        let places: [(u8, f32); 64] = std::array::from_fn(place);
        Some(Self {
            kept: places.iter().rposition(|(place, _)| *place < 64).map_or(0, |last| last + 1),
            samples: vec![0; stride * units.1 * sampling.1 * side.1],
            stride,
            side,
            sampling,
            places,
            block: [0.0; 65],
            waves: (waves(side.0), waves(side.1)),
            previous: 0,
        })
    }

    /// Reads one block; gives whether it has anything but its constant.
    fn read(&mut self, bits: &mut Bits, constant: &Huffman, others: &Huffman) -> Option<bool> {
        self.block = [0.0; 65];
        let length = u32::from(bits.symbol(constant)?);
        if length > 11 {
            return None;
        }
        self.previous = self.previous.checked_add(bits.number(length)?)?;
        self.block[0] = self.previous as f32 * self.places[0].1;
        let mut has_others = false;
        let mut at = 1;
        while at < self.kept {
            let Run { zeros, value } = bits.run(others)?;
            if value == 0 {
                match zeros {
                    15 => at += 16,
                    0 => return Some(has_others),
                    _ => return None, // runs of blocks belong to progressive files
                }
                continue;
            }
            at += usize::from(zeros);
            let (place, step) = *self.places.get(at)?;
            self.block[usize::from(place)] = f32::from(value) * step;
            has_others |= place < 64;
            at += 1;
        }
        bits.skip_block(at, others)?;
        Some(has_others)
    }

    /// Turns the block into samples, at block `(x, y)` of the plane.
    fn place(&mut self, x: usize, y: usize, has_others: bool) {
        let (width, height) = self.side;
        let first = y * height * self.stride + x * width;
        let rows = self.samples[first..].chunks_mut(self.stride).take(height);
        if !has_others {
            let value = sample(self.block[0] / 8.0);
            rows.for_each(|row| row[..width].fill(value));
            return;
        }
        // The usual sides as constants: loops of known lengths are unrolled and take a fraction of the time.
        match self.side {
            (2, 2) => transform(rows, (2, 2), &self.block, &self.waves),
            (4, 4) => transform(rows, (4, 4), &self.block, &self.waves),
            (8, 8) => transform(rows, (8, 8), &self.block, &self.waves),
            (4, 2) => transform(rows, (4, 2), &self.block, &self.waves),
            (8, 4) => transform(rows, (8, 4), &self.block, &self.waves),
            side => transform(rows, side, &self.block, &self.waves),
        }
    }
}

/// The inverse transform of a block: `width` × `height` samples.
#[inline(always)] // so that constants reach the loops
fn transform<'s>(
    rows: impl Iterator<Item = &'s mut [u8]>,
    (width, height): (usize, usize),
    block: &[f32; 65],
    waves: &([[f32; 8]; 8], [[f32; 8]; 8]),
) {
    for (row, wave_y) in rows.zip(&waves.1) {
        let mut line = [0.0_f32; 8];
        for (coefficients, factor) in block.as_chunks::<8>().0.iter().zip(wave_y).take(height) {
            for (sum, value) in line.iter_mut().zip(coefficients).take(width) {
                *sum += value * factor;
            }
        }
        for (out, wave_x) in row[..width].iter_mut().zip(&waves.0) {
            *out = sample(line.iter().zip(wave_x).take(width).map(|(value, factor)| value * factor).sum());
        }
    }
}

/// The inverse transform of `side` points, of coefficients that were made by one of 8.
fn waves(side: usize) -> [[f32; 8]; 8] {
    let wave = |sample: usize, frequency: usize| {
        let height = if frequency == 0 { 1.0 } else { 2.0_f32.sqrt() };
        let angle = PI * frequency as f32 * (2 * sample + 1) as f32 / (2 * side) as f32;
        if frequency < side { height * angle.cos() / 8.0_f32.sqrt() } else { 0.0 }
    };
    std::array::from_fn(|sample| std::array::from_fn(|frequency| wave(sample, frequency)))
}

fn sample(value: f32) -> u8 {
    (value + 128.5) as u8 // saturates
}

/// Reads every block, and insists that the image ends behind the last one.
fn read_scan(frame: &Frame, planes: &mut [Plane], units: (usize, usize)) -> Option<()> {
    let table = |kind: usize, component: &Component| Huffman::new(frame.tables[kind][component.codes[kind]]?);
    let tables = frame.components.iter().map(|of| Some((table(0, of)?, table(1, of)?)));
    let tables = tables.collect::<Option<Vec<_>>>()?;
    let mut bits = Bits::new(frame.scan);
    for unit in 0..units.0 * units.1 {
        if frame.restart_interval > 0 && unit > 0 && unit % frame.restart_interval == 0 {
            let number = (unit / frame.restart_interval - 1) % 8;
            if bits.marker()? != FIRST_RESTART + number as u8 {
                return None;
            }
            planes.iter_mut().for_each(|plane| plane.previous = 0);
        }
        let (x, y) = (unit % units.0, unit / units.0);
        for (plane, (constant, others)) in planes.iter_mut().zip(&tables) {
            for block in 0..plane.sampling.0 * plane.sampling.1 {
                let (right, down) = (block % plane.sampling.0, block / plane.sampling.0);
                let has_others = plane.read(&mut bits, constant, others)?;
                plane.place(x * plane.sampling.0 + right, y * plane.sampling.1 + down, has_others);
            }
        }
    }
    (bits.marker()? == END_OF_IMAGE).then_some(())
}

/// JFIF's YCbCr, or grey, to RGB.
fn colours(planes: &[Plane], width: u32, height: u32) -> RgbImage {
    let mut out = RgbImage::new(width, height);
    for (y, row) in out.chunks_exact_mut(3 * width as usize).enumerate() {
        let line = |plane: &Plane| y * plane.stride..y * plane.stride + width as usize;
        let [luma, blue, red] = planes else {
            for (pixel, &value) in
                row.as_chunks_mut::<3>().0.iter_mut().zip(&planes[0].samples[line(&planes[0])])
            {
                *pixel = [value; 3];
            }
            continue;
        };
        let lines =
            luma.samples[line(luma)].iter().zip(&blue.samples[line(blue)]).zip(&red.samples[line(red)]);
        for (pixel, ((&y, &cb), &cr)) in row.as_chunks_mut::<3>().0.iter_mut().zip(lines) {
            // 16 bits behind the point, rounded
            let (y, cb, cr) = ((i32::from(y) << 16) + (1 << 15), i32::from(cb) - 128, i32::from(cr) - 128);
            let level = |value: i32| (value >> 16).clamp(0, 255) as u8;
            *pixel = [level(y + 91_881 * cr), level(y - 22_554 * cb - 46_802 * cr), level(y + 116_130 * cb)];
        }
    }
    out
}
