//! The gradient of a convolution's weight at stride 1, without laying out its windows as columns (im2col). A
//! *tap* is one position of the kernel.
//!
//! The input is copied once to channels-last order, with zeros between rows and between images as padding.
//! Then the inputs that one row of the kernel sees at a pixel are `kw` neighbouring pixels, which lie next to
//! each other in memory. So the gradient of each kernel row is a single matrix product over all pixels, of
//! the input shifted by that row and the output's gradient. For a 3×3 kernel, columns would be nine times the
//! input, to be written, transposed and read again.

use super::conv::Sizes;
use super::gemm::{Into, Mat, MatMut, Threads, gemm};
use super::real::Real;
use super::scratch::Scratch;
use rayon::prelude::*;

/// The most rows of a task's product (taps times input channels): eight times the six that `gemm`'s kernels
/// handle at once, and few enough that it does not pack the gradient first. Fixed, so that sums do not depend
/// on the number of threads.
const COLUMNS: usize = 48;

/// Whether this way works for a convolution.
pub(super) fn suits(sizes: &Sizes) -> bool {
    // With padding as wide as the kernel, some results see padding only, for which there is no room in the
    // layout.
    sizes.window.stride == 1 && sizes.window.padding < sizes.kh.min(sizes.kw)
}

/// The layout of pixels. A row's padding at the end is the next row's at the beginning; likewise for images.
struct Grid {
    /// Pixels from row to row.
    pitch: usize,
    /// Rows from image to image.
    rows: usize,
}

/// Maps `[n, channels, h, w]`, to be laid out with `padding` rows and columns of zeros before each.
struct Maps<'a, T> {
    data: &'a [T],
    channels: usize,
    h: usize,
    w: usize,
    padding: usize,
}

impl<T: Real> Maps<'_, T> {
    /// Writes the maps to `to` in channels-last order, padding included.
    fn lay(&self, grid: &Grid, to: &mut [T]) {
        let images = self.data.len() / (self.channels * self.h * self.w).max(1);
        to.par_chunks_mut(grid.pitch * self.channels).enumerate().for_each(|(line, to)| {
            to.fill(T::zero());
            let (image, row) = (line / grid.rows, (line % grid.rows).checked_sub(self.padding));
            let Some(row) = row.filter(|row| image < images && *row < self.h) else { return };
            for channel in 0..self.channels {
                let from =
                    &self.data[((image * self.channels + channel) * self.h + row) * self.w..][..self.w];
                let pixels = to[self.padding * self.channels..].chunks_exact_mut(self.channels);
                pixels.zip(from).for_each(|(pixel, value)| pixel[channel] = *value);
            }
        });
    }
}

/// Gradient of the weight, `[o, i, kh, kw]`.
pub(super) fn by_weight<T: Real>(x: &[T], grad: &[T], sizes: &Sizes) -> Vec<T> {
    let Sizes { n, i, h, w, o, oh, ow, kh, kw, window } = *sizes;
    let grid = Grid { pitch: w + window.padding, rows: h + window.padding };
    // Pixels up to the last row of results.
    let pixels = ((n.max(1) - 1) * grid.rows + oh) * grid.pitch;
    let mut inputs = Scratch::<T>::take((pixels + (kh - 1) * grid.pitch + kw - 1) * i);
    Maps { data: x, channels: i, h, w, padding: window.padding }.lay(&grid, &mut inputs);
    let mut upstream = Scratch::<T>::take(pixels * o);
    Maps { data: grad, channels: o, h: oh, w: ow, padding: 0 }.lay(&grid, &mut upstream);

    // `[kh, kw·i, o]`, in blocks of even length.
    let mut sums = Scratch::<T>::take(kh * kw * i * o);
    let (inputs, upstream) = (&inputs[..], Mat::new(&upstream, pixels, o));
    let columns = (kw * i).div_ceil((kw * i).div_ceil(COLUMNS));
    let of_rows = sums.par_chunks_mut(kw * i * o).enumerate();
    let tasks = of_rows.flat_map(|(ky, sums)| {
        let blocks = sums.par_chunks_mut(columns * o).enumerate();
        blocks.map(move |(block, sums)| (ky * grid.pitch * i + block * columns, sums))
    });
    tasks.for_each(|(start, sums)| {
        let count = sums.len() / o;
        let seen = Mat::strided(&inputs[start..], (pixels, count), (i, 1)).t();
        gemm(MatMut::new(sums, count, o), Into::Replace, T::one(), seen, upstream, Threads::One);
    });
    let mut dw = vec![T::zero(); o * i * kh * kw];
    dw.par_chunks_mut(i * kh * kw).enumerate().for_each(|(output, dw)| {
        for (input, dw) in dw.chunks_exact_mut(kh * kw).enumerate() {
            for (tap, dw) in dw.iter_mut().enumerate() {
                *dw = sums[(tap * i + input) * o + output];
            }
        }
    });
    dw
}
