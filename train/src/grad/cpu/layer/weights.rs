//! The parameters of a layer in their order, and gradients in the same order.

use super::{take_front, take_front_mut};
use crate::grad::cpu::kernel::View;
use crate::grad::cpu::real::Real;
use crate::grad::cpu::scratch::Scratch;
use crate::grad::cpu::transpose::transpose;
use rayon::prelude::*;

/// Elements that a thread adds up at a time.
const CHUNK: usize = 1 << 12;

/// Weights `[outputs, inputs]` and biases, those of query, key and value side by side.
#[derive(Clone, Copy)]
pub(super) struct Weights<'a, T> {
    /// Gain and bias of the normalisation before attention.
    pub norm: [&'a [T]; 2],
    pub query: [&'a [T]; 2],
    pub key: [&'a [T]; 2],
    pub value: [&'a [T]; 2],
    pub out: [&'a [T]; 2],
    /// Gain and bias of the normalisation before the two linear maps.
    pub feed_norm: [&'a [T]; 2],
    pub widen: [&'a [T]; 2],
    pub narrow: [&'a [T]; 2],
}

impl<'a, T> Weights<'a, T> {
    /// `args` are norm's two, the weights of query, key and value, their biases, and two each of out, feed norm, widen
    /// and narrow.
    pub(super) fn new(args: &[View<'a, T>]) -> Self {
        let of = |i: usize| args[i].data;
        Self {
            norm: [of(0), of(1)],
            query: [of(2), of(5)],
            key: [of(3), of(6)],
            value: [of(4), of(7)],
            out: [of(8), of(9)],
            feed_norm: [of(10), of(11)],
            widen: [of(12), of(13)],
            narrow: [of(14), of(15)],
        }
    }

    pub(super) fn width(&self) -> usize {
        self.norm[0].len()
    }

    pub(super) fn wide(&self) -> usize {
        self.widen[1].len()
    }
}

/// The weights transposed to `[inputs, outputs]`, the layout that products read. Done once for all tasks: for the
/// few rows of one task it takes as long as their product.
pub(super) struct Transposed<T> {
    query: Vec<T>,
    out: Vec<T>,
    widen: Vec<T>,
    narrow: Vec<T>,
}

impl<T: Real> Transposed<T> {
    pub(super) fn new(weights: &Weights<'_, T>) -> Self {
        let transposed = |[weight, bias]: [&[T]; 2]| transpose(weight, bias.len(), weight.len() / bias.len());
        Self {
            query: transposed(weights.query),
            out: transposed(weights.out),
            widen: transposed(weights.widen),
            narrow: transposed(weights.narrow),
        }
    }

    /// The same parameters with the transposed weights.
    pub(super) fn of<'a>(&'a self, weights: &Weights<'a, T>) -> Weights<'a, T> {
        Weights {
            query: [&self.query, weights.query[1]],
            out: [&self.out, weights.out[1]],
            widen: [&self.widen, weights.widen[1]],
            narrow: [&self.narrow, weights.narrow[1]],
            ..*weights
        }
    }
}

/// Gradients of one task, written once each.
pub(super) struct Share<'a, T> {
    pub norm: [&'a mut [T]; 2],
    /// Weights of query, key and value `[3·width, width]`, and their biases.
    pub attend: [&'a mut [T]; 2],
    pub out: [&'a mut [T]; 2],
    pub feed_norm: [&'a mut [T]; 2],
    pub widen: [&'a mut [T]; 2],
    pub narrow: [&'a mut [T]; 2],
}

impl<'a, T: Real> Share<'a, T> {
    /// Parts of `all`, of which those that are summed row by row begin as zeros.
    fn new(mut all: &'a mut [T], weights: &Weights<'_, T>) -> Self {
        let (width, wide) = (weights.width(), weights.wide());
        let mut take = |length: usize| take_front_mut(&mut all, length);
        let norm = [take(width), take(width)];
        let attend = [take(3 * width * width), take(3 * width)];
        let out = [take(width * width), take(width)];
        let feed_norm = [take(width), take(width)];
        let widen = [take(wide * width), take(wide)];
        let mut share =
            Self { norm, attend, out, feed_norm, widen, narrow: [take(wide * width), take(width)] };
        for sums in share.norm.iter_mut().chain(&mut share.feed_norm) {
            sums.fill(T::zero());
        }
        share
    }
}

/// The gradients of all parameters, of which `task` writes the shares: those of the rows that it is given by number.
pub(super) fn gather<T: Real, I: Send>(
    weights: &Weights<'_, T>,
    tasks: Vec<I>,
    task: impl Fn(I, Share<'_, T>) + Sync,
) -> Vec<Vec<T>> {
    let (width, wide) = (weights.width(), weights.wide());
    let square = width * width;
    let lengths = [
        width,
        width,
        square,
        square,
        square,
        width,
        width,
        width,
        square,
        width,
        width,
        width,
        wide * width,
    ]
    .into_iter()
    .chain([wide, wide * width, width]);
    let lengths: Vec<usize> = lengths.collect();
    let total: usize = lengths.iter().sum();
    let count = tasks.len();
    let mut shares = Scratch::<T>::take(total * count);
    shares.par_chunks_mut(total).zip(tasks).for_each(|(share, of)| task(of, Share::new(share, weights)));
    // In the order of tasks, whichever thread adds.
    let mut sums = vec![T::zero(); total];
    sums.par_chunks_mut(CHUNK).enumerate().for_each(|(i, sums)| {
        for share in shares.chunks_exact(total) {
            let share = &share[i * CHUNK..][..sums.len()];
            sums.iter_mut().zip(share).for_each(|(sum, value)| *sum += *value);
        }
    });
    let mut rest = &sums[..];
    lengths.into_iter().map(|length| take_front(&mut rest, length).to_vec()).collect()
}
