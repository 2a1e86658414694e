//! Features in units of their spread among the training people.

use super::matrix::Matrix;

/// The mean and deviation of every feature.
#[derive(Clone, Debug, PartialEq)]
pub struct Scaler {
    centre: Vec<f64>,
    scale: Vec<f64>,
}

impl Scaler {
    /// Learns from the rows of `x`, `[people, features]`. NaN stands for "not seen" and is left
    /// out. A feature that is the same in everybody keeps its unit, so that it does not blow up the
    /// noise of others.
    pub fn fit(x: &Matrix) -> Self {
        let d = x.cols();
        let (mut count, mut centre, mut square) = (vec![0.0; d], vec![0.0; d], vec![0.0; d]);
        for row in x.iter() {
            for (j, value) in row.iter().enumerate().filter(|(_, value)| !value.is_nan()) {
                count[j] += 1.0;
                centre[j] += value;
            }
        }
        for (sum, count) in centre.iter_mut().zip(&count) {
            *sum /= f64::max(*count, 1.0);
        }
        for row in x.iter() {
            for (j, value) in row.iter().enumerate().filter(|(_, value)| !value.is_nan()) {
                square[j] += (value - centre[j]).powi(2);
            }
        }
        let scale = (0..d).map(|j| {
            let deviation = (square[j] / f64::max(count[j], 1.0)).sqrt();
            // rounding alone spreads a constant feature by about this much
            if deviation > 1e-12 * centre[j].abs() { deviation } else { 1.0 }
        });
        Self { scale: scale.collect(), centre }
    }

    /// Rows in these units; what was not seen becomes 0, the training people's mean.
    ///
    /// # Panics
    /// If `x` has another number of features.
    pub fn apply(&self, x: &Matrix) -> Matrix {
        assert_eq!(x.cols(), self.centre.len(), "features to standardise");
        let values = x.iter().flat_map(|row| {
            row.iter()
                .zip(self.centre.iter().zip(&self.scale))
                .map(|(value, (centre, scale))| if value.is_nan() { 0.0 } else { (value - centre) / scale })
        });
        Matrix::new(x.rows(), x.cols(), values.collect())
    }

    /// The features' means.
    pub fn centre(&self) -> &[f64] {
        &self.centre
    }

    /// The features' deviations.
    pub fn scale(&self) -> &[f64] {
        &self.scale
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_seen_becomes_the_mean_and_constants_become_zero() {
        let x = Matrix::from_rows([[1.0, 7.0], [3.0, 7.0], [f64::NAN, 7.0]]);
        let scaled = Scaler::fit(&x).apply(&x);
        assert_eq!(scaled, Matrix::from_rows([[-1.0, 0.0], [1.0, 0.0], [0.0, 0.0]]));
    }
}
