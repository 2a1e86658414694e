//! Matrix products on checked views of slices.

use super::real::Real;

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
    let ((m, k), (inner, n)) = (a.shape, b.shape);
    let MatMut { data, shape, strides } = dst;
    assert!(k == inner && shape == (m, n), "{shape:?} = {:?} · {:?}", a.shape, b.shape);
    let parallelism = match threads {
        Threads::One => gemm::Parallelism::None,
        Threads::All => gemm::Parallelism::Rayon(rayon::current_num_threads()),
    };
    // SAFETY: the views checked on creation that every element they address lies in their slice, and that no two
    // elements of `data` share a place; `data` is borrowed exclusively, so it overlaps neither `a` nor `b`; the shapes
    // fit by the assertion above; T is f32 or f64, which `gemm` supports.
    #[allow(unsafe_code)]
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            data.as_mut_ptr(),
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
