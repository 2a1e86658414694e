//! Rows of f64: exact enough for regressions on a thousand features, where f32 loses the small
//! eigenvalues.

use candle_core::{Device, Tensor};

use super::error::BenchError;

/// A matrix, row after row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Matrix {
    rows: usize,
    cols: usize,
    values: Vec<f64>,
}

impl Matrix {
    /// From `rows · cols` values.
    ///
    /// # Panics
    /// If there are not that many values.
    pub fn new(rows: usize, cols: usize, values: Vec<f64>) -> Self {
        assert_eq!(values.len(), rows * cols, "a matrix of {rows} rows and {cols} columns");
        Self { rows, cols, values }
    }

    /// From rows of one length.
    ///
    /// # Panics
    /// If their lengths differ.
    pub fn from_rows<R, T>(rows: impl IntoIterator<Item = R>) -> Self
    where
        R: AsRef<[T]>,
        T: Copy + Into<f64>,
    {
        let mut matrix = Self::default();
        for row in rows {
            let row = row.as_ref();
            if matrix.rows == 0 {
                matrix.cols = row.len();
            }
            assert_eq!(row.len(), matrix.cols, "row {} of a matrix", matrix.rows);
            matrix.values.extend(row.iter().map(|&value| value.into()));
            matrix.rows += 1;
        }
        matrix
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Row `index`.
    pub fn row(&self, index: usize) -> &[f64] {
        &self.values[index * self.cols..(index + 1) * self.cols]
    }

    /// Row `index`, to be written.
    pub fn row_mut(&mut self, index: usize) -> &mut [f64] {
        &mut self.values[index * self.cols..(index + 1) * self.cols]
    }

    /// All rows in order.
    pub fn iter(&self) -> impl Iterator<Item = &[f64]> {
        (0..self.rows).map(|index| self.row(index))
    }

    /// Column `index`, top to bottom.
    pub fn column(&self, index: usize) -> Vec<f64> {
        self.iter().map(|row| row[index]).collect()
    }

    /// Rows become columns.
    pub fn transposed(&self) -> Self {
        let values = (0..self.cols).flat_map(|col| self.iter().map(move |row| row[col])).collect();
        Self { rows: self.cols, cols: self.rows, values }
    }

    /// `self · other`.
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub fn times(&self, other: &Self) -> Result<Self, BenchError> {
        Self::read(&self.tensor()?.matmul(&other.tensor()?)?)
    }

    /// `self · otherᵀ`: every row of one with every row of the other.
    ///
    /// # Errors
    /// If the rows differ in length.
    pub fn times_transposed(&self, other: &Self) -> Result<Self, BenchError> {
        Self::read(&self.tensor()?.matmul(&other.tensor()?.t()?)?)
    }

    /// `selfᵀ · other`: sums over the rows of both.
    ///
    /// # Errors
    /// If the numbers of rows differ.
    pub fn transposed_times(&self, other: &Self) -> Result<Self, BenchError> {
        Self::read(&self.tensor()?.t()?.matmul(&other.tensor()?)?)
    }

    fn tensor(&self) -> candle_core::Result<Tensor> {
        Tensor::from_slice(&self.values, (self.rows, self.cols), &Device::Cpu)
    }

    fn read(tensor: &Tensor) -> Result<Self, BenchError> {
        let (rows, cols) = tensor.dims2()?;
        Ok(Self { rows, cols, values: tensor.flatten_all()?.to_vec1()? })
    }
}
