//! The kernel distance of two sets of pictures: KID where the features are Inception's (Bińkowski et al.,
//! arXiv:1801.01401).
//!
//! An unbiased estimate of the squared maximum mean discrepancy under the kernel (x·y/d + 1)³, d features wide. Unlike
//! the Fréchet distance its mean does not depend on the number of pictures, and it is below 0 about as often as above
//! between sets of one kind.

use faer::MatRef;
use rand::SeedableRng;
use rand::seq::index;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::error::EvaluationError;
use super::features::Features;

const WHAT: &str = "kernel distance";

/// Which pictures are compared: several times as many of each set, none twice in one subset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subsets {
    /// How many subsets.
    pub count: usize,
    /// Pictures of each set in a subset.
    pub size: usize,
    /// Decides which.
    pub seed: u64,
}

/// The distance over subsets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KernelDistance {
    /// The mean.
    pub mean: f64,
    /// The deviation over the subsets, √(Σ(x − mean)²/count) as torch-fidelity has it: not an error of the mean, for
    /// subsets share pictures.
    pub deviation: f64,
}

/// The mean of [`squared_mmd`] over subsets of both sets. A pure function of its arguments.
///
/// # Errors
/// Where the widths differ, a subset has fewer than 2 pictures or more than a set, there is none, or the values
/// overflow.
pub fn kernel_distance(
    a: &Features,
    b: &Features,
    subsets: Subsets,
) -> Result<KernelDistance, EvaluationError> {
    EvaluationError::at_least("subsets", subsets.count, 1)?;
    EvaluationError::at_least("pictures in a subset", subsets.size, 2)?;
    for set in [a, b] {
        EvaluationError::at_least("rows of features for a subset", set.rows(), subsets.size)?;
    }
    // one after the other: the products of each occupy all cores
    let distances = (0..subsets.count)
        .map(|subset| compare_subset(a, b, subsets, subset))
        .collect::<Result<Vec<f64>, _>>()?;
    let count = distances.len() as f64;
    let mean = distances.iter().sum::<f64>() / count;
    let square: f64 = distances.iter().map(|distance| (distance - mean).powi(2)).sum();
    Ok(KernelDistance { mean, deviation: (square / count).sqrt() })
}

fn compare_subset(
    a: &Features,
    b: &Features,
    subsets: Subsets,
    subset: usize,
) -> Result<f64, EvaluationError> {
    let mut rng = ChaCha8Rng::seed_from_u64(subsets.seed);
    rng.set_stream(subset as u64);
    let mut pick = |set: &Features| set.picked(&index::sample(&mut rng, set.rows(), subsets.size).into_vec());
    let (a, b) = (pick(a), pick(b));
    squared_mmd(&a, &b)
}

/// The unbiased squared MMD of all rows: the means of the kernel over pairs within each set, none of a row with itself,
/// less twice the mean over pairs of both. Costs about (n₁² + n₂² + n₁·n₂)·d.
///
/// # Errors
/// Where the widths differ, a set has fewer than 2 rows, or the values overflow.
pub fn squared_mmd(a: &Features, b: &Features) -> Result<f64, EvaluationError> {
    EvaluationError::exactly("columns of the second set of features", b.width(), a.width())?;
    for set in [a, b] {
        EvaluationError::at_least("rows of features for a kernel", set.rows(), 2)?;
    }
    let between = kernel_sum(a.columns(), b.columns(), |_| a.rows()) / (a.rows() * b.rows()) as f64;
    let distance = within(a) + within(b) - 2.0 * between;
    if distance.is_finite() { Ok(distance) } else { Err(EvaluationError::Overflow { what: WHAT }) }
}

/// The mean of the kernel over the pairs of different rows.
fn within(set: &Features) -> f64 {
    let pairs = set.rows() * (set.rows() - 1) / 2;
    // each pair once, for the kernel is symmetric
    kernel_sum(set.columns(), set.columns(), |row| row) / pairs as f64
}

/// The sum of the kernel over each row j of `b` with the first `partners(j)` rows of `a`; both `[width, rows]`.
fn kernel_sum(a: MatRef<'_, f64>, b: MatRef<'_, f64>, partners: impl Fn(usize) -> usize + Sync) -> f64 {
    let width = a.nrows() as f64;
    let products = a.transpose() * b;
    let of_row = |row: usize| {
        let partners = &products.col_as_slice(row)[..partners(row)];
        partners.iter().map(|product| (product / width + 1.0).powi(3)).sum::<f64>()
    };
    // summed in one order, so that the result does not depend on who was first
    (0..b.ncols()).into_par_iter().map(of_row).collect::<Vec<f64>>().iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unbiased_estimate_is_that_of_the_paper() {
        let (a, b) = (Features::patterned(12, 5, 0, 1.0), Features::patterned(9, 5, 5, 1.5));
        // k = lambda u, v: (u @ v.T / 5 + 1)**3
        // (k(a, a).sum() - trace(k(a, a)))/(12*11) + (k(b, b).sum() - trace(k(b, b)))/(9*8) - 2*k(a, b).mean(), numpy
        assert!((squared_mmd(&a, &b).unwrap() - 0.9226747680980472).abs() < 1e-13);
        assert!((squared_mmd(&b, &a).unwrap() - 0.9226747680980472).abs() < 1e-13);
        assert!((squared_mmd(&a, &a).unwrap() + 0.06010452748434991).abs() < 1e-13);
    }

    #[test]
    fn one_subset_of_all_rows_is_the_whole() {
        let (a, b) = (Features::patterned(12, 5, 0, 1.0), Features::patterned(12, 5, 5, 1.5));
        let whole = squared_mmd(&a, &b).unwrap();
        let found = kernel_distance(&a, &b, Subsets { count: 1, size: 12, seed: 5 }).unwrap();
        assert!((found.mean - whole).abs() < 1e-13 && found.deviation == 0.0, "{found:?}, whole {whole}");
    }

    #[test]
    fn subsets_scatter_about_the_whole_and_are_those_of_the_seed() {
        let (a, b) = (Features::patterned(60, 5, 0, 1.0), Features::patterned(50, 5, 5, 1.5));
        let whole = squared_mmd(&a, &b).unwrap();
        let drawn = |seed| kernel_distance(&a, &b, Subsets { count: 400, size: 10, seed }).unwrap();
        let found = drawn(1);
        assert_eq!(found, drawn(1));
        assert_ne!(found, drawn(2));
        // unbiased: within five standard errors
        assert!(found.deviation > 0.0);
        assert!((found.mean - whole).abs() < 5.0 * found.deviation / 20.0, "{found:?}, whole {whole}");
    }

    #[test]
    fn too_few_pictures_other_widths_and_overflow_are_refused() {
        let set = Features::patterned(6, 3, 0, 1.0);
        let refused = |count, size| {
            kernel_distance(&set, &set, Subsets { count, size, seed: 0 }).unwrap_err().to_string()
        };
        assert_eq!(refused(0, 2), "subsets: 0 given, at least 1 needed");
        assert_eq!(refused(1, 1), "pictures in a subset: 1 given, at least 2 needed");
        assert_eq!(refused(1, 7), "rows of features for a subset: 6 given, at least 7 needed");
        assert!(squared_mmd(&set, &Features::patterned(1, 3, 0, 1.0)).is_err());
        assert!(squared_mmd(&set, &Features::patterned(6, 2, 0, 1.0)).is_err());
        let huge = Features::patterned(6, 3, 0, 1e60);
        assert!(matches!(squared_mmd(&huge, &huge), Err(EvaluationError::Overflow { .. })));
    }
}
