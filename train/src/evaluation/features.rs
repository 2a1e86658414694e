//! What a network makes of a set of pictures.

use faer::{Mat, MatRef};

use super::error::EvaluationError;

/// Features or logits, a row for each picture. In f64: a covariance in f32 loses the small eigenvalues, of which the
/// Fréchet distance takes the roots.
#[derive(Clone, Debug, PartialEq)]
pub struct Features {
    rows: usize,
    width: usize,
    values: Vec<f64>,
}

impl Features {
    /// From `values` `[rows, width]`, row after row, f32 or f64.
    ///
    /// # Errors
    /// Where there is no row, the last one is cut short, or a value is NaN or infinite.
    pub fn new<T: Copy + Into<f64>>(width: usize, values: &[T]) -> Result<Self, EvaluationError> {
        EvaluationError::at_least("columns of features", width, 1)?;
        EvaluationError::at_least("values of features", values.len(), width)?;
        let rows = values.len() / width;
        EvaluationError::exactly("values of whole rows of features", values.len(), rows * width)?;
        let values: Vec<f64> = values.iter().map(|&value| value.into()).collect();
        EvaluationError::finite("features", width, &values)?;
        Ok(Self { rows, width, values })
    }

    /// How many pictures.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// How many features each has.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The features of one picture.
    pub fn row(&self, index: usize) -> &[f64] {
        &self.values[index * self.width..(index + 1) * self.width]
    }

    /// All pictures in order.
    pub fn iter(&self) -> impl Iterator<Item = &[f64]> {
        self.values.chunks_exact(self.width)
    }

    /// The mean over the pictures, `[width]`.
    pub fn mean(&self) -> Vec<f64> {
        let mut mean = vec![0.0; self.width];
        for row in self.iter() {
            for (sum, value) in mean.iter_mut().zip(row) {
                *sum += value;
            }
        }
        mean.iter_mut().for_each(|sum| *sum /= self.rows as f64);
        mean
    }

    /// Those pictures alone, in this order.
    pub(super) fn picked(&self, rows: &[usize]) -> Self {
        let values = rows.iter().flat_map(|&row| self.row(row)).copied().collect();
        Self { rows: rows.len(), width: self.width, values }
    }

    /// A column for each picture, `[width, rows]`.
    pub(super) fn columns(&self) -> MatRef<'_, f64> {
        MatRef::from_column_major_slice(&self.values, self.width, self.rows)
    }

    /// The same less the mean, over √(rows − 1), so that the product with its own transpose is the unbiased covariance.
    pub(super) fn deviations(&self) -> Mat<f64> {
        let (mean, scale) = (self.mean(), (self.rows.saturating_sub(1) as f64).sqrt());
        Mat::from_fn(self.width, self.rows, |feature, row| (self.row(row)[feature] - mean[feature]) / scale)
    }

    /// Numbers without a pattern that shows, `[rows, width]` in 0..1, which Python makes alike:
    /// `((i*31 + j*17 + i*j*7 + shift) % 23) / 23`.
    #[cfg(test)]
    pub(super) fn patterned(rows: usize, width: usize, shift: usize, scale: f64) -> Self {
        let cell =
            |(i, j): (usize, usize)| scale * ((i * 31 + j * 17 + i * j * 7 + shift) % 23) as f64 / 23.0;
        let cells = (0..rows).flat_map(|i| (0..width).map(move |j| (i, j)));
        Self { rows, width, values: cells.map(cell).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_and_the_unbiased_covariance_are_those_of_numpy() {
        let features = Features::new(2, &[1.0f32, 2.0, 3.0, 7.0, 8.0, 0.0]).unwrap();
        // numpy.mean([[1, 2], [3, 7], [8, 0]], axis=0)
        assert_eq!(features.mean(), [4.0, 3.0]);
        // numpy.cov([[1, 2], [3, 7], [8, 0]], rowvar=False)
        let expected = [[13.0, -6.5], [-6.5, 13.0]];
        let deviations = features.deviations();
        let covariance = &deviations * deviations.transpose();
        for (i, row) in expected.iter().enumerate() {
            for (j, expected) in row.iter().enumerate() {
                assert!((covariance[(i, j)] - expected).abs() < 1e-12, "{i}, {j}: {}", covariance[(i, j)]);
            }
        }
    }

    #[test]
    fn what_is_no_set_of_rows_is_refused() {
        let refused = |width: usize, values: &[f64]| Features::new(width, values).unwrap_err().to_string();
        assert_eq!(refused(3, &[]), "values of features: 0 given, at least 3 needed");
        assert_eq!(refused(0, &[1.0]), "columns of features: 0 given, at least 1 needed");
        assert_eq!(refused(2, &[1.0; 5]), "values of whole rows of features: 5 given, 4 expected");
        let nan = refused(2, &[1.0, 2.0, 3.0, f64::NAN]);
        assert_eq!(nan, "features: row 1 holds NaN; finite numbers were expected");
        assert!(refused(1, &[f64::NEG_INFINITY]).contains("row 0 holds -inf"));
    }
}
