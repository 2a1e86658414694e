//! Matrix products on checked views of slices.

use super::real::Real;
use rayon::prelude::*;

/// A matrix in a slice: rows and columns with a stride each.
#[derive(Clone, Copy)]
pub(super) struct Mat<'a, T> {
    data: &'a [T],
    shape: (usize, usize),
    strides: (usize, usize),
}

/// A matrix to be written.
pub(super) struct MatMut<'a, T> {
    data: &'a mut [T],
    shape: (usize, usize),
    strides: (usize, usize),
}

/// How many threads share one product.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Threads {
    /// The caller is one of many tasks already.
    One,
    /// All of rayon's pool.
    All,
}

/// Whether the product replaces what is there or is added to it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Into {
    Replace,
    Add,
}

fn needed(shape: (usize, usize), strides: (usize, usize)) -> usize {
    match shape {
        (0, _) | (_, 0) => 0,
        (rows, cols) => (rows - 1) * strides.0 + (cols - 1) * strides.1 + 1,
    }
}

impl<'a, T> Mat<'a, T> {
    /// Row after row.
    pub(super) fn new(data: &'a [T], rows: usize, cols: usize) -> Self {
        Self::strided(data, (rows, cols), (cols, 1))
    }

    /// With strides of its own for (rows, columns).
    pub(super) fn strided(data: &'a [T], shape: (usize, usize), strides: (usize, usize)) -> Self {
        assert!(needed(shape, strides) <= data.len(), "matrix {shape:?} by {strides:?} in {}", data.len());
        Self { data, shape, strides }
    }

    /// Transposed.
    pub(super) fn t(self) -> Self {
        let ((rows, cols), (by_row, by_col)) = (self.shape, self.strides);
        Self { data: self.data, shape: (cols, rows), strides: (by_col, by_row) }
    }

    /// `count` columns from `start` on.
    fn columns(self, start: usize, count: usize) -> Self {
        let first = (start * self.strides.1).min(self.data.len());
        Self::strided(&self.data[first..], (self.shape.0, count), self.strides)
    }
}

impl<'a, T> MatMut<'a, T> {
    /// Row after row.
    pub(super) fn new(data: &'a mut [T], rows: usize, cols: usize) -> Self {
        Self::strided(data, (rows, cols), (cols, 1))
    }

    /// With strides of its own for (rows, columns); no two elements may share a place.
    pub(super) fn strided(data: &'a mut [T], shape: (usize, usize), strides: (usize, usize)) -> Self {
        assert!(needed(shape, strides) <= data.len(), "matrix {shape:?} by {strides:?} in {}", data.len());
        let rows_apart = strides.1 > 0 && strides.0 >= needed((1, shape.1), strides);
        let cols_apart = strides.0 > 0 && strides.1 >= needed((shape.0, 1), strides);
        assert!(rows_apart || cols_apart, "matrix {shape:?} by {strides:?} overlaps itself");
        Self { data, shape, strides }
    }
}

/// `dst = scale · a·b`, or that added to `dst`.
pub(super) fn gemm<T: Real>(
    dst: MatMut<'_, T>,
    into: Into,
    scale: T,
    a: Mat<'_, T>,
    b: Mat<'_, T>,
    threads: Threads,
) {
    let MatMut { data, shape, strides } = dst;
    assert!(shape == (a.shape.0, b.shape.1), "{shape:?} = {:?} · {:?}", a.shape, b.shape);
    // SAFETY: the views checked on creation that every element they address lies in their slice, and that no two
    // elements of `data` share a place; `data` is borrowed exclusively, so it overlaps neither `a` nor `b`.
    #[allow(unsafe_code, reason = "`gemm` takes pointers")]
    unsafe {
        write((data.as_mut_ptr(), strides), into, scale, a, b, threads);
    }
}

/// From this many rows on, `gemm` itself splits the product among threads and packs the other matrix once for
/// all. (With a short inner dimension it would use one thread only.)
const MANY_ROWS: usize = 1024;
const FEW_TERMS: usize = 16;
/// With fewer multiplications, a product is not split into tasks.
const SMALL: usize = 1 << 19;
/// Columns of a task: four AVX-512 vectors of f32, the widest that `gemm`'s kernels handle at once.
const COLUMNS: usize = 64;
/// With this many tasks a few threads are evenly loaded.
const TASKS: usize = 6;
/// Rows of a task, where splitting by columns alone gives too few: twelve times the six of those kernels.
const ROWS: usize = 72;
/// Elements of a task that adds a bias.
const BIASED: usize = 1 << 14;

/// `a·b` plus `bias` in every row, as a new matrix in row-major order, whose memory is not cleared first.
/// Split among all threads by blocks that do not depend on their number.
pub(super) fn product<T: Real>(a: Mat<'_, T>, b: Mat<'_, T>, bias: Option<&[T]>) -> Vec<T> {
    let ((rows, terms), columns) = (a.shape, b.shape.1);
    let whole = (rows.max(1), columns.max(1));
    let ((height, width), threads) = if rows >= MANY_ROWS && terms > FEW_TERMS {
        (whole, Threads::All)
    } else if rows * columns * terms <= SMALL {
        (whole, Threads::One)
    } else if columns.div_ceil(COLUMNS) >= TASKS {
        ((whole.0, COLUMNS), Threads::One)
    } else {
        ((ROWS, COLUMNS), Threads::One)
    };
    let across = columns.div_ceil(width);
    let mut data = Vec::<T>::with_capacity(rows * columns);
    let to = To(data.as_mut_ptr());
    (0..across * rows.div_ceil(height)).into_par_iter().for_each(|block| {
        let (top, left) = (block / across * height, block % across * width);
        let (height, width) = (height.min(rows - top), width.min(columns - left));
        let (a, b) = (a.t().columns(top, height).t(), b.columns(left, width));
        // SAFETY: there is room for `rows` of `columns` elements from `to` on. This task writes those of its
        // block, which no other one touches, and a product that replaces reads none of them.
        #[allow(unsafe_code, reason = "tasks write disjoint blocks of one buffer")]
        unsafe {
            write((to.at(top * columns + left), (columns, 1)), Into::Replace, T::one(), a, b, threads);
        }
    });
    // SAFETY: the blocks are the whole matrix, and each was written.
    #[allow(unsafe_code, reason = "clearing the memory first would be a pass over it")]
    unsafe {
        data.set_len(rows * columns);
    }
    if let Some(bias) = bias {
        assert!(bias.len() == columns, "a bias of {} for {columns} columns", bias.len());
        data.par_chunks_mut((BIASED / columns.max(1)).max(1) * columns.max(1)).for_each(|rows| {
            for row in rows.chunks_exact_mut(columns.max(1)) {
                row.iter_mut().zip(bias).for_each(|(y, bias)| *y += *bias);
            }
        });
    }
    data
}

/// Where tasks write, each its own part.
#[derive(Clone, Copy)]
struct To<T>(*mut T);

// SAFETY: a pointer, used where it is by tasks that share no element.
#[allow(unsafe_code, reason = "tasks write disjoint blocks of one buffer")]
unsafe impl<T: Send> Send for To<T> {}
// SAFETY: as above.
#[allow(unsafe_code, reason = "as above")]
unsafe impl<T: Send> Sync for To<T> {}

impl<T> To<T> {
    /// The address of element `start`.
    ///
    /// # Safety
    /// `start` lies within the buffer.
    #[allow(unsafe_code, reason = "tasks write disjoint blocks of one buffer")]
    unsafe fn at(&self, start: usize) -> *mut T {
        // SAFETY: the caller's word.
        unsafe { self.0.add(start) }
    }
}

/// A product to `dst` with the strides of its rows and columns.
///
/// # Safety
/// All elements that `dst` addresses by its strides are there to be written, and read where it is added to
/// them; no two share a place, and none is of `a` or `b`.
#[allow(unsafe_code, reason = "`gemm` takes pointers")]
unsafe fn write<T: Real>(
    (dst, strides): (*mut T, (usize, usize)),
    into: Into,
    scale: T,
    a: Mat<'_, T>,
    b: Mat<'_, T>,
    threads: Threads,
) {
    let ((m, k), (inner, n)) = (a.shape, b.shape);
    assert!(k == inner, "{:?} · {:?}", a.shape, b.shape);
    let parallelism = match threads {
        Threads::One => gemm::Parallelism::None,
        Threads::All => gemm::Parallelism::Rayon(rayon::current_num_threads()),
    };
    // SAFETY: of `dst`, the caller says so; the views checked on creation that every element they address lies in their
    // slice; the shapes fit by the assertion above; T is f32 or f64, which `gemm` supports.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            dst,
            strides.1 as isize,
            strides.0 as isize,
            into == Into::Add,
            a.data.as_ptr(),
            a.strides.1 as isize,
            a.strides.0 as isize,
            b.data.as_ptr(),
            b.strides.1 as isize,
            b.strides.0 as isize,
            T::from_f64(1.0),
            scale,
            false,
            false,
            false,
            parallelism,
        );
    }
}
