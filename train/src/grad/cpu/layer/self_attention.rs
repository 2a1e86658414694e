//! A pre-norm self-attention layer.

use super::feed_forward::{self, Activations};
use super::rows::{
    by_input, by_weight, linear, masked_softmax, masked_softmax_backward, normalise, normalise_backward,
};
use super::weights::{Share, Transposed, Weights, gather};
use super::{Settings, entries, take_front, take_front_mut};
use crate::grad::cpu::gemm::{Into, Mat, MatMut, Threads, gemm};
use crate::grad::cpu::kernel::View;
use crate::grad::cpu::nary::{NaryKernel, Output};
use crate::grad::cpu::real::Real;
use crate::grad::cpu::scratch::Scratch;
use crate::grad::cpu::transpose::transpose;
use candle_core::Result;
use rayon::prelude::*;

/// Arguments are the rows `[b, n, width]`, what is added to the scores of each key `[b, n]`, and the parameters.
pub(in crate::grad) struct SelfAttention(pub Settings);

/// Lengths within a batch entry.
#[derive(Clone, Copy)]
struct Sizes {
    /// Rows.
    n: usize,
    heads: usize,
    width: usize,
    wide: usize,
}

impl Sizes {
    /// Of one head.
    fn head(self) -> usize {
        self.width / self.heads
    }

    /// Elements that a batch entry saves for the backward pass.
    fn kept(self) -> usize {
        self.n * (5 * self.width + self.wide) + self.heads * self.n * self.n
    }

    fn scale<T: Real>(self) -> T {
        T::from_f64(1.0 / (self.head() as f64).sqrt())
    }

    /// Query (0), key (1) or value (2) of a head of an entry, in rows of all three.
    fn part<T>(self, attend: &[T], which: usize, (entry, head): (usize, usize)) -> Mat<'_, T> {
        let start = entry * self.n * 3 * self.width + which * self.width + head * self.head();
        Mat::strided(&attend[start..], (self.n, self.head()), (3 * self.width, 1))
    }

    fn part_mut<T>(self, attend: &mut [T], which: usize, (entry, head): (usize, usize)) -> MatMut<'_, T> {
        let start = entry * self.n * 3 * self.width + which * self.width + head * self.head();
        MatMut::strided(&mut attend[start..], (self.n, self.head()), (3 * self.width, 1))
    }

    /// Where a head of an entry begins in rows of `width`.
    fn start(self, (entry, head): (usize, usize)) -> usize {
        entry * self.n * self.width + head * self.head()
    }

    /// The weights of attention of a head of an entry.
    fn weights(self, (entry, head): (usize, usize)) -> std::ops::Range<usize> {
        let (area, index) = (self.n * self.n, entry * self.heads + head);
        index * area..(index + 1) * area
    }
}

impl SelfAttention {
    fn sizes<T>(&self, x: &View<'_, T>, weights: &Weights<'_, T>) -> Sizes {
        Sizes { n: x.dims[1], heads: self.0.heads, width: weights.width(), wide: weights.wide() }
    }
}

/// Weights and biases of query, key and value as those of one map.
fn packed<T: Real>(weights: &Weights<'_, T>) -> [Vec<T>; 2] {
    [0, 1].map(|i| [weights.query[i], weights.key[i], weights.value[i]].concat())
}

impl NaryKernel for SelfAttention {
    const NAME: &'static str = "attention_layer";

    fn forward<T: Real>(&self, args: &[View<'_, T>]) -> Result<Output<T>> {
        let (x, mask, weights) = (args[0], args[1], Weights::new(&args[2..]));
        let sizes = self.sizes(&x, &weights);
        let (of_entry, count) = (sizes.n * sizes.width, entries(sizes.n));
        let mut out = vec![T::zero(); x.data.len()];
        let mut kept = Scratch::<T>::take(x.dims[0] * sizes.kept());
        let [attend, attend_bias] = packed(&weights);
        let attend = transpose(&attend, 3 * sizes.width, sizes.width);
        let transposed = Transposed::new(&weights);
        let weights = transposed.of(&weights);
        let read = x.data.par_chunks(count * of_entry).zip(mask.data.par_chunks(count * sizes.n));
        let written = out.par_chunks_mut(count * of_entry).zip(kept.par_chunks_mut(count * sizes.kept()));
        written.zip(read).for_each(|((out, mut kept), (x, mask))| {
            let rows = x.len() / sizes.width;
            let parts = take_front_mut(&mut kept, rows * 3 * sizes.width);
            let gathered = take_front_mut(&mut kept, rows * sizes.width);
            let attended = take_front_mut(&mut kept, rows * sizes.width);
            let widened = take_front_mut(&mut kept, rows * sizes.wide);
            normalise(out, x, sizes.width, Some(weights.norm), self.0.eps);
            linear(parts, out, [&attend, &attend_bias]);
            for (entry, mask) in mask.chunks_exact(sizes.n).enumerate() {
                for head in 0..sizes.heads {
                    let at = (entry, head);
                    let scores = &mut kept[sizes.weights(at)];
                    let (query, key) = (sizes.part(parts, 0, at), sizes.part(parts, 1, at).t());
                    let product = MatMut::new(scores, sizes.n, sizes.n);
                    gemm(product, Into::Replace, sizes.scale(), query, key, Threads::One);
                    masked_softmax(scores, mask, sizes.n);
                    let value = sizes.part(parts, 2, at);
                    let place = &mut gathered[sizes.start(at)..];
                    let product = MatMut::strided(place, (sizes.n, sizes.head()), (sizes.width, 1));
                    let scores = Mat::new(scores, sizes.n, sizes.n);
                    gemm(product, Into::Replace, T::one(), scores, value, Threads::One);
                }
            }
            feed_forward::forward(&weights, self.0.eps, x, gathered, (attended, widened), out);
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
        let (x, weights) = (args[0], Weights::new(&args[2..]));
        let sizes = self.sizes(&x, &weights);
        let length = entries(sizes.n) * sizes.n * sizes.width;
        let attend = packed(&weights);
        let mut dx = vec![T::zero(); x.data.len()];
        let tasks: Vec<_> = (dx.chunks_mut(length).zip(x.data.chunks(length)))
            .zip(kept.chunks(entries(sizes.n) * sizes.kept()).zip(grad.data.chunks(length)))
            .collect();
        let of_weights = gather(&weights, tasks, |((dx, x), (kept, grad)), share| {
            self.task(&weights, sizes, [x, kept, grad, &attend[0]], share, dx);
        });
        let mut all = vec![wanted[0].then_some(dx), None];
        all.extend(of_weights.into_iter().map(Some));
        all.iter_mut().zip(wanted).filter(|(_, wanted)| !**wanted).for_each(|(grad, _)| *grad = None);
        Ok(all)
    }
}

impl SelfAttention {
    /// Gradients of some batch entries: those of the rows to `dx`, those of the parameters to `share`.
    fn task<T: Real>(
        &self,
        weights: &Weights<'_, T>,
        sizes: Sizes,
        [x, mut kept, grad, attend]: [&[T]; 4],
        mut share: Share<'_, T>,
        dx: &mut [T],
    ) {
        let rows = x.len() / sizes.width;
        let parts = take_front(&mut kept, rows * 3 * sizes.width);
        let gathered = take_front(&mut kept, rows * sizes.width);
        let attended = take_front(&mut kept, rows * sizes.width);
        let widened = take_front(&mut kept, rows * sizes.wide);
        let mut space = Scratch::<T>::take(rows * 4 * sizes.width + sizes.n * sizes.n);
        let mut rest = &mut space[..];
        let d_parts = take_front_mut(&mut rest, rows * 3 * sizes.width);
        let d_rows = take_front_mut(&mut rest, rows * sizes.width);
        let slopes = take_front_mut(&mut rest, sizes.n * sizes.n);
        let activations = Activations { gathered, attended, widened };
        feed_forward::backward(weights, self.0.eps, &activations, grad, &mut share, (dx, d_rows));
        for entry in 0..rows / sizes.n {
            for head in 0..sizes.heads {
                let at = (entry, head);
                let scores = &kept[sizes.weights(at)];
                let weighed = Mat::new(scores, sizes.n, sizes.n);
                let upstream = &d_rows[sizes.start(at)..];
                let upstream = Mat::strided(upstream, (sizes.n, sizes.head()), (sizes.width, 1));
                let d_value = sizes.part_mut(d_parts, 2, at);
                gemm(d_value, Into::Replace, T::one(), weighed.t(), upstream, Threads::One);
                let product = MatMut::new(slopes, sizes.n, sizes.n);
                let value = sizes.part(parts, 2, at).t();
                gemm(product, Into::Replace, T::one(), upstream, value, Threads::One);
                masked_softmax_backward(scores, slopes, sizes.n);
                let by = Mat::new(slopes, sizes.n, sizes.n);
                let (query, key) = (sizes.part(parts, 0, at), sizes.part(parts, 1, at));
                gemm(sizes.part_mut(d_parts, 0, at), Into::Replace, sizes.scale(), by, key, Threads::One);
                let d_key = sizes.part_mut(d_parts, 1, at);
                gemm(d_key, Into::Replace, sizes.scale(), by.t(), query, Threads::One);
            }
        }
        normalise(d_rows, x, sizes.width, Some(weights.norm), self.0.eps);
        let [dw, db] = &mut share.attend;
        by_weight([dw, db], d_rows, d_parts);
        by_input(d_rows, d_parts, attend, 3 * sizes.width);
        let [d_gain, d_bias] = &mut share.norm;
        let gain = (weights.norm[0], &mut **d_gain, &mut **d_bias);
        normalise_backward(dx, x, d_rows, sizes.width, Some(gain), self.0.eps);
    }
}
