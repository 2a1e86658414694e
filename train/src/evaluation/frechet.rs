//! The Fréchet distance of two sets of pictures, each taken for a Gaussian in a network's features: FID where those are
//! Inception's (Heusel et al., arXiv:1706.08500).
//!
//! d² = |μ₁ − μ₂|² + tr C₁ + tr C₂ − 2 tr √(C₁C₂). Of the last term there are two ways. They agree but for
//! rounding, and differ in cost: with n₁ and n₂ pictures of d features, it grows with d³ or with n₁·n₂·(d +
//! the smaller n).
//!
//! The distance falls with the number of pictures even between sets of one kind (Chong and Forsyth, arXiv:1911.07023):
//! compare only distances of as many pictures.

use faer::{MatRef, Side};

use super::error::EvaluationError;
use super::features::Features;

const WHAT: &str = "Fréchet distance";

/// d² of two sets of features of one width, in squared units of the features; not below 0.
///
/// # Errors
/// Where the widths differ, a set has fewer than 2 rows, or the values overflow.
pub fn frechet_distance(a: &Features, b: &Features) -> Result<f64, EvaluationError> {
    // then the cross-Gram is no larger than the larger set
    if a.rows().min(b.rows()) < a.width() { by_cross_gram(a, b) } else { by_covariances(a, b) }
}

/// The same, the trace by the eigenvalues of √C₁·C₂·√C₁, which are those of C₁C₂.
///
/// # Errors
/// As [`frechet_distance`].
pub fn by_covariances(a: &Features, b: &Features) -> Result<f64, EvaluationError> {
    distance(a, b, |a, b| {
        let failed = |_| EvaluationError::NoConvergence { what: WHAT, rows: a.nrows(), columns: a.nrows() };
        let first = (a * a.transpose()).self_adjoint_eigen(Side::Lower).map_err(failed)?;
        // √C₁ is U·√Λ·Uᵀ, and the turn by U leaves eigenvalues as they are
        let mut half = first.U().to_owned();
        let spread = roots(first.S().column_vector().iter().copied());
        for (column, root) in half.col_iter_mut().zip(&spread) {
            column.iter_mut().for_each(|value| *value *= root);
        }
        let product = half.transpose() * (b * b.transpose()) * &half;
        let eigenvalues = product.self_adjoint_eigenvalues(Side::Lower).map_err(failed)?;
        Ok(roots(eigenvalues).iter().sum())
    })
}

/// The same, the trace by singular values: with C = Z·Zᵀ, C₁C₂ has the non-zero eigenvalues of
/// (Z₁ᵀZ₂)(Z₁ᵀZ₂)ᵀ, so that tr √(C₁C₂) is the sum of the singular values of Z₁ᵀZ₂, `[n₁, n₂]`.
///
/// # Errors
/// As [`frechet_distance`].
pub fn by_cross_gram(a: &Features, b: &Features) -> Result<f64, EvaluationError> {
    distance(a, b, |a, b| {
        let gram = a.transpose() * b;
        let failed = |_| EvaluationError::NoConvergence { what: WHAT, rows: a.ncols(), columns: b.ncols() };
        Ok(gram.singular_values().map_err(failed)?.iter().sum())
    })
}

/// `trace` makes tr √(C₁C₂) of the deviations `[d, n]` of both sets.
fn distance(
    a: &Features,
    b: &Features,
    trace: impl FnOnce(MatRef<'_, f64>, MatRef<'_, f64>) -> Result<f64, EvaluationError>,
) -> Result<f64, EvaluationError> {
    EvaluationError::exactly("columns of the second set of features", b.width(), a.width())?;
    for set in [a, b] {
        EvaluationError::at_least("rows of features for a covariance", set.rows(), 2)?;
    }
    let shift: f64 = a.mean().iter().zip(b.mean()).map(|(a, b)| (a - b).powi(2)).sum();
    let (a, b) = (a.deviations(), b.deviations());
    let (spread_a, spread_b) = (a.squared_norm_l2(), b.squared_norm_l2());
    let overflow = EvaluationError::Overflow { what: WHAT };
    // no element of a product of the covariances is larger than that of their traces
    if !(shift + spread_a + spread_b + spread_a * spread_b).is_finite() {
        return Err(overflow);
    }
    let distance = shift + spread_a + spread_b - 2.0 * trace(a.as_ref(), b.as_ref())?;
    // equal sets are apart by rounding, to either side
    if distance.is_finite() { Ok(distance.max(0.0)) } else { Err(overflow) }
}

/// The roots of eigenvalues of which none is negative but by rounding. What is below the rounding of the largest counts
/// as 0: its root would be 1e-8 of the largest's, once for each dimension in which the pictures do not differ.
fn roots(eigenvalues: impl IntoIterator<Item = f64>) -> Vec<f64> {
    let eigenvalues: Vec<f64> = eigenvalues.into_iter().collect();
    let largest = eigenvalues.iter().copied().fold(0.0, f64::max);
    let rounding = eigenvalues.len() as f64 * f64::EPSILON * largest;
    eigenvalues.iter().map(|&value| if value > rounding { value.sqrt() } else { 0.0 }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    #[track_caller]
    fn assert_near(found: f64, expected: f64, relative: f64) {
        assert!((found - expected).abs() <= relative * expected.abs(), "{found}, expected {expected}");
    }

    /// `[rows, width]` that vary along `rank` directions.
    fn drawn(rows: usize, width: usize, rank: usize, seed: u64) -> Features {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut cells =
            |count: usize| -> Vec<f64> { (0..count).map(|_| rng.random_range(-1.0..1.0)).collect() };
        let (places, directions, centre) = (cells(rows * rank), cells(rank * width), cells(width));
        let cell = |row: usize, feature: usize| {
            let along = |k: usize| places[row * rank + k] * directions[k * width + feature];
            centre[feature] + (0..rank).map(along).sum::<f64>()
        };
        let values: Vec<f64> = (0..rows * width).map(|at| cell(at / width, at % width)).collect();
        Features::new(width, &values).unwrap()
    }

    #[test]
    fn in_one_dimension_it_is_the_distance_of_means_and_deviations() {
        // means 1 and 3, variances 2 and 8: 2² + (√2 − √8)²
        let (a, b) = (Features::new(1, &[0.0, 2.0]).unwrap(), Features::new(1, &[1.0, 5.0]).unwrap());
        assert_near(by_covariances(&a, &b).unwrap(), 6.0, 1e-14);
        assert_near(by_cross_gram(&a, &b).unwrap(), 6.0, 1e-14);
    }

    #[test]
    fn the_distance_is_that_of_scipy() {
        let (a, b) = (Features::patterned(12, 5, 0, 1.0), Features::patterned(9, 5, 5, 1.5));
        // ca, cb = numpy.cov(a, rowvar=False), numpy.cov(b, rowvar=False)
        // ((a.mean(0) - b.mean(0))**2).sum() + trace(ca) + trace(cb) - 2*trace(scipy.linalg.sqrtm(ca @ cb)).real
        for found in [by_covariances(&a, &b), by_cross_gram(&a, &b), frechet_distance(&b, &a)] {
            assert_near(found.unwrap(), 0.8714952486930383, 1e-12);
        }
    }

    #[test]
    fn fewer_pictures_than_features_are_exact() {
        let (a, b) = (Features::patterned(4, 7, 0, 1.0), Features::patterned(9, 7, 5, 1.5));
        // za, zb = (a - a.mean(0)) / 3**.5, (b - b.mean(0)) / 8**.5
        // ((a.mean(0) - b.mean(0))**2).sum() + (za**2).sum() + (zb**2).sum()
        //   - 2*numpy.linalg.svd(za @ zb.T, compute_uv=False).sum()
        // scipy.linalg.sqrtm of the covariances, of rank 2 and 5, gives 1.25881276
        for found in [by_covariances(&a, &b), by_cross_gram(&a, &b), frechet_distance(&a, &b)] {
            assert_near(found.unwrap(), 1.2588127683242605, 1e-9);
        }
    }

    #[test]
    fn both_ways_agree_whatever_the_numbers_of_rows_and_directions() {
        let shapes = [
            (90, 70, 40, 40, 40),
            (90, 30, 40, 40, 40),
            (12, 30, 40, 12, 8),
            (50, 60, 24, 3, 24),
            (2, 2, 9, 9, 9),
        ];
        for (seed, (rows, others, width, rank, rank_of_others)) in (0..).zip(shapes) {
            let (a, b) = (drawn(rows, width, rank, seed), drawn(others, width, rank_of_others, seed + 100));
            let expected = by_cross_gram(&a, &b).unwrap();
            for found in [by_covariances(&a, &b), by_covariances(&b, &a), by_cross_gram(&b, &a)] {
                assert_near(found.unwrap(), expected, 1e-10);
            }
        }
    }

    #[test]
    fn equal_sets_are_not_apart_and_copies_of_one_picture_differ_by_the_other_s_spread() {
        for rank in [1, 5, 16] {
            let set = drawn(40, 16, rank, 3);
            let spread = set.deviations().squared_norm_l2();
            for found in [by_covariances(&set, &set), by_cross_gram(&set, &set)] {
                assert!((0.0..1e-12 * spread).contains(&found.unwrap()), "rank {rank}");
            }
        }
        let (copies, set) =
            (Features::new(2, &[3.0, 4.0, 3.0, 4.0]).unwrap(), Features::patterned(6, 2, 1, 1.0));
        let mean = set.mean();
        let expected = (mean[0] - 3.0).powi(2) + (mean[1] - 4.0).powi(2) + set.deviations().squared_norm_l2();
        for distance in [by_covariances, by_cross_gram] {
            assert_near(distance(&copies, &set).unwrap(), expected, 1e-14);
            assert_eq!(distance(&copies, &copies).unwrap(), 0.0);
        }
    }

    #[test]
    fn one_picture_other_widths_and_overflow_are_refused() {
        let (one, two) = (Features::patterned(1, 3, 0, 1.0), Features::patterned(2, 3, 0, 1.0));
        let refused = |a, b| frechet_distance(a, b).unwrap_err().to_string();
        assert_eq!(refused(&two, &one), "rows of features for a covariance: 1 given, at least 2 needed");
        let wide = Features::patterned(2, 4, 0, 1.0);
        assert_eq!(refused(&two, &wide), "columns of the second set of features: 4 given, 3 expected");
        for scale in [1e90, 1e200, 1e308] {
            let huge = Features::patterned(5, 3, 0, scale);
            assert!(matches!(by_covariances(&huge, &huge), Err(EvaluationError::Overflow { .. })), "{scale}");
            assert!(matches!(by_cross_gram(&huge, &huge), Err(EvaluationError::Overflow { .. })), "{scale}");
        }
    }
}
