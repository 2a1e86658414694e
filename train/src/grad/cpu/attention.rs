//! Scaled dot-product attention, a tile of query rows at a time: scores exist for one tile per thread only, and the
//! backward pass computes them again (as in FlashAttention, Dao et al. 2022, but with whole rows of keys).

use super::gemm::{Into, Mat, MatMut, Threads, gemm};
use super::kernel::{Kernel, View};
use super::real::{Real, simd};
use super::scratch::Scratch;
use super::softmax::{softmax, softmax_backward};
use candle_core::{Result, Shape};
use rayon::prelude::*;

/// Scores per tile: 1 MiB in f32, so that a tile stays in the second-level cache.
const TILE_SCORES: usize = 1 << 18;
/// Query rows per tile: enough for a matrix product at full speed, few enough to share the rows among threads.
const TILE_ROWS: usize = 256;

/// Arguments are q `[b, n, heads·d]`, k `[b, m, heads·d]`, v `[b, m, heads·e]`.
pub(in crate::grad) struct Attention {
    pub heads: usize,
    pub scale: f64,
    /// Runs of keys with a softmax each.
    pub runs: Vec<usize>,
    /// Added to the scores.
    pub mask: Option<Mask>,
}

/// Values `[groups, n, m]` in f64; batch entry `b` uses group `b % groups`.
pub(in crate::grad) struct Mask {
    pub values: Vec<f64>,
    pub groups: usize,
}

struct Sizes {
    batch: usize,
    n: usize,
    m: usize,
    /// Width of a query head, of a value head.
    d: usize,
    e: usize,
}

/// One head of one batch entry: its parts of the arguments, with the whole width as the distance between rows.
struct Head<'a, T> {
    q: Mat<'a, T>,
    k: Mat<'a, T>,
    v: Mat<'a, T>,
    batch: usize,
}

impl Attention {
    fn sizes<T>(&self, q: View<'_, T>, v: View<'_, T>) -> Sizes {
        let (d, e) = (q.dims[2] / self.heads, v.dims[2] / self.heads);
        Sizes { batch: q.dims[0], n: q.dims[1], m: v.dims[1], d, e }
    }

    /// Query rows `rows` of a head.
    fn head<'a, T: Real>(
        &self,
        [q, k, v]: [View<'a, T>; 3],
        sizes: &Sizes,
        (batch, head): (usize, usize),
        rows: (usize, usize),
    ) -> Head<'a, T> {
        let part = |t: View<'a, T>, first: usize, rows: usize, length: usize, width: usize| {
            let start = (batch * length + first) * width * self.heads + head * width;
            Mat::strided(&t.data[start..], (rows, width), (width * self.heads, 1))
        };
        Head {
            q: part(q, rows.0, rows.1, sizes.n, sizes.d),
            k: part(k, 0, sizes.m, sizes.m, sizes.d),
            v: part(v, 0, sizes.m, sizes.m, sizes.e),
            batch,
        }
    }

    /// Softmax of the scores of `rows` query rows, beginning with row `first`.
    fn weights<T: Real>(
        &self,
        head: &Head<'_, T>,
        scores: &mut [T],
        m: usize,
        (first, rows): (usize, usize),
    ) {
        let product = MatMut::new(scores, rows, m);
        gemm(product, Into::Replace, T::from_f64(self.scale), head.q, head.k.t(), Threads::One);
        simd(|| {
            for (i, row) in scores.chunks_exact_mut(m).take(rows).enumerate() {
                if let Some(mask) = &self.mask {
                    let n = mask.values.len() / mask.groups / m;
                    let start = (head.batch % mask.groups * n + first + i) * m;
                    for (score, value) in row.iter_mut().zip(&mask.values[start..start + m]) {
                        *score += T::from_f64(*value);
                    }
                }
                for run in self.split(row) {
                    softmax(run);
                }
            }
        });
    }

    /// The runs of a row.
    #[inline(always)]
    fn split<'a, T>(&self, mut row: &'a mut [T]) -> impl Iterator<Item = &'a mut [T]> {
        self.runs.iter().map(move |&run| {
            let (head, tail) = std::mem::take(&mut row).split_at_mut(run);
            row = tail;
            head
        })
    }

    fn tile_rows(&self, sizes: &Sizes) -> usize {
        // Two tiles per thread even out their ends.
        let share = (sizes.batch * sizes.n).div_ceil(2 * rayon::current_num_threads());
        (TILE_SCORES / sizes.m.max(1)).min(TILE_ROWS).min(share).max(16)
    }
}

impl Kernel<3> for Attention {
    const NAME: &'static str = "attention";

    fn forward<T: Real>(&self, args: [View<'_, T>; 3]) -> Result<(Vec<T>, Shape)> {
        let sizes = self.sizes(args[0], args[2]);
        let (m, e, width) = (sizes.m, sizes.e, sizes.e * self.heads);
        let tile = self.tile_rows(&sizes);
        let mut out = vec![T::zero(); sizes.batch * sizes.n * width];
        let tiles = out.par_chunks_mut(sizes.n * width).enumerate().flat_map(|(batch, out)| {
            out.par_chunks_mut(tile * width).enumerate().map(move |(i, out)| (batch, i * tile, out))
        });
        tiles.for_each(|(batch, first, out)| {
            let rows = out.len() / width;
            let mut scores = Scratch::<T>::take(rows * m);
            for h in 0..self.heads {
                let head = self.head(args, &sizes, (batch, h), (first, rows));
                self.weights(&head, &mut scores, m, (first, rows));
                let product = MatMut::strided(&mut out[h * e..], (rows, e), (width, 1));
                let scores = Mat::new(&scores, rows, m);
                gemm(product, Into::Replace, T::one(), scores, head.v, Threads::One);
            }
        });
        Ok((out, (sizes.batch, sizes.n, width).into()))
    }

    fn backward<T: Real>(
        &self,
        args: [View<'_, T>; 3],
        _: View<'_, T>,
        grad: View<'_, T>,
        wanted: [bool; 3],
    ) -> Result<[Option<Vec<T>>; 3]> {
        let sizes = self.sizes(args[0], args[2]);
        let heads = sizes.batch * self.heads;
        // Heads are shared among the threads; where there are too few, the rows of each as well.
        let parts = rayon::current_num_threads().div_ceil(heads).min(sizes.n.div_ceil(TILE_ROWS));
        let rows = sizes.n.div_ceil(parts);
        let tasks: Vec<(usize, usize)> =
            (0..heads).flat_map(|h| (0..sizes.n).step_by(rows).map(move |first| (h, first))).collect();
        let done: Vec<[Vec<T>; 3]> = tasks
            .par_iter()
            .map(|&(h, first)| {
                let rows = rows.min(sizes.n - first);
                self.head_backward(args, grad, &sizes, h, (first, rows), wanted)
            })
            .collect();
        let gather = |which: usize, length: usize, width: usize| {
            let mut whole = vec![T::zero(); sizes.batch * length * width * self.heads];
            whole.par_chunks_mut(length * width * self.heads).enumerate().for_each(|(batch, whole)| {
                for ((h, first), part) in tasks.iter().zip(&done) {
                    if h / self.heads != batch {
                        continue;
                    }
                    // Gradients of the queries have their rows; those of keys and values add up.
                    let first = if which == 0 { *first } else { 0 };
                    let rows = whole.chunks_exact_mut(width * self.heads).skip(first);
                    for (row, part) in rows.zip(part[which].chunks_exact(width)) {
                        let row = &mut row[h % self.heads * width..][..width];
                        for (sum, x) in row.iter_mut().zip(part) {
                            *sum += *x;
                        }
                    }
                }
            });
            whole
        };
        Ok([
            wanted[0].then(|| gather(0, sizes.n, sizes.d)),
            wanted[1].then(|| gather(1, sizes.m, sizes.d)),
            wanted[2].then(|| gather(2, sizes.m, sizes.e)),
        ])
    }
}

impl Attention {
    /// Gradients by the query rows `rows` of head `h` of all heads of the batch.
    fn head_backward<T: Real>(
        &self,
        args: [View<'_, T>; 3],
        grad: View<'_, T>,
        sizes: &Sizes,
        h: usize,
        rows: (usize, usize),
        wanted: [bool; 3],
    ) -> [Vec<T>; 3] {
        let (m, d, e) = (sizes.m, sizes.d, sizes.e);
        let at = (h / self.heads, h % self.heads);
        let space = |wanted: bool, len: usize| if wanted { vec![T::zero(); len] } else { Vec::new() };
        let mut dq = space(wanted[0], rows.1 * d);
        let mut dk = space(wanted[1], m * d);
        let mut dv = space(wanted[2], m * e);
        let tile = (TILE_SCORES / m.max(1)).clamp(16, TILE_ROWS).min(rows.1);
        let (mut weights, mut slopes) = (Scratch::<T>::take(tile * m), Scratch::<T>::take(tile * m));
        let scale = T::from_f64(self.scale);
        for start in (0..rows.1).step_by(tile) {
            let count = tile.min(rows.1 - start);
            let first = rows.0 + start;
            let head = self.head(args, sizes, at, (first, count));
            let width = e * self.heads;
            let upstream = &grad.data[(at.0 * sizes.n + first) * width + at.1 * e..];
            let upstream = Mat::strided(upstream, (count, e), (width, 1));
            self.weights(&head, &mut weights, m, (first, count));
            if wanted[2] {
                let weights = Mat::new(&weights, count, m).t();
                gemm(MatMut::new(&mut dv, m, e), Into::Add, T::one(), weights, upstream, Threads::One);
            }
            if !wanted[0] && !wanted[1] {
                continue;
            }
            let product = MatMut::new(&mut slopes, count, m);
            gemm(product, Into::Replace, T::one(), upstream, head.v.t(), Threads::One);
            simd(|| {
                let rows = weights.chunks_exact_mut(m).zip(slopes.chunks_exact_mut(m));
                for (y, grad) in rows.take(count) {
                    for (y, grad) in self.split(y).zip(self.split(grad)) {
                        softmax_backward(y, grad);
                    }
                }
            });
            let slopes = Mat::new(&slopes, count, m);
            if wanted[0] {
                let product = MatMut::new(&mut dq[start * d..], count, d);
                gemm(product, Into::Replace, scale, slopes, head.k, Threads::One);
            }
            if wanted[1] {
                gemm(MatMut::new(&mut dk, m, d), Into::Add, scale, slopes.t(), head.q, Threads::One);
            }
        }
        [dq, dk, dv]
    }
}
