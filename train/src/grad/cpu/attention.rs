//! Scaled dot-product attention, a tile of query rows at a time: scores exist for one tile per thread only, and the
//! backward pass computes them again (as in FlashAttention, Dao et al. 2022, but with whole rows of keys).

use super::gemm::{Into, Mat, MatMut, Threads, gemm};
use super::kernel::{Kernel, View};
use super::real::{Loop, Real, simd};
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

/// What the backward pass reads: arguments, upstream gradient, keys and values transposed.
struct Whole<'a, T: Real> {
    q: View<'a, T>,
    k: View<'a, T>,
    grad: View<'a, T>,
    keys: Scratch<T>,
    values: Scratch<T>,
    sizes: Sizes,
}

/// Some query rows of one head of one batch entry.
struct Tile<'a, T> {
    q: Mat<'a, T>,
    /// Keys, transposed: the layout that the matrix product reads without a copy for every tile.
    keys: Mat<'a, T>,
    batch: usize,
    first: usize,
    rows: usize,
}

impl Attention {
    fn sizes<T>(&self, q: &View<'_, T>, v: &View<'_, T>) -> Sizes {
        let (d, e) = (q.dims[2] / self.heads, v.dims[2] / self.heads);
        Sizes { batch: q.dims[0], n: q.dims[1], m: v.dims[1], d, e }
    }

    /// Rows `first..first + rows` of head `head` of batch entry `batch`, in a tensor of `length` rows.
    fn part<'a, T: Real>(
        &self,
        t: View<'a, T>,
        (batch, head): (usize, usize),
        (first, rows): (usize, usize),
    ) -> Mat<'a, T> {
        let (length, width) = (t.dims[1], t.dims[2]);
        let start = (batch * length + first) * width + head * (width / self.heads);
        Mat::strided(&t.data[start..], (rows, width / self.heads), (width, 1))
    }

    /// Every head of every batch entry transposed, `[b·heads, width of a head, length]`.
    fn transposed<T: Real>(&self, t: View<'_, T>) -> Scratch<T> {
        let (length, width) = (t.dims[1], t.dims[2] / self.heads);
        let mut out = Scratch::<T>::take(t.data.len());
        out.par_chunks_mut((length * width).max(1)).enumerate().for_each(|(h, out)| {
            let start = h / self.heads * length * t.dims[2] + h % self.heads * width;
            for (i, row) in t.data[start..].chunks(t.dims[2]).take(length).enumerate() {
                for (j, x) in row[..width].iter().enumerate() {
                    out[j * length + i] = *x;
                }
            }
        });
        out
    }

    /// Softmax of the scores of a tile.
    fn weights<T: Real>(&self, tile: &Tile<'_, T>, scores: &mut [T], m: usize) {
        let product = MatMut::new(scores, tile.rows, m);
        gemm(product, Into::Replace, T::from_f64(self.scale), tile.q, tile.keys, Threads::One);
        simd::<Weights, _>((self, &mut scores[..tile.rows * m], m, (tile.batch, tile.first)));
    }

    fn tile_rows(&self, sizes: &Sizes) -> usize {
        // Two tiles per thread, so that threads finish at about the same time.
        let share = (sizes.batch * sizes.n).div_ceil(2 * rayon::current_num_threads());
        (TILE_SCORES / sizes.m.max(1)).min(TILE_ROWS).min(share).max(16)
    }
}

/// Rows of scores to their softmax, run by run. Arguments beside the scores: keys, batch entry, first row.
enum Weights {}

impl<T: Real> Loop<(&Attention, &mut [T], usize, (usize, usize))> for Weights {
    type Output = ();

    #[inline(always)]
    fn run((attention, scores, m, (batch, first)): (&Attention, &mut [T], usize, (usize, usize))) {
        for (i, row) in scores.chunks_exact_mut(m).enumerate() {
            if let Some(mask) = &attention.mask {
                let n = mask.values.len() / mask.groups / m;
                let start = (batch % mask.groups * n + first + i) * m;
                for (score, value) in row.iter_mut().zip(&mask.values[start..start + m]) {
                    *score += T::from_f64(*value);
                }
            }
            let mut start = 0;
            for &run in &attention.runs {
                softmax(&mut row[start..start + run]);
                start += run;
            }
        }
    }
}

/// Gradients of the softmax's results to those of the scores, run by run.
enum Slopes {}

impl<T: Real> Loop<(&Attention, &[T], &mut [T], usize)> for Slopes {
    type Output = ();

    #[inline(always)]
    fn run((attention, weights, grads, m): (&Attention, &[T], &mut [T], usize)) {
        for (y, grad) in weights.chunks_exact(m).zip(grads.chunks_exact_mut(m)) {
            let mut start = 0;
            for &run in &attention.runs {
                softmax_backward(&y[start..start + run], &mut grad[start..start + run]);
                start += run;
            }
        }
    }
}

impl Kernel<3> for Attention {
    const NAME: &'static str = "attention";

    fn forward<T: Real>(&self, args: [View<'_, T>; 3]) -> Result<(Vec<T>, Shape)> {
        let sizes = self.sizes(&args[0], &args[2]);
        let (m, e, width) = (sizes.m, sizes.e, sizes.e * self.heads);
        let tile = self.tile_rows(&sizes);
        let [q, k, v] = args;
        let keys = self.transposed(k);
        let mut out = vec![T::zero(); sizes.batch * sizes.n * width];
        let tiles = out.par_chunks_mut(sizes.n * width).enumerate().flat_map(|(batch, out)| {
            out.par_chunks_mut(tile * width).enumerate().map(move |(i, out)| (batch, i * tile, out))
        });
        tiles.for_each(|(batch, first, out)| {
            let rows = out.len() / width;
            let mut scores = Scratch::<T>::take(rows * m);
            for h in 0..self.heads {
                let at = (batch, h);
                let keys = &keys[(batch * self.heads + h) * sizes.d * m..][..sizes.d * m];
                let keys = Mat::new(keys, sizes.d, m);
                let tile = Tile { q: self.part(q, at, (first, rows)), keys, batch, first, rows };
                self.weights(&tile, &mut scores, m);
                let product = MatMut::strided(&mut out[h * e..], (rows, e), (width, 1));
                let scores = Mat::new(&scores, rows, m);
                gemm(product, Into::Replace, T::one(), scores, self.part(v, at, (0, m)), Threads::One);
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
        let sizes = self.sizes(&args[0], &args[2]);
        let heads = sizes.batch * self.heads;
        // Heads are shared among the threads; where there are too few, the rows of each as well.
        let parts = rayon::current_num_threads().div_ceil(heads).min(sizes.n.div_ceil(TILE_ROWS));
        let rows = sizes.n.div_ceil(parts);
        let tasks: Vec<(usize, usize)> =
            (0..heads).flat_map(|h| (0..sizes.n).step_by(rows).map(move |first| (h, first))).collect();
        let [q, k, v] = args;
        let (keys, values) = (self.transposed(k), self.transposed(v));
        let whole = Whole { q, k, grad, keys, values, sizes };
        let sizes = &whole.sizes;
        let done: Vec<[Vec<T>; 3]> = tasks
            .par_iter()
            .map(|&(h, first)| {
                let rows = rows.min(sizes.n - first);
                self.head_backward(&whole, h, (first, rows), wanted)
            })
            .collect();
        let gather = |which: usize, length: usize, width: usize| {
            self.gather(which, [sizes.batch, length, width], &tasks, &done)
        };
        Ok([
            wanted[0].then(|| gather(0, sizes.n, sizes.d)),
            wanted[1].then(|| gather(1, sizes.m, sizes.d)),
            wanted[2].then(|| gather(2, sizes.m, sizes.e)),
        ])
    }
}

impl Attention {
    /// One gradient of what the tasks found: parts are transposed, one per head and run of query rows.
    fn gather<T: Real>(
        &self,
        which: usize,
        [batch, length, width]: [usize; 3],
        tasks: &[(usize, usize)],
        done: &[[Vec<T>; 3]],
    ) -> Vec<T> {
        let mut whole = vec![T::zero(); batch * length * width * self.heads];
        whole.par_chunks_mut(length * width * self.heads).enumerate().for_each(|(batch, whole)| {
            for ((h, first), part) in tasks.iter().zip(done) {
                if h / self.heads != batch {
                    continue;
                }
                // Gradients of the queries have their rows; those of keys and values add up.
                let part = &part[which];
                let (first, rows) = if which == 0 { (*first, part.len() / width) } else { (0, length) };
                let of_rows = whole.chunks_exact_mut(width * self.heads).skip(first).take(rows);
                for (i, row) in of_rows.enumerate() {
                    let row = &mut row[h % self.heads * width..][..width];
                    for (j, sum) in row.iter_mut().enumerate() {
                        *sum += if which == 0 { part[i * width + j] } else { part[j * length + i] };
                    }
                }
            }
        });
        whole
    }

    /// Gradients by the query rows `rows` of head `h` of all heads of the batch: those of the queries by rows, those of
    /// keys and values transposed, so that the scores' gradients are multiplied as they lie.
    fn head_backward<T: Real>(
        &self,
        whole: &Whole<'_, T>,
        h: usize,
        rows: (usize, usize),
        wanted: [bool; 3],
    ) -> [Vec<T>; 3] {
        let &Whole { q, k, grad, sizes: Sizes { m, d, e, .. }, .. } = whole;
        let keys = Mat::new(&whole.keys[h * d * m..][..d * m], d, m);
        let values = Mat::new(&whole.values[h * e * m..][..e * m], e, m);
        let at = (h / self.heads, h % self.heads);
        let space = |wanted: bool, len: usize| if wanted { vec![T::zero(); len] } else { Vec::new() };
        let mut dq = space(wanted[0], rows.1 * d);
        let mut dk = space(wanted[1], m * d);
        let mut dv = space(wanted[2], m * e);
        let tile = (TILE_SCORES / m.max(1)).clamp(16, TILE_ROWS).min(rows.1);
        let (mut weights, mut slopes) = (Scratch::<T>::take(tile * m), Scratch::<T>::take(tile * m));
        let scale = T::from_f64(self.scale);
        for start in (0..rows.1).step_by(tile) {
            let (first, count) = (rows.0 + start, tile.min(rows.1 - start));
            let queries = self.part(q, at, (first, count));
            let upstream = self.part(grad, at, (first, count));
            let tile = Tile { q: queries, keys, batch: at.0, first, rows: count };
            self.weights(&tile, &mut weights, m);
            if wanted[2] {
                let product = MatMut::strided(&mut dv, (m, e), (1, m));
                let weights = Mat::new(&weights, count, m).t();
                gemm(product, Into::Add, T::one(), weights, upstream, Threads::One);
            }
            if !wanted[0] && !wanted[1] {
                continue;
            }
            let product = MatMut::new(&mut slopes, count, m);
            gemm(product, Into::Replace, T::one(), upstream, values, Threads::One);
            simd::<Slopes, _>((self, &weights[..count * m], &mut slopes[..count * m], m));
            let slopes = Mat::new(&slopes, count, m);
            if wanted[0] {
                let product = MatMut::new(&mut dq[start * d..], count, d);
                gemm(product, Into::Replace, scale, slopes, self.part(k, at, (0, m)), Threads::One);
            }
            if wanted[1] {
                let product = MatMut::strided(&mut dk, (m, d), (1, m));
                gemm(product, Into::Add, scale, slopes.t(), queries, Threads::One);
            }
        }
        [dq, dk, dv]
    }
}
