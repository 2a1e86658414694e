//! Convolution as a matrix product with the windows laid out as columns, a band of output rows at a time.

use super::conv::Sizes;
use super::gemm::{Into, Mat, MatMut, Threads, gemm};
use super::real::Real;
use super::scratch::Scratch;
use rayon::prelude::*;

/// Elements of the columns that exist at a time: 16 MiB in f32.
const BAND: usize = 1 << 22;

/// Images whose gradients of a pointwise weight one task adds up.
const IMAGES: usize = 8;

/// Output rows `first..end` of image `image`, the `start`th column of a band on.
struct Segment {
    image: usize,
    first: usize,
    end: usize,
    start: usize,
}

/// Rows of all images cut into bands of at most [`BAND`] elements of columns (one row at least), and their widths.
fn bands(sizes: &Sizes) -> Vec<(Vec<Segment>, usize)> {
    let rows_per_band = (BAND / (sizes.taps() * sizes.ow).max(1)).max(1);
    let mut bands: Vec<(Vec<Segment>, usize)> = Vec::new();
    let mut free = 0;
    for image in 0..sizes.n {
        let mut first = 0;
        while first < sizes.oh {
            if free == 0 {
                bands.push((Vec::new(), 0));
                free = rows_per_band;
            }
            let rows = free.min(sizes.oh - first);
            if let Some((segments, width)) = bands.last_mut() {
                segments.push(Segment { image, first, end: first + rows, start: *width });
                *width += rows * sizes.ow;
            }
            first += rows;
            free -= rows;
        }
    }
    bands
}

/// Calls `visit` for each row of windows: (place within a row of columns, start in the image plane or what is missing,
/// range of output columns whose pixel exists).
#[inline(always)]
fn window_rows(
    sizes: &Sizes,
    segment: &Segment,
    (ky, kx): (usize, usize),
    mut visit: impl FnMut(usize, Option<usize>, std::ops::Range<usize>),
) {
    let (stride, padding) = (sizes.window.stride, sizes.window.padding);
    // Output columns x with 0 ≤ x·stride + kx − padding < w.
    let from = padding.saturating_sub(kx).div_ceil(stride).min(sizes.ow);
    let to = (sizes.w + padding).saturating_sub(kx).div_ceil(stride).clamp(from, sizes.ow);
    for oy in segment.first..segment.end {
        let place = segment.start + (oy - segment.first) * sizes.ow;
        let y = (oy * stride + ky).checked_sub(padding).filter(|y| *y < sizes.h);
        let start = y.map(|y| y * sizes.w + (from * stride + kx).saturating_sub(padding));
        visit(place, start, from..to);
    }
}

/// The windows of a band as columns `[i·kh·kw, width]`.
fn gather<T: Real>(x: &[T], sizes: &Sizes, segments: &[Segment], width: usize, columns: &mut [T]) {
    let (area, taps, stride) = (sizes.h * sizes.w, sizes.kh * sizes.kw, sizes.window.stride);
    columns.par_chunks_mut(taps * width).enumerate().for_each(|(channel, columns)| {
        for (k, row) in columns.chunks_exact_mut(width).enumerate() {
            for segment in segments {
                let plane = &x[(segment.image * sizes.i + channel) * area..][..area];
                window_rows(sizes, segment, (k / sizes.kw, k % sizes.kw), |place, start, range| {
                    let row = &mut row[place..place + sizes.ow];
                    let Some(start) = start else { return row.fill(T::zero()) };
                    row[..range.start].fill(T::zero());
                    row[range.end..].fill(T::zero());
                    let row = &mut row[range];
                    if stride == 1 {
                        row.copy_from_slice(&plane[start..start + row.len()]);
                    } else {
                        row.iter_mut()
                            .zip(plane[start.min(area)..].iter().step_by(stride))
                            .for_each(|(c, x)| *c = *x);
                    }
                });
            }
        }
    });
}

/// The reverse of [`gather`]: each column's values are added to the pixels they came from.
fn scatter<T: Real>(columns: &[T], sizes: &Sizes, segments: &[Segment], width: usize, dx: &mut [T]) {
    let (area, taps, stride) = (sizes.h * sizes.w, sizes.kh * sizes.kw, sizes.window.stride);
    dx.par_chunks_mut(area).enumerate().for_each(|(plane, dx)| {
        let (image, channel) = (plane / sizes.i, plane % sizes.i);
        let columns = &columns[channel * taps * width..][..taps * width];
        for segment in segments.iter().filter(|s| s.image == image) {
            for (k, row) in columns.chunks_exact(width).enumerate() {
                window_rows(sizes, segment, (k / sizes.kw, k % sizes.kw), |place, start, range| {
                    let Some(start) = start else { return };
                    let row = &row[place..place + sizes.ow][range];
                    let pixels = dx[start.min(area)..].iter_mut().step_by(stride);
                    pixels.zip(row).for_each(|(dx, c)| *dx += *c);
                });
            }
        }
    });
}

/// What a channel's map is filled with before the products are added; `bias` is `[o]`, or `[n, o]`.
pub(super) fn bias_of<T: Real>(bias: Option<&[T]>, o: usize, plane: usize) -> T {
    bias.map_or(T::zero(), |bias| bias[if bias.len() == o { plane % o } else { plane }])
}

/// `y` `[n, o, oh, ow]`, which begins as zeros.
pub(super) fn convolve<T: Real>(x: &[T], weight: &[T], bias: Option<&[T]>, sizes: &Sizes, y: &mut [T]) {
    let (o, out_area) = (sizes.o, sizes.oh * sizes.ow);
    let matrix = Mat::new(weight, o, sizes.taps());
    if sizes.is_pointwise() {
        let images = y.par_chunks_mut(o * out_area).zip(x.par_chunks(sizes.i * out_area)).enumerate();
        let (threads, into) = (shared(sizes.n), if bias.is_some() { Into::Add } else { Into::Replace });
        images.for_each(|(image, (y, x))| {
            if bias.is_some() {
                for (channel, y) in y.chunks_exact_mut(out_area).enumerate() {
                    y.fill(bias_of(bias, o, image * o + channel));
                }
            }
            let (x, y) = (Mat::new(x, sizes.i, out_area), MatMut::new(y, o, out_area));
            gemm(y, into, T::one(), matrix, x, threads);
        });
        return;
    }
    for (segments, width) in bands(sizes) {
        let mut columns = Scratch::<T>::take(sizes.taps() * width);
        gather(x, sizes, &segments, width, &mut columns);
        let mut product = Scratch::<T>::take(o * width);
        let columns = Mat::new(&columns, sizes.taps(), width);
        gemm(MatMut::new(&mut product, o, width), Into::Replace, T::one(), matrix, columns, Threads::All);
        y.par_chunks_mut(out_area).enumerate().for_each(|(plane, y)| {
            for segment in segments.iter().filter(|s| s.image == plane / o) {
                let y = &mut y[segment.first * sizes.ow..segment.end * sizes.ow];
                let found = &product[plane % o * width + segment.start..][..y.len()];
                let bias = bias_of(bias, o, plane);
                y.iter_mut().zip(found).for_each(|(y, found)| *y = *found + bias);
            }
        });
    }
}

/// A band of the gradient of the output as a matrix `[o, width]`.
fn upstream<T: Real>(grad: &[T], sizes: &Sizes, segments: &[Segment], width: usize) -> Scratch<T> {
    let out_area = sizes.oh * sizes.ow;
    let mut band = Scratch::<T>::take(sizes.o * width);
    band.par_chunks_mut(width).enumerate().for_each(|(channel, band)| {
        for segment in segments {
            let grad = &grad[(segment.image * sizes.o + channel) * out_area..][..out_area];
            let grad = &grad[segment.first * sizes.ow..segment.end * sizes.ow];
            band[segment.start..segment.start + grad.len()].copy_from_slice(grad);
        }
    });
    band
}

/// `dx` `[n, i, h, w]`, which begins as zeros.
pub(super) fn by_input<T: Real>(grad: &[T], weight: &[T], sizes: &Sizes, dx: &mut [T]) {
    let (o, area) = (sizes.o, sizes.h * sizes.w);
    let matrix = Mat::new(weight, o, sizes.taps()).t();
    if sizes.is_pointwise() {
        let threads = shared(sizes.n);
        dx.par_chunks_mut(sizes.i * area).zip(grad.par_chunks(o * area)).for_each(|(dx, grad)| {
            let (grad, dx) = (Mat::new(grad, o, area), MatMut::new(dx, sizes.i, area));
            gemm(dx, Into::Replace, T::one(), matrix, grad, threads);
        });
        return;
    }
    for (segments, width) in bands(sizes) {
        let band = upstream(grad, sizes, &segments, width);
        let mut columns = Scratch::<T>::take(sizes.taps() * width);
        let product = MatMut::new(&mut columns, sizes.taps(), width);
        gemm(product, Into::Replace, T::one(), matrix, Mat::new(&band, o, width), Threads::All);
        scatter(&columns, sizes, &segments, width, dx);
    }
}

/// Gradient of the weight, `[o, i, kh, kw]`.
pub(super) fn by_weight<T: Real>(x: &[T], grad: &[T], sizes: &Sizes) -> Vec<T> {
    let mut dw = vec![T::zero(); sizes.o * sizes.taps()];
    for (segments, width) in bands(sizes) {
        let band = upstream(grad, sizes, &segments, width);
        let mut columns = Scratch::<T>::take(sizes.taps() * width);
        gather(x, sizes, &segments, width, &mut columns);
        let columns = Mat::new(&columns, sizes.taps(), width).t();
        let (band, dw) = (Mat::new(&band, sizes.o, width), MatMut::new(&mut dw, sizes.o, sizes.taps()));
        gemm(dw, Into::Add, T::one(), band, columns, Threads::All);
    }
    dw
}

/// The same of a convolution of 1×1, whose maps are multiplied as they lie.
pub(super) fn by_pointwise_weight<T: Real>(x: &[T], grad: &[T], sizes: &Sizes) -> Vec<T> {
    let (o, i, area) = (sizes.o, sizes.i, sizes.oh * sizes.ow);
    // Sums of runs of images of a fixed length, added in their order: the same on any number of threads.
    let sums: Vec<Vec<T>> = (x.par_chunks(IMAGES * i * area))
        .zip(grad.par_chunks(IMAGES * o * area))
        .map(|(x, grad)| {
            let mut dw = vec![T::zero(); o * i];
            for (x, grad) in x.chunks_exact(i * area).zip(grad.chunks_exact(o * area)) {
                let (x, grad) = (Mat::new(x, i, area).t(), Mat::new(grad, o, area));
                gemm(MatMut::new(&mut dw, o, i), Into::Add, T::one(), grad, x, Threads::One);
            }
            dw
        })
        .collect();
    let mut sums = sums.into_iter();
    let mut dw = sums.next().unwrap_or_else(|| vec![T::zero(); o * i]);
    for sum in sums {
        dw.iter_mut().zip(&sum).for_each(|(dw, sum)| *dw += *sum);
    }
    dw
}

/// How the product of one of `images` is shared: by images where there are enough for every thread.
fn shared(images: usize) -> Threads {
    if images >= 2 * rayon::current_num_threads() { Threads::One } else { Threads::All }
}
