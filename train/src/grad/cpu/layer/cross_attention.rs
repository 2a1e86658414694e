//! A pre-norm cross-attention layer: few rows attend to many others, which are normalised by the same gain
//! and bias.
//!
//! Keys and values of the others are never computed. With t a standardised row (mean 0, variance 1), γ and β
//! the normalisation's gain and bias, its key is `K·(γ⊙t + β) + k`. The product of that with a query q is
//! `(γ⊙Kᵀq)·t` plus a number that does not depend on t, which softmax ignores. Likewise, attention weights a
//! give `V·(γ⊙(Σ a·t) + β) + v`. So K and V are applied to the few queries instead of the many rows: with 174
//! rows and 6 queries of four heads a fifth of the multiplications, and no tensor as large as the others.

use super::feed_forward::{self, Activations};
use super::rows::{affine, affine_backward, by_input, by_weight, linear, normalise, normalise_backward};
use super::rows::{masked_softmax, masked_softmax_backward};
use super::weights::{Share, Transposed, Weights, gather};
use super::{Settings, take_front, take_front_mut};
use crate::grad::cpu::gemm::{Into, Mat, MatMut, Threads, gemm};
use crate::grad::cpu::kernel::View;
use crate::grad::cpu::nary::{NaryKernel, Output};
use crate::grad::cpu::real::Real;
use crate::grad::cpu::scratch::Scratch;
use candle_core::Result;
use rayon::prelude::*;

/// Arguments are the rows `[b, n, width]`, the others `[b, m, width]` (or alike in memory), what is added to the scores
/// `[b, n, m]`, and the parameters.
pub(in crate::grad) struct CrossAttention(pub Settings);

/// Batch entries of a task.
const ENTRIES: usize = 4;

/// Lengths within a batch entry.
#[derive(Clone, Copy)]
struct Sizes {
    /// Rows, and others.
    n: usize,
    m: usize,
    heads: usize,
    width: usize,
    wide: usize,
}

impl Sizes {
    /// Of one head.
    fn head(self) -> usize {
        self.width / self.heads
    }

    /// Queries of all heads.
    fn queries(self) -> usize {
        self.heads * self.n
    }

    /// Elements that a batch entry saves for the backward pass, see [`Parts`].
    fn kept(self) -> usize {
        let of_queries = self.queries() * (2 * self.width + self.m);
        self.n * (3 * self.width + self.wide) + of_queries
    }

    fn scale<T: Real>(self) -> T {
        T::from_f64(1.0 / (self.head() as f64).sqrt())
    }

    /// The columns of a head in rows of `width`, of `rows` rows from the first on.
    fn columns<T>(self, rows: &[T], head: usize, count: usize) -> Mat<'_, T> {
        Mat::strided(&rows[head * self.head()..], (count, self.head()), (self.width, 1))
    }

    fn columns_mut<T>(self, rows: &mut [T], head: usize, count: usize) -> MatMut<'_, T> {
        MatMut::strided(&mut rows[head * self.head()..], (count, self.head()), (self.width, 1))
    }

    /// The weight `[head, width]` of a head, of one for all.
    fn of_head<T>(self, weight: &[T], head: usize) -> Mat<'_, T> {
        Mat::new(&weight[head * self.head() * self.width..], self.head(), self.width)
    }

    fn of_head_mut<T>(self, weight: &mut [T], head: usize) -> MatMut<'_, T> {
        MatMut::new(&mut weight[head * self.head() * self.width..], self.head(), self.width)
    }

    /// The queries of a head among those of an entry, in rows of `length`.
    fn rows(self, head: usize, length: usize) -> std::ops::Range<usize> {
        head * self.n * length..(head + 1) * self.n * length
    }
}

/// What a task saves for the backward pass: one part after the other, each with all entries of the task.
struct Parts<S> {
    /// `[n, width]`.
    query: S,
    /// `[queries, width]`: Kᵀq.
    mapped: S,
    /// `[queries, m]`.
    weights: S,
    /// `[queries, width]`: Σ a·t.
    sums: S,
    /// `[n, width]`.
    gathered: S,
    attended: S,
    /// `[n, wide]`.
    widened: S,
}

impl<S> Parts<S> {
    fn new(sizes: Sizes, count: usize, mut take: impl FnMut(usize) -> S) -> Self {
        let (of_rows, of_queries) = (count * sizes.n * sizes.width, count * sizes.queries() * sizes.width);
        Self {
            query: take(of_rows),
            mapped: take(of_queries),
            weights: take(count * sizes.queries() * sizes.m),
            sums: take(of_queries),
            gathered: take(of_rows),
            attended: take(of_rows),
            widened: take(count * sizes.n * sizes.wide),
        }
    }
}

impl CrossAttention {
    fn sizes<T>(&self, args: &[View<'_, T>], weights: &Weights<'_, T>) -> Sizes {
        let (n, m) = (args[0].dims[1], args[2].dims[2]);
        Sizes { n, m, heads: self.0.heads, width: weights.width(), wide: weights.wide() }
    }

    /// Attention of one entry's rows over its others, before the output projection.
    fn attend<T: Real>(
        &self,
        weights: &Weights<'_, T>,
        sizes: Sizes,
        [query, others, mask]: [&[T]; 3],
        [mapped, scores, sums, gathered]: [&mut [T]; 4],
    ) {
        let Sizes { n, m, heads, width, .. } = sizes;
        let queries = sizes.queries();
        let mut space = Scratch::<T>::take((m + queries) * width);
        let (standard, scaled) = space.split_at_mut(m * width);
        normalise(standard, others, width, None, self.0.eps);
        for head in 0..heads {
            let product = MatMut::new(&mut mapped[sizes.rows(head, width)], n, width);
            let (of, by) = (sizes.columns(query, head, n), sizes.of_head(weights.key[0], head));
            gemm(product, Into::Replace, T::one(), of, by, Threads::One);
        }
        let standard = Mat::new(standard, m, width);
        affine(scaled, mapped, [weights.norm[0], &[]]);
        let of = Mat::new(scaled, queries, width);
        let product = MatMut::new(scores, queries, m);
        gemm(product, Into::Replace, sizes.scale(), of, standard.t(), Threads::One);
        masked_softmax(scores, mask, m);
        let product = MatMut::new(sums, queries, width);
        gemm(product, Into::Replace, T::one(), Mat::new(scores, queries, m), standard, Threads::One);
        affine(scaled, sums, weights.norm);
        for row in gathered.chunks_exact_mut(width) {
            row.copy_from_slice(weights.value[1]);
        }
        for head in 0..heads {
            let of = Mat::new(&scaled[sizes.rows(head, width)], n, width);
            let by = sizes.of_head(weights.value[0], head).t();
            gemm(sizes.columns_mut(gathered, head, n), Into::Add, T::one(), of, by, Threads::One);
        }
    }
}

impl NaryKernel for CrossAttention {
    const NAME: &'static str = "cross_attention_layer";

    fn forward<T: Real>(&self, args: &[View<'_, T>]) -> Result<Output<T>> {
        let (x, others, mask, weights) = (args[0], args[1], args[2], Weights::new(&args[3..]));
        let sizes = self.sizes(args, &weights);
        let Sizes { n, m, width, .. } = sizes;
        let (of_rows, of_queries, of_mask) = (n * width, sizes.queries() * width, n * m);
        let mut out = vec![T::zero(); x.data.len()];
        let mut kept = Scratch::<T>::take(x.dims[0] * sizes.kept());
        let transposed = Transposed::new(&weights);
        let laid = transposed.of(&weights);
        let read = (x.data.par_chunks(ENTRIES * of_rows))
            .zip(others.data.par_chunks(ENTRIES * m * width).zip(mask.data.par_chunks(ENTRIES * of_mask)));
        let written = out.par_chunks_mut(ENTRIES * of_rows).zip(kept.par_chunks_mut(ENTRIES * sizes.kept()));
        written.zip(read).for_each(|((out, mut kept), (x, (others, mask)))| {
            let parts = Parts::new(sizes, x.len() / of_rows, |length| take_front_mut(&mut kept, length));
            normalise(out, x, width, Some(weights.norm), self.0.eps);
            linear(parts.query, out, laid.query);
            let read = parts.query.chunks_exact(of_rows).zip(others.chunks_exact(m * width));
            let read = read.zip(mask.chunks_exact(of_mask));
            let of_queries = (parts.mapped.chunks_exact_mut(of_queries))
                .zip(parts.weights.chunks_exact_mut(sizes.queries() * m))
                .zip(parts.sums.chunks_exact_mut(of_queries))
                .zip(parts.gathered.chunks_exact_mut(of_rows));
            for (((query, others), mask), (((mapped, scores), sums), gathered)) in read.zip(of_queries) {
                self.attend(&weights, sizes, [query, others, mask], [mapped, scores, sums, gathered]);
            }
            let (gathered, written) = (&*parts.gathered, (parts.attended, parts.widened));
            feed_forward::forward(&laid, self.0.eps, x, gathered, written, out);
        });
        Ok((out, x.dims.into(), kept))
    }

    fn backward<T: Real>(
        &self,
        args: &[View<'_, T>],
        kept: &[T],
        grad: View<'_, T>,
        wanted: &[bool],
    ) -> Result<Vec<Option<Vec<T>>>> {
        let (x, others, weights) = (args[0], args[1], Weights::new(&args[3..]));
        let sizes = self.sizes(args, &weights);
        let (length, of_others) = (ENTRIES * sizes.n * sizes.width, ENTRIES * sizes.m * sizes.width);
        let mut dx = vec![T::zero(); x.data.len()];
        let mut d_others = vec![T::zero(); others.data.len()];
        let tasks: Vec<_> = (dx.chunks_mut(length).zip(d_others.chunks_mut(of_others)))
            .zip(x.data.chunks(length).zip(others.data.chunks(of_others)))
            .zip(kept.chunks(ENTRIES * sizes.kept()).zip(grad.data.chunks(length)))
            .collect();
        let of_weights = gather(&weights, tasks, |(((dx, d_others), (x, others)), (kept, grad)), share| {
            self.task(&weights, sizes, [x, others, kept, grad], share, [dx, d_others]);
        });
        let mut all = vec![Some(dx), Some(d_others), None];
        all.extend(of_weights.into_iter().map(Some));
        all.iter_mut().zip(wanted).filter(|(_, wanted)| !**wanted).for_each(|(grad, _)| *grad = None);
        Ok(all)
    }
}

impl CrossAttention {
    /// Gradients of some batch entries: those of the rows to `dx`, of the others to `d_others`, which begins
    /// as zeros, and those of the parameters to `share`.
    fn task<T: Real>(
        &self,
        weights: &Weights<'_, T>,
        sizes: Sizes,
        [x, others, mut kept, grad]: [&[T]; 4],
        mut share: Share<'_, T>,
        [dx, d_others]: [&mut [T]; 2],
    ) {
        let Sizes { n, m, width, .. } = sizes;
        let count = x.len() / (n * width);
        let parts = Parts::new(sizes, count, |length| take_front(&mut kept, length));
        let mut space = Scratch::<T>::take(2 * x.len());
        let (d_query, d_rows) = space.split_at_mut(x.len());
        let activations =
            Activations { gathered: parts.gathered, attended: parts.attended, widened: parts.widened };
        feed_forward::backward(weights, self.0.eps, &activations, grad, &mut share, (dx, d_rows));
        let [attend, attend_bias] = &mut share.attend;
        let (of_query, rest) = attend.split_at_mut(width * width);
        let (query_bias, rest_bias) = attend_bias.split_at_mut(width);
        rest.fill(T::zero());
        rest_bias.fill(T::zero());
        let (of_key, of_value) = rest.split_at_mut(width * width);
        let (key_bias, value_bias) = rest_bias.split_at_mut(width);
        for entry in 0..count {
            let of = |length: usize| entry * length..(entry + 1) * length;
            let (rows, queries) = (of(n * width), of(sizes.queries() * width));
            let d_others = &mut d_others[of(m * width)];
            let entry = Entry {
                others: &others[of(m * width)],
                query: &parts.query[rows.clone()],
                mapped: &parts.mapped[queries.clone()],
                weights: &parts.weights[of(sizes.queries() * m)],
                sums: &parts.sums[queries],
                d_gathered: &d_rows[rows.clone()],
            };
            let [gain, bias] = &mut share.norm;
            let sums = [&mut **gain, &mut **bias, &mut *of_key, &mut *key_bias, &mut *of_value];
            entry.backward(self.0.eps, weights, sizes, sums, [&mut d_query[rows], d_others]);
        }
        for row in d_rows.chunks_exact(width) {
            value_bias.iter_mut().zip(row).for_each(|(sum, value)| *sum += *value);
        }
        normalise(d_rows, x, width, Some(weights.norm), self.0.eps);
        by_weight([of_query, query_bias], d_rows, d_query);
        by_input(d_rows, d_query, weights.query[0], width);
        let [d_gain, d_bias] = &mut share.norm;
        let gain = (weights.norm[0], &mut **d_gain, &mut **d_bias);
        normalise_backward(dx, x, d_rows, width, Some(gain), self.0.eps);
    }
}

/// What the gradients of one batch entry's attention are computed from.
struct Entry<'a, T> {
    others: &'a [T],
    query: &'a [T],
    mapped: &'a [T],
    weights: &'a [T],
    sums: &'a [T],
    d_gathered: &'a [T],
}

impl<T: Real> Entry<'_, T> {
    /// Gradients of the queries and the others (replaced), and of gain and bias of the normalisation, of
    /// weight and bias of the keys and of the values' weight (added).
    fn backward(
        &self,
        eps: f64,
        weights: &Weights<'_, T>,
        sizes: Sizes,
        [d_gain, d_bias, of_key, key_bias, of_value]: [&mut [T]; 5],
        [d_query, d_others]: [&mut [T]; 2],
    ) {
        let Sizes { n, m, heads, width, .. } = sizes;
        let queries = sizes.queries();
        let [gain, bias] = weights.norm;
        let mut space = Scratch::<T>::take(2 * m * width + 2 * queries * width + queries * m);
        let mut rest = &mut space[..];
        let standard = take_front_mut(&mut rest, m * width);
        let d_standard = take_front_mut(&mut rest, m * width);
        let scaled = take_front_mut(&mut rest, queries * width);
        let d_scaled = take_front_mut(&mut rest, queries * width);
        let slopes = take_front_mut(&mut rest, queries * m);
        normalise(standard, self.others, width, None, eps);
        let standard = Mat::new(standard, m, width);
        // Back through the values.
        affine(scaled, self.sums, weights.norm);
        for head in 0..heads {
            let upstream = sizes.columns(self.d_gathered, head, n);
            let of = Mat::new(&scaled[sizes.rows(head, width)], n, width);
            gemm(sizes.of_head_mut(of_value, head), Into::Add, T::one(), upstream.t(), of, Threads::One);
            let product = MatMut::new(&mut d_scaled[sizes.rows(head, width)], n, width);
            let by = sizes.of_head(weights.value[0], head);
            gemm(product, Into::Replace, T::one(), upstream, by, Threads::One);
        }
        affine_backward(d_scaled, self.sums, gain, d_gain, Some(&mut *d_bias));
        // Back through the weights.
        let (d_sums, weighed) = (Mat::new(d_scaled, queries, width), Mat::new(self.weights, queries, m));
        gemm(MatMut::new(slopes, queries, m), Into::Replace, T::one(), d_sums, standard.t(), Threads::One);
        let product = MatMut::new(d_standard, m, width);
        gemm(product, Into::Replace, T::one(), weighed.t(), d_sums, Threads::One);
        masked_softmax_backward(self.weights, slopes, m);
        // Back through the scores.
        affine(scaled, self.mapped, [gain, &[]]);
        let (by, of) = (Mat::new(slopes, queries, m), Mat::new(scaled, queries, width));
        gemm(MatMut::new(d_standard, m, width), Into::Add, sizes.scale(), by.t(), of, Threads::One);
        let product = MatMut::new(d_scaled, queries, width);
        gemm(product, Into::Replace, sizes.scale(), by, standard, Threads::One);
        affine_backward(d_scaled, self.mapped, gain, d_gain, None);
        // The term that is the same for every key. In exact arithmetic its gradient is zero, since the
        // gradients of a softmax sum to zero; this is what rounding leaves of it.
        let rows = d_scaled.chunks_exact_mut(width).zip(self.mapped.chunks_exact(width));
        for (i, ((d_mapped, mapped), slopes)) in rows.zip(slopes.chunks_exact(m)).enumerate() {
            let left = slopes.iter().fold(T::zero(), |sum, slope| sum + *slope) * sizes.scale();
            for (((d_mapped, mapped), bias), d_bias) in
                d_mapped.iter_mut().zip(mapped).zip(bias).zip(d_bias.iter_mut())
            {
                *d_mapped += left * *bias;
                *d_bias += left * *mapped;
            }
            let (head, row) = (i / n * sizes.head(), i % n);
            let query = &self.query[row * width + head..][..sizes.head()];
            let sums = key_bias[head..].iter_mut().zip(query);
            sums.for_each(|(sum, query)| *sum += left * *query);
            let d_query = &mut d_query[row * width + head..][..sizes.head()];
            let bias = &weights.key[1][head..];
            d_query.iter_mut().zip(bias).for_each(|(d_query, bias)| *d_query = left * *bias);
        }
        for head in 0..heads {
            let d_mapped = Mat::new(&d_scaled[sizes.rows(head, width)], n, width);
            let query = sizes.columns(self.query, head, n).t();
            gemm(sizes.of_head_mut(of_key, head), Into::Add, T::one(), query, d_mapped, Threads::One);
            let by = sizes.of_head(weights.key[0], head).t();
            gemm(sizes.columns_mut(d_query, head, n), Into::Add, T::one(), d_mapped, by, Threads::One);
        }
        normalise_backward(d_others, self.others, d_standard, width, None, eps);
    }
}
