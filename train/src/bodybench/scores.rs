//! How alike two readings of bodies are; higher is more alike.

use rayon::prelude::*;

use super::cholesky::dot;
use super::input::Gaussian;
use super::matrix::Matrix;

/// The cosine of every row of `a` with every row of `b`, `[a, b]`; 0 where a row is all zero.
///
/// # Panics
/// If the rows differ in length.
pub fn cosine_scores(a: &Matrix, b: &Matrix) -> Matrix {
    assert_eq!(a.cols(), b.cols(), "features to compare");
    let norms: Vec<f64> = b.iter().map(|row| dot(row, row).sqrt()).collect();
    let rows = a.iter().map(|a| {
        let norm = dot(a, a).sqrt();
        let cosine = |(b, of_b): (&[f64], &f64)| {
            let product = norm * of_b;
            if product > 0.0 { dot(a, b) / product } else { 0.0 }
        };
        b.iter().zip(&norms).map(cosine).collect::<Vec<f64>>()
    });
    Matrix::from_rows(rows)
}

/// How much likelier it is that two sets of views show one person than that they show two, in nats,
/// `[a, b]`.
///
/// Both posteriors contain the prior p = N(0, I) once, so it is log ∫ qₐ·q_b / p. With h =
/// precision·mean and A(h, a) = ½h²/a − ½ log a that is A(hₐ + h_b, aₐ + a_b − 1) − A(hₐ, aₐ) −
/// A(h_b, a_b), summed over the dimensions: the score of a two-covariance model (PLDA), of which
/// the mutual likelihood of Shi and Jain (arXiv:1904.09658) is a relative that leaves the prior
/// out. A dimension in which one of the two knows nothing adds 0. A precision below 1 is taken as
/// 1: nothing says less than the prior.
///
/// # Panics
/// If the posteriors differ in width.
pub fn evidence_scores(a: &[Gaussian], b: &[Gaussian]) -> Matrix {
    let (a, b) = (natural(a), natural(b));
    let scores = a.par_iter().flat_map_iter(|one| b.iter().map(|other| one.evidence(other)));
    Matrix::new(a.len(), b.len(), scores.collect())
}

/// A Gaussian in its natural parameters.
struct Natural {
    /// Precision times mean.
    shift: Vec<f64>,
    precision: Vec<f64>,
    /// ΣA(h, a).
    log_partition: f64,
}

fn natural(gaussians: &[Gaussian]) -> Vec<Natural> {
    gaussians.par_iter().map(convert).collect()
}

fn convert(gaussian: &Gaussian) -> Natural {
    let precision: Vec<f64> = gaussian.precision.iter().map(|&a| f64::from(a).max(1.0)).collect();
    let shift: Vec<f64> = precision.iter().zip(&gaussian.mean).map(|(a, &m)| a * f64::from(m)).collect();
    let log_partition = shift.iter().zip(&precision).map(|(&h, &a)| log_partition(h, a)).sum();
    Natural { shift, precision, log_partition }
}

impl Natural {
    fn evidence(&self, other: &Self) -> f64 {
        assert_eq!(self.shift.len(), other.shift.len(), "dimensions of posteriors to compare");
        let ours = self.shift.iter().zip(&self.precision);
        let theirs = other.shift.iter().zip(&other.precision);
        let joint: f64 = ours.zip(theirs).map(|((h, a), (k, b))| log_partition(h + k, a + b - 1.0)).sum();
        joint - self.log_partition - other.log_partition
    }
}

fn log_partition(shift: f64, precision: f64) -> f64 {
    0.5 * (shift * shift / precision - precision.ln())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gaussian(mean: f32, precision: f32) -> Gaussian {
        Gaussian { mean: vec![mean], precision: vec![precision] }
    }

    /// log ∫ qₐ q_b / p on a grid.
    fn integral(a: &Gaussian, b: &Gaussian) -> f64 {
        let normal = |c: f64, mean: f32, precision: f32| {
            let (mean, precision) = (f64::from(mean), f64::from(precision));
            (precision / std::f64::consts::TAU).sqrt() * (-0.5 * precision * (c - mean).powi(2)).exp()
        };
        let step = 1e-3;
        let sum: f64 = (-10_000..10_000)
            .map(|i| f64::from(i) * step)
            .map(|c| {
                normal(c, a.mean[0], a.precision[0]) * normal(c, b.mean[0], b.precision[0])
                    / normal(c, 0.0, 1.0)
            })
            .sum();
        (sum * step).ln()
    }

    #[test]
    fn evidence_is_the_integral_over_all_bodies() {
        let pairs =
            [(0.3, 2.0, 0.5, 4.0), (-1.0, 9.0, 1.2, 3.0), (0.0, 1.0, 0.7, 5.0), (2.0, 1.5, 1.9, 30.0)];
        for (ma, pa, mb, pb) in pairs {
            let (a, b) = (gaussian(ma, pa), gaussian(mb, pb));
            let expected = integral(&a, &b);
            let score = evidence_scores(&[a], &[b]).row(0)[0];
            assert!((score - expected).abs() < 1e-6, "{score} for {expected}");
        }
    }

    #[test]
    fn who_knows_nothing_is_evidence_of_nothing() {
        let score = evidence_scores(&[gaussian(0.0, 1.0)], &[gaussian(1.3, 7.0)]).row(0)[0];
        assert!(score.abs() < 1e-12, "{score}");
    }

    #[test]
    fn cosines_are_those_of_the_rows() {
        let a = Matrix::from_rows([[1.0, 0.0], [0.0, 0.0]]);
        let b = Matrix::from_rows([[3.0, 4.0], [-2.0, 0.0]]);
        let scores = cosine_scores(&a, &b);
        assert!((scores.row(0)[0] - 0.6).abs() < 1e-15 && (scores.row(0)[1] + 1.0).abs() < 1e-15);
        assert_eq!(scores.row(1), [0.0, 0.0]);
    }
}
