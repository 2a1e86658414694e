//! Linear maps for spans of positions, a map for each span.

use super::gemm::{Into, Mat, MatMut, Threads, gemm};
use super::kernel::View;
use super::nary::{NaryKernel, Output};
use super::places::{ENTRIES, at, at_mut};
use super::real::Real;
use super::scratch::Scratch;
use candle_core::{Result, Shape};
use rayon::prelude::*;
use std::ops::Range;

/// Arguments are the rows `[n, p, i]` and, for each span of places, weight `[o, i]` and bias `[o]`.
pub(in crate::grad) struct OfSpans {
    pub spans: Vec<Range<usize>>,
}

/// One place of a span: of which map, which place of the rows, and where its results begin among those of an entry.
#[derive(Clone, Copy)]
struct Spot {
    map: usize,
    place: usize,
    start: usize,
}

impl OfSpans {
    /// Every place that is read, and the length of an entry's results.
    fn spots<T>(&self, args: &[View<'_, T>]) -> (Vec<Spot>, usize) {
        let mut spots = Vec::new();
        let mut start = 0;
        for (map, span) in self.spans.iter().enumerate() {
            for place in span.clone() {
                spots.push(Spot { map, place, start });
                start += args[2 + 2 * map].data.len();
            }
        }
        (spots, start)
    }
}

/// `outputs` columns from `start` on of rows of `length`.
fn columns<T>(x: &[T], start: usize, outputs: usize, length: usize) -> Mat<'_, T> {
    Mat::strided(&x[start..], (x.len() / length, outputs), (length, 1))
}

impl NaryKernel for OfSpans {
    const NAME: &'static str = "linear_of_spans";

    fn forward<T: Real>(&self, args: &[View<'_, T>]) -> Result<Output<T>> {
        let (n, places, inputs) = (args[0].dims[0], args[0].dims[1], args[0].dims[2]);
        let (spots, length) = self.spots(args);
        let mut y = vec![T::zero(); n * length];
        let tasks =
            y.par_chunks_mut(ENTRIES * length).zip(args[0].data.par_chunks(ENTRIES * places * inputs));
        tasks.for_each(|(y, x)| {
            for &Spot { map, place, start } in &spots {
                let (weight, bias) = (args[1 + 2 * map].data, args[2 + 2 * map].data);
                let outputs = bias.len();
                for row in y.chunks_exact_mut(length) {
                    row[start..start + outputs].copy_from_slice(bias);
                }
                let entries = y.len() / length;
                let product = MatMut::strided(&mut y[start..], (entries, outputs), (length, 1));
                let by = Mat::new(weight, outputs, inputs).t();
                gemm(product, Into::Add, T::one(), at(x, place, (places, inputs)), by, Threads::One);
            }
        });
        Ok((y, Shape::from((n, length)), Scratch::none()))
    }

    fn backward<T: Real>(
        &self,
        args: &[View<'_, T>],
        _: &[T],
        grad: View<'_, T>,
        wanted: &[bool],
    ) -> Result<Vec<Option<Vec<T>>>> {
        let (x, places, inputs) = (args[0].data, args[0].dims[1], args[0].dims[2]);
        let (spots, length) = self.spots(args);
        let dx = wanted[0].then(|| {
            let mut dx = vec![T::zero(); x.len()];
            let tasks =
                dx.par_chunks_mut(ENTRIES * places * inputs).zip(grad.data.par_chunks(ENTRIES * length));
            tasks.for_each(|(dx, grad)| {
                for &Spot { map, place, start } in &spots {
                    let weight = args[1 + 2 * map].data;
                    let outputs = args[2 + 2 * map].data.len();
                    let (of, by) = (columns(grad, start, outputs, length), Mat::new(weight, outputs, inputs));
                    // Added, since a place may be read by several maps.
                    gemm(at_mut(dx, place, (places, inputs)), Into::Add, T::one(), of, by, Threads::One);
                }
            });
            dx
        });
        let of_map = |map: usize| differentiate(map, args, grad, &spots, length);
        let of_maps: Vec<[Vec<T>; 2]> = (0..self.spans.len()).into_par_iter().map(of_map).collect();
        let of_maps = of_maps.into_iter().flatten().zip(&wanted[1..]);
        Ok([dx].into_iter().chain(of_maps.map(|(grad, wanted)| wanted.then_some(grad))).collect())
    }
}

/// The gradients of one map's weight and bias.
fn differentiate<T: Real>(
    map: usize,
    args: &[View<'_, T>],
    grad: View<'_, T>,
    spots: &[Spot],
    length: usize,
) -> [Vec<T>; 2] {
    let (x, places, inputs) = (args[0].data, args[0].dims[1], args[0].dims[2]);
    let outputs = args[2 + 2 * map].data.len();
    let (mut dw, mut db) = (vec![T::zero(); outputs * inputs], vec![T::zero(); outputs]);
    for &Spot { place, start, .. } in spots.iter().filter(|spot| spot.map == map) {
        let by = columns(grad.data, start, outputs, length).t();
        let product = MatMut::new(&mut dw, outputs, inputs);
        gemm(product, Into::Add, T::one(), by, at(x, place, (places, inputs)), Threads::One);
        for row in grad.data.chunks_exact(length) {
            db.iter_mut().zip(&row[start..]).for_each(|(sum, value)| *sum += *value);
        }
    }
    [dw, db]
}
