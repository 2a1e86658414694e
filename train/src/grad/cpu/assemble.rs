//! Sequences put one after the other, plus a row that all share and an embedding of each position.

use super::kernel::View;
use super::nary::{NaryKernel, Output};
use super::real::Real;
use super::scratch::Scratch;
use candle_core::{Result, Shape};
use rayon::prelude::*;

/// Arguments are what all parts but the last share `[n, w]`, what each place adds `[1, p, w]`, and the parts
/// `[n, pₖ, w]`.
pub(in crate::grad) struct Assemble;

impl NaryKernel for Assemble {
    const NAME: &'static str = "assemble";

    fn forward<T: Real>(&self, args: &[View<'_, T>]) -> Result<Output<T>> {
        let (shared, place, parts) = (args[0], args[1], &args[2..]);
        let (n, places, width) = (shared.dims[0], place.dims[1], place.dims[2]);
        let mut y = vec![T::zero(); n * places * width];
        y.par_chunks_mut(places * width).enumerate().for_each(|(entry, y)| {
            let mut start = 0;
            for (i, part) in parts.iter().enumerate() {
                let length = part.dims[1] * width;
                let part = &part.data[entry * length..][..length];
                let rows = y[start..start + length].iter_mut().zip(part).zip(&place.data[start..]);
                rows.for_each(|((y, x), place)| *y = *x + *place);
                if i + 1 < parts.len() {
                    let shared = &shared.data[entry * width..][..width];
                    for row in y[start..start + length].chunks_exact_mut(width) {
                        row.iter_mut().zip(shared).for_each(|(y, shared)| *y += *shared);
                    }
                }
                start += length;
            }
        });
        Ok((y, Shape::from((n, places, width)), Scratch::none()))
    }

    fn backward<T: Real>(
        &self,
        args: &[View<'_, T>],
        _: &[T],
        grad: View<'_, T>,
        wanted: &[bool],
    ) -> Result<Vec<Option<Vec<T>>>> {
        let (places, width) = (args[1].dims[1], args[1].dims[2]);
        let last = args[args.len() - 1].dims[1];
        let d_shared = wanted[0].then(|| {
            let mut sums = vec![T::zero(); args[0].data.len()];
            sums.par_chunks_mut(width).zip(grad.data.par_chunks(places * width)).for_each(|(sum, grad)| {
                for row in grad.chunks_exact(width).take(places - last) {
                    sum.iter_mut().zip(row).for_each(|(sum, g)| *sum += *g);
                }
            });
            sums
        });
        let d_place = wanted[1].then(|| {
            let mut sums = vec![T::zero(); places * width];
            sums.par_chunks_mut(width).enumerate().for_each(|(place, sum)| {
                for grad in grad.data.chunks_exact(places * width) {
                    sum.iter_mut().zip(&grad[place * width..]).for_each(|(sum, g)| *sum += *g);
                }
            });
            sums
        });
        let mut start = 0;
        let mut all = vec![d_shared, d_place];
        for (part, wanted) in args[2..].iter().zip(&wanted[2..]) {
            let length = part.dims[1] * width;
            all.push(wanted.then(|| {
                let mut of_part = Vec::with_capacity(part.data.len());
                for grad in grad.data.chunks_exact(places * width) {
                    of_part.extend_from_slice(&grad[start..start + length]);
                }
                of_part
            }));
            start += length;
        }
        Ok(all)
    }
}
