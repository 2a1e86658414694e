//! Rows and columns exchanged.

use super::kernel::{Kernel, View};
use super::real::Real;
use candle_core::{Result, Shape};
use rayon::prelude::*;

/// Side of the blocks that are moved at once: lines of the cache are used whole on both sides.
const BLOCK: usize = 16;

/// `[b, r, c]` to `[b, c, r]`.
pub(in crate::grad) struct Transpose;

/// Matrices of `rows` and `cols`, one after another.
pub(super) fn transpose<T: Real>(x: &[T], rows: usize, cols: usize) -> Vec<T> {
    let mut y = vec![T::zero(); x.len()];
    transpose_to(&mut y, x, rows, cols);
    y
}

/// The same to `y`, of which every element is written.
pub(super) fn transpose_to<T: Real>(y: &mut [T], x: &[T], rows: usize, cols: usize) {
    // A task has a band of the result's rows.
    y.par_chunks_mut(rows * cols).zip(x.par_chunks(rows * cols)).for_each(|(y, x)| {
        y.par_chunks_mut(BLOCK * rows).enumerate().for_each(|(band, y)| {
            let first = band * BLOCK;
            let width = y.len() / rows;
            for start in (0..rows).step_by(BLOCK) {
                for row in start..rows.min(start + BLOCK) {
                    let x = &x[row * cols + first..][..width];
                    for (i, x) in x.iter().enumerate() {
                        y[i * rows + row] = *x;
                    }
                }
            }
        });
    });
}

impl Kernel<1> for Transpose {
    const NAME: &'static str = "transpose";

    fn forward<T: Real>(&self, [x]: [View<'_, T>; 1]) -> Result<(Vec<T>, Shape)> {
        let (batch, rows, cols) = (x.dims[0], x.dims[1], x.dims[2]);
        Ok((transpose(x.data, rows, cols), (batch, cols, rows).into()))
    }

    fn backward<T: Real>(
        &self,
        _: [View<'_, T>; 1],
        _: View<'_, T>,
        grad: View<'_, T>,
        _: [bool; 1],
    ) -> Result<[Option<Vec<T>>; 1]> {
        Ok([Some(transpose(grad.data, grad.dims[1], grad.dims[2]))])
    }
}
