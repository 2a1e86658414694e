//! Winograd's minimal filtering for 3×3 convolutions, F(2×2, 3×3) and F(4×4, 3×3) (Lavin and Gray 2016,
//! arXiv:1509.09308): tiles of the input and the weights are transformed, multiplied as one matrix product
//! per transformed place, and transformed back. 2.25 and 4 times fewer multiplications than by columns.
//!
//! Eight tiles (or eight weights) are transformed side by side, so that every step is an operation on vectors.

use super::columns::bias_of;
use super::gemm::{Into, Mat, MatMut, Threads, gemm};
use super::real::{Loop, Real, simd};
use super::scratch::Scratch;
pub(super) use super::tile::{Direction, Side};
use super::tile::{LANES, Lanes, back, input, weight};
use super::weight_cache::{Values, WeightCache};
use rayon::prelude::*;
use std::sync::Arc;

/// Tiles treated together: bounds the transformed input (75 MiB for 512 channels in f32).
const MAX_TILES: usize = 1024;
/// Transformed weights that exist at a time, in elements: 32 MiB in f32.
const MAX_WEIGHTS: usize = 1 << 23;

/// Numbers and lengths of the feature maps, input and output alike.
#[derive(Clone, Copy)]
pub(super) struct Maps {
    pub n: usize,
    pub h: usize,
    pub w: usize,
}

/// `[o, i, 3, 3]`.
#[derive(Clone, Copy)]
pub(super) struct Weight<'a, T> {
    pub values: &'a [T],
    pub o: usize,
    pub i: usize,
    /// The cache of the transformed weight, for a frozen one.
    pub cache: Option<&'a WeightCache>,
}

impl Maps {
    fn tiles(self, side: Side) -> (usize, usize) {
        (self.h.div_ceil(side.output()), self.w.div_ceil(side.output()))
    }
}

/// The tile with the least work, `None` where columns are cheaper. Work is counted in multiplications per weight; a
/// transformed weight has to be computed, written and read again, which takes as long as about 24 multiplications.
pub(super) fn cheapest(n: usize, h: usize, w: usize) -> Option<Side> {
    const PER_WEIGHT: usize = 24;
    let work = |side: Side| {
        let (rows, cols) = Maps { n, h, w }.tiles(side);
        side.input().pow(2) * (n * rows * cols + PER_WEIGHT)
    };
    let best = [Side::Two, Side::Four].into_iter().min_by_key(|side| work(*side))?;
    (work(best) < 9 * n * h * w).then_some(best)
}

/// Convolution with padding 1 of `x` `[n, from, h, w]` into `y` `[n, to, h, w]`, where (from, to) = (i, o),
/// or (o, i) backward.
pub(super) fn convolve<T: Real>(
    side: Side,
    x: &[T],
    maps: Maps,
    weight: Weight<'_, T>,
    direction: Direction,
    bias: Option<&[T]>,
    y: &mut [T],
) {
    let places = side.input().pow(2);
    let (from, to) = match direction {
        Direction::Forward => (weight.i, weight.o),
        Direction::Backward => (weight.o, weight.i),
    };
    let (rows, cols) = maps.tiles(side);
    let all = maps.n * rows * cols;
    // Whole vectors of weights, whichever of the two indices they run along.
    let most = (MAX_WEIGHTS / (places * from.next_multiple_of(LANES)) / LANES * LANES).max(8 * LANES);
    for first in (0..all).step_by(MAX_TILES) {
        let count = MAX_TILES.min(all - first);
        let padded = count.next_multiple_of(LANES);
        let mut inputs = Scratch::<T>::take(places * from * padded);
        let tiles = Tiles { side, maps, first, count };
        tiles.read(x, from, &mut inputs);
        for start in (0..to).step_by(most) {
            let channels = most.min(to - start);
            let weights = weight.transformed(side, direction, all, (start, channels));
            let mut products = Scratch::<T>::take(places * channels * padded);
            products.par_chunks_mut(channels * padded).enumerate().for_each(|(place, product)| {
                let input = &inputs[place * from * padded..][..from * padded];
                let input = Mat::strided(input, (from, count), (padded, 1));
                let product = MatMut::strided(product, (channels, count), (padded, 1));
                gemm(product, Into::Replace, T::one(), weights.at(place), input, Threads::One);
            });
            tiles.write(&products, (start, channels, to), bias, y);
        }
    }
}

/// A run of tiles, counted through all images.
struct Tiles {
    side: Side,
    maps: Maps,
    first: usize,
    count: usize,
}

impl Tiles {
    /// Image, row and column of the `t`th tile of the run.
    fn place(&self, t: usize) -> (usize, usize, usize) {
        let (rows, cols) = self.maps.tiles(self.side);
        let t = self.first + t;
        (t / (rows * cols), t / cols % rows, t % cols)
    }

    /// Transformed tiles, `[places, channels, tiles]`.
    fn read<T: Real>(&self, x: &[T], channels: usize, to: &mut [T]) {
        let (side, maps) = (self.side, self.maps);
        let padded = self.count.next_multiple_of(LANES);
        let (rows, cols) = maps.tiles(side);
        let (height, width) = (rows * side.output() + 2, cols * side.output() + 2);
        let images = self.place(0).0..=self.place(self.count - 1).0;
        let starts: Vec<(usize, usize)> = (0..self.count)
            .map(|t| {
                let (image, row, col) = self.place(t);
                (image, row * side.output() * width + col * side.output())
            })
            .collect();
        // One task per channel writes a row of `to` for every place.
        let by_channel = split(to, channels, padded);
        by_channel.into_par_iter().enumerate().for_each(|(channel, mut to)| {
            let mut plane = vec![T::zero(); height * width];
            for image in images.clone() {
                let source = &x[(image * channels + channel) * maps.h * maps.w..][..maps.h * maps.w];
                for (row, source) in plane.chunks_exact_mut(width).skip(1).zip(source.chunks_exact(maps.w)) {
                    row[1..=maps.w].copy_from_slice(source);
                }
                let from = starts.partition_point(|s| s.0 < image) / LANES * LANES;
                simd::<Read, _>((self, &plane[..], width, &starts[..], (image, from), &mut to[..]));
            }
        });
    }

    /// Channels `start..start + channels` of `y` `[n, to, h, w]` from products `[places, channels, tiles]`.
    fn write<T: Real>(
        &self,
        products: &[T],
        (start, channels, to): (usize, usize, usize),
        bias: Option<&[T]>,
        y: &mut [T],
    ) {
        let maps = self.maps;
        y.par_chunks_mut(maps.h * maps.w).enumerate().for_each(|(plane, y)| {
            let (image, channel) = (plane / to, plane % to);
            if !(start..start + channels).contains(&channel) {
                return;
            }
            let bias = bias_of(bias, to, plane);
            simd::<Write, _>((self, products, (channels, channel - start), image, bias, y));
        });
    }
}

/// The tiles of one channel of one image: tiles, padded plane and its width, starts of all tiles, (image, first tile),
/// and a row of transformed values for every place.
type ReadArgs<'a, 'b, T> =
    (&'a Tiles, &'a [T], usize, &'a [(usize, usize)], (usize, usize), &'a mut [&'b mut [T]]);

enum Read {}

impl<T: Real> Loop<ReadArgs<'_, '_, T>> for Read {
    type Output = ();

    #[inline(always)]
    fn run((tiles, plane, width, starts, (image, from), to): ReadArgs<'_, '_, T>) {
        let edge = tiles.side.input();
        for start in (from..tiles.count).step_by(LANES) {
            let group = &starts[start..tiles.count.min(start + LANES)];
            if group[0].0 > image {
                break;
            }
            // A group may hold tiles of two images: each pass writes its own.
            let alone = group[0].0 == image && group[group.len() - 1].0 == image;
            let mut tile = [[[T::zero(); LANES]; 6]; 6];
            for (lane, &(of, at)) in group.iter().enumerate() {
                if of == image {
                    for (i, line) in tile.iter_mut().enumerate().take(edge) {
                        let source = &plane[at + i * width..][..edge];
                        for (value, x) in line.iter_mut().zip(source) {
                            value[lane] = *x;
                        }
                    }
                }
            }
            let tile = input(tiles.side, tile);
            for (place, to) in to.iter_mut().enumerate() {
                let value = &tile[place / edge][place % edge];
                let to = &mut to[start..start + LANES];
                if alone {
                    to.copy_from_slice(value);
                } else {
                    for (lane, &(of, _)) in group.iter().enumerate() {
                        if of == image {
                            to[lane] = value[lane];
                        }
                    }
                }
            }
        }
    }
}

/// One map of the result: tiles, products, (channels of them, this one), image, bias, map.
type WriteArgs<'a, T> = (&'a Tiles, &'a [T], (usize, usize), usize, T, &'a mut [T]);

enum Write {}

impl<T: Real> Loop<WriteArgs<'_, T>> for Write {
    type Output = ();

    #[inline(always)]
    fn run((tiles, products, (channels, channel), image, bias, y): WriteArgs<'_, T>) {
        let (edge, out, maps) = (tiles.side.input(), tiles.side.output(), tiles.maps);
        let padded = tiles.count.next_multiple_of(LANES);
        for first in (0..tiles.count).step_by(LANES) {
            let count = LANES.min(tiles.count - first);
            if tiles.place(first).0 > image || tiles.place(first + count - 1).0 < image {
                continue;
            }
            let mut tile = [[[T::zero(); LANES]; 6]; 6];
            for place in 0..edge * edge {
                let from = &products[(place * channels + channel) * padded + first..][..LANES];
                tile[place / edge][place % edge].copy_from_slice(from);
            }
            let tile = back(tiles.side, tile);
            for lane in 0..count {
                let (of, row, col) = tiles.place(first + lane);
                if of != image {
                    continue;
                }
                let (top, left) = (row * out, col * out);
                let width = out.min(maps.w - left);
                for (i, line) in tile.iter().enumerate().take(out.min(maps.h - top)) {
                    let y = &mut y[(top + i) * maps.w + left..][..width];
                    for (y, value) in y.iter_mut().zip(line) {
                        *y = value[lane] + bias;
                    }
                }
            }
        }
    }
}

/// The weights of one output channel, and a row of transformed ones for every place.
enum WeightRow {}

impl<T: Real> Loop<(Side, Direction, &[T], &mut [&mut [T]])> for WeightRow {
    type Output = ();

    #[inline(always)]
    fn run((side, direction, row, to): (Side, Direction, &[T], &mut [&mut [T]])) {
        let edge = side.input();
        for (group, taps) in row.chunks(9 * LANES).enumerate() {
            let mut lanes: [[Lanes<T>; 3]; 3] = [[[T::zero(); LANES]; 3]; 3];
            for (lane, taps) in taps.chunks_exact(9).enumerate() {
                for (k, tap) in taps.iter().enumerate() {
                    let k = if direction == Direction::Forward { k } else { 8 - k };
                    lanes[k / 3][k % 3][lane] = *tap;
                }
            }
            let tile = weight(side, lanes);
            for (place, to) in to.iter_mut().enumerate() {
                to[group * LANES..][..LANES].copy_from_slice(&tile[place / edge][place % edge]);
            }
        }
    }
}

/// For each of `count` rows, its share of every block: blocks lie one after another, each of `count` rows of `width`.
fn split<T>(values: &mut [T], count: usize, width: usize) -> Vec<Vec<&mut [T]>> {
    let mut rows: Vec<Vec<&mut [T]>> = (0..count).map(|_| Vec::new()).collect();
    for block in values.chunks_exact_mut(count * width) {
        for (row, part) in rows.iter_mut().zip(block.chunks_exact_mut(width)) {
            row.push(part);
        }
    }
    rows
}

/// Transformed weights: for every place a matrix (to, from).
struct Transformed<T: Real> {
    values: Transforms<T>,
    direction: Direction,
    /// Output channels, and input channels rounded up to whole vectors.
    o: usize,
    stride: usize,
    i: usize,
}

/// Transformed for this product alone, or from the cache.
enum Transforms<T: Real> {
    Fresh(Scratch<T>),
    Cached(Arc<Values>),
}

impl<T: Real> Transformed<T> {
    fn at(&self, place: usize) -> Mat<'_, T> {
        let values = match &self.values {
            Transforms::Fresh(values) => values,
            Transforms::Cached(values) => values.as_slice(),
        };
        let values = &values[place * self.o * self.stride..][..self.o * self.stride];
        let matrix = Mat::strided(values, (self.o, self.i), (self.stride, 1));
        if self.direction == Direction::Forward { matrix } else { matrix.t() }
    }
}

impl<T: Real> Weight<'_, T> {
    /// The weights of `channels` channels of the result from `start` on; turned around where the direction is.
    fn transformed(
        self,
        side: Side,
        direction: Direction,
        tiles: usize,
        (start, channels): (usize, usize),
    ) -> Transformed<T> {
        let (o, i) = match direction {
            Direction::Forward => (start..start + channels, 0..self.i),
            Direction::Backward => (0..self.o, start..start + channels),
        };
        let stride = i.len().next_multiple_of(LANES);
        let edge = side.input();
        let len = edge * edge * o.len() * stride;
        let row = |o: usize| &self.values[(o * self.i + i.start) * 9..][..i.len() * 9];
        let transform = |values: &mut [T]| {
            let rows = split(values, o.len(), stride).into_par_iter().zip(o.clone());
            rows.for_each(|(mut to, o)| simd::<WeightRow, _>((side, direction, row(o), &mut to[..])));
        };
        let cache = self.cache.and_then(|cache| cache.get((side, direction, start), (tiles, len), transform));
        let values = cache.map(Transforms::Cached).unwrap_or_else(|| {
            let mut values = Scratch::<T>::take(len);
            transform(&mut values);
            Transforms::Fresh(values)
        });
        Transformed { values, direction, o: o.len(), stride, i: i.len() }
    }
}
