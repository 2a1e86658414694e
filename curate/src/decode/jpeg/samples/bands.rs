//! A picture in the making: rows of MCUs to rows of pixels, as soon as what lies below them is known.

use super::convert::{self, Output};
use super::idct::{self, Block};
use super::upsample::Upsampling;
use crate::decode::jpeg::headers::picture::{Component, Picture, SIDE};
use crate::decode::jpeg::headers::space::Space;
use crate::pixels::buffers;
use crate::pixels::simd::{Loop, vectorised};

/// The components' samples of one row of MCUs, and the pixels so far.
///
/// An MCU is `finest` blocks high, and a group of `finest` rows of pixels comes of as many rows of a
/// component as it has blocks in an MCU. Where a component lies between its rows, the last group of a row of
/// MCUs waits for the next one.
pub(crate) struct Bands {
    planes: Vec<Plane>,
    space: Space,
    output: Output,
    /// Width and height in px.
    size: (usize, usize),
    /// Rows of pixels in a group.
    group: usize,
    /// Rows of MCUs.
    all: usize,
    /// Whether the last group of a row of MCUs waits.
    waits: bool,
    /// A row of pixels.
    line: Vec<u8>,
    pixels: Vec<u8>,
}

/// One component.
pub(crate) struct Plane {
    /// Rows of `stride`: `kept` of the row of MCUs before, those of this one, and one below.
    samples: Vec<u8>,
    stride: usize,
    kept: usize,
    /// Samples along x and y that show.
    size: (usize, usize),
    /// Blocks of an MCU along y.
    high: usize,
    steps: Block,
    upsampling: Upsampling,
    sums: Vec<u16>,
    /// A row as long as one of pixels.
    line: Vec<u8>,
}

impl Bands {
    /// Of a picture whose components have these quantisation steps.
    pub fn new(picture: &Picture, space: Space, steps: &[Block], output: Output) -> Self {
        let upsampling =
            |component: &Component| Upsampling::of(component.sampling, picture.finest, component.size.0);
        let waits = picture.components.iter().any(|component| upsampling(component).has_neighbours());
        let plane = |(component, steps): (&Component, &Block)| {
            let (wide, high) = component.sampling;
            let stride = picture.mcus.0 * wide * SIDE;
            let kept = if waits { high + 1 } else { 0 };
            let longest = picture.mcus.0 * picture.finest.0 * SIDE;
            Plane {
                samples: vec![0; stride * (kept + high * SIDE + 1)],
                stride,
                kept,
                size: component.size,
                high,
                steps: *steps,
                upsampling: upsampling(component),
                sums: vec![0; component.size.0 + 2],
                line: vec![0; longest],
            }
        };
        Self {
            planes: picture.components.iter().zip(steps).map(plane).collect(),
            space,
            output,
            size: picture.size,
            group: picture.finest.1,
            all: picture.mcus.1,
            waits,
            line: vec![0; output.channels() * picture.size.0],
            pixels: buffers::empty(output.channels() * picture.size.0 * picture.size.1),
        }
    }

    /// The planes, into which the blocks of a row of MCUs go.
    pub fn planes(&mut self) -> &mut [Plane] {
        &mut self.planes
    }

    /// Makes the pixels that can be made when the blocks of the `y`th row of MCUs are there.
    pub fn finish(&mut self, y: usize) {
        vectorised(Finish { bands: self, y });
    }

    /// All pixels.
    pub fn into_pixels(self) -> Vec<u8> {
        self.pixels
    }
}

impl Plane {
    /// Turns a block into samples, the `x`th of the row and the `down`th of the MCU. `last`: the place of its
    /// last coefficient in the file's order.
    #[inline(always)]
    pub fn place(&mut self, x: usize, down: usize, block: &Block, last: usize) {
        let first = (self.kept + SIDE * down) * self.stride + SIDE * x;
        idct::transform(block, last, &self.steps, &mut self.samples[first..], self.stride);
    }

    fn row(&self, y: usize) -> &[u8] {
        &self.samples[y * self.stride..][..self.size.0]
    }

    /// Repeats a row of samples.
    fn repeat(&mut self, from: usize, to: usize) {
        self.samples.copy_within(from * self.stride..(from + 1) * self.stride, to * self.stride);
    }

    /// The row of samples from which the first row of a group comes; groups count from the row of MCUs on, the
    /// one that waited is before 0.
    fn first_of(&self, group: isize) -> usize {
        self.kept.wrapping_add_signed(group * self.high as isize)
    }
}

/// [`Bands::finish`] as a loop.
struct Finish<'s> {
    bands: &'s mut Bands,
    y: usize,
}

impl Loop for Finish<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { bands, y } = self;
        let is_last = y + 1 == bands.all;
        for plane in &mut bands.planes {
            if plane.kept > 0 && y == 0 {
                plane.repeat(plane.kept, plane.kept - 1);
            }
            if plane.kept > 0 && is_last {
                let last = plane.kept + plane.size.1 - 1 - y * plane.high * SIDE;
                plane.repeat(last, last + 1);
            }
        }
        let waiting = isize::from(bands.waits);
        let first = if y == 0 { 0 } else { -waiting };
        let behind = SIDE as isize - if is_last { 0 } else { waiting };
        let first_row = (y * SIDE).wrapping_add_signed(first) * bands.group;
        let rows = (behind - first) as usize * bands.group;
        for row in 0..rows.min(bands.size.1.saturating_sub(first_row)) {
            bands.make_row(first + (row / bands.group) as isize, row % bands.group);
        }
        for plane in &mut bands.planes {
            let (from, stride) = (plane.high * SIDE * plane.stride, plane.stride);
            plane.samples.copy_within(from..from + plane.kept * stride, 0);
        }
    }
}

impl Bands {
    /// Makes the `down`th row of pixels of a group.
    #[inline(always)]
    fn make_row(&mut self, group: isize, down: usize) {
        let mut places = [0; 4];
        for (plane, place) in self.planes.iter_mut().zip(&mut places) {
            let times = self.group / plane.high;
            let (near, y) = (plane.first_of(group) + down / times, down % times);
            *place = near;
            if plane.upsampling != Upsampling::None {
                let (mut line, mut sums) = (std::mem::take(&mut plane.line), std::mem::take(&mut plane.sums));
                let beside = match plane.upsampling.has_neighbours() {
                    true if y == 0 => near - 1,
                    true => near + 1,
                    false => near,
                };
                plane.upsampling.row(y, plane.row(near), plane.row(beside), &mut sums, &mut line);
                (plane.line, plane.sums) = (line, sums);
            }
        }
        let mut lines: [&[u8]; 4] = [&[]; 4];
        for ((line, plane), place) in lines.iter_mut().zip(&self.planes).zip(places) {
            *line = if plane.upsampling == Upsampling::None { plane.row(place) } else { &plane.line };
        }
        convert::row(&lines, self.space, self.output, &mut self.line);
        self.pixels.extend_from_slice(&self.line);
    }
}
