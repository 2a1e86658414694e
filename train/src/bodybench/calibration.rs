//! Whether σ means what it says: it shrinks as the error does, and not with copies of one view.

use serde::{Deserialize, Serialize};

use super::input::Gaussian;

/// A dimension is active if the means of people differ in it by more than this variance (Burda et
/// al., arXiv:1509.00519). The others stay at the prior, σ = 1, whatever is seen, and would drown
/// every change of the mean σ.
const ACTIVE: f64 = 0.01;

/// σ beside the error, over the numbers of views.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Dimensions in which people differ.
    pub active_dimensions: usize,
    /// By the number of views.
    pub by_views: Vec<CalibrationByViews>,
    /// Spearman's rank correlation of σ and error over the numbers of views.
    pub spearman_views: Option<f64>,
    /// The same over people at the main number of views: is the model less sure of those it gets
    /// wrong?
    pub spearman_people: Option<f64>,
}

/// σ and error from a number of views.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CalibrationByViews {
    /// How many.
    pub views: usize,
    /// Mean σ over people and the active dimensions.
    pub sigma: f64,
    /// Root mean square error of the probe over lengths and widths, in units of their spread among
    /// the training people.
    pub error: f64,
    /// σ over that of one view.
    pub sigma_ratio: f64,
    /// The error over that of one view.
    pub error_ratio: f64,
    /// How far two halves of a person's views are apart, squared, over what their posteriors
    /// expect: 1 if σ is honest, above if the model is too sure.
    pub disagreement: Option<f64>,
}

/// What copies of one view do to σ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Copies {
    /// How many copies.
    pub views: usize,
    /// Mean σ over active dimensions from one view.
    pub sigma_one: f64,
    /// From copies of it.
    pub sigma_copies: f64,
    /// From as many different views.
    pub sigma_views: f64,
    /// (σ one − σ copies)/(σ one − σ views): 0 if copies add nothing, 1 if they count as views.
    /// Null if views add nothing.
    pub narrowing: Option<f64>,
}

/// Which dimensions are active, of these means; all if none is.
pub fn active<'a>(means: impl Iterator<Item = &'a [f32]> + Clone) -> Vec<bool> {
    let count = means.clone().count().max(1) as f64;
    let width = means.clone().next().map_or(0, <[f32]>::len);
    let (mut mean, mut variance) = (vec![0.0; width], vec![0.0; width]);
    for row in means.clone() {
        for (sum, &value) in mean.iter_mut().zip(row) {
            *sum += f64::from(value) / count;
        }
    }
    for row in means {
        for ((sum, mean), &value) in variance.iter_mut().zip(&mean).zip(row) {
            *sum += (f64::from(value) - mean).powi(2) / count;
        }
    }
    let active: Vec<bool> = variance.iter().map(|&variance| variance > ACTIVE).collect();
    if active.contains(&true) { active } else { vec![true; width] }
}

/// The mean over people of their mean σ in the dimensions marked.
pub fn mean_sigma<'a>(people: impl Iterator<Item = &'a Gaussian>, dimensions: &[bool]) -> f64 {
    let (sum, count) = people.fold((0.0, 0.0), |(sum, count), gaussian| {
        (sum + gaussian.sigma(|dimension| dimensions[dimension]), count + 1.0)
    });
    sum / count
}

/// [`CalibrationByViews::disagreement`] of pairs of posteriors of the same people.
///
/// If c ~ N(0, 1) and both posteriors are honest, E(mₐ − m_b)² = 1/a + 1/b − 2/(ab), for each mean
/// is the truth with an error of variance 1/a of which the prior's pull, the same in both, is a
/// part. `None` if both say nothing.
pub fn disagreement<'a>(
    pairs: impl Iterator<Item = (&'a Gaussian, &'a Gaussian)>,
    dimensions: &[bool],
) -> Option<f64> {
    let (mut found, mut expected) = (0.0, 0.0);
    for (a, b) in pairs {
        for dimension in (0..dimensions.len()).filter(|&dimension| dimensions[dimension]) {
            let precision = |gaussian: &Gaussian| f64::from(gaussian.precision[dimension]).max(1.0);
            let (of_a, of_b) = (precision(a), precision(b));
            found += f64::from(a.mean[dimension] - b.mean[dimension]).powi(2);
            expected += 1.0 / of_a + 1.0 / of_b - 2.0 / (of_a * of_b);
        }
    }
    (expected > 0.0).then(|| found / expected)
}

/// [`Copies`] from the three mean σ.
pub fn copies(views: usize, sigma_one: f64, sigma_copies: f64, sigma_views: f64) -> Copies {
    let narrower = sigma_one - sigma_views;
    let narrowing = (narrower > 0.0).then(|| (sigma_one - sigma_copies) / narrower);
    Copies { views, sigma_one, sigma_copies, sigma_views, narrowing }
}

/// Spearman's rank correlation, equals sharing the mean of their ranks; `None` if one side is all
/// one value.
pub fn spearman(a: &[f64], b: &[f64]) -> Option<f64> {
    let (a, b) = (midranks(a), midranks(b));
    let mean = (a.len() as f64 + 1.0) / 2.0;
    let product = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| (x - mean) * (y - mean)).sum::<f64>();
    let spread = (product(&a, &a) * product(&b, &b)).sqrt();
    (spread > 0.0).then(|| product(&a, &b) / spread)
}

fn midranks(values: &[f64]) -> Vec<f64> {
    let rank = |value: &f64| {
        let below = values.iter().filter(|other| *other < value).count();
        let equal = values.iter().filter(|other| *other == value).count();
        below as f64 + (equal as f64 + 1.0) / 2.0
    };
    values.iter().map(rank).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn spearman_is_that_of_scipy() {
        // scipy.stats.spearmanr([1, 2, 2, 4, 9], [5, 6, 7, 8, 7]).statistic
        let found = spearman(&[1.0, 2.0, 2.0, 4.0, 9.0], &[5.0, 6.0, 7.0, 8.0, 7.0]).unwrap();
        assert!((found - SPEARMAN).abs() < 1e-12, "{found}");
        assert_eq!(spearman(&[1.0, 1.0], &[2.0, 3.0]), None);
    }
    const SPEARMAN: f64 = 0.763_157_894_736_842_1;

    #[test]
    fn copies_that_count_as_views_narrow_fully_and_those_that_do_not_not_at_all() {
        assert_eq!(copies(8, 0.5, 0.25, 0.25).narrowing, Some(1.0));
        assert_eq!(copies(8, 0.5, 0.5, 0.25).narrowing, Some(0.0));
        assert_eq!(copies(8, 0.5, 0.5, 0.5).narrowing, None);
    }

    #[test]
    fn honest_posteriors_disagree_as_much_as_they_expect() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        // twelve uniform draws make a bell curve of variance 1
        let mut normal = || (0..12).map(|_| rng.random_range(-0.5..0.5f64)).sum::<f64>();
        let (mut honest, mut boastful) = (Vec::new(), Vec::new());
        for _ in 0..4000 {
            let truth = normal();
            let mut posterior = |evidence: f64| {
                let seen = truth + normal() / evidence.sqrt();
                (evidence * seen / (1.0 + evidence), 1.0 + evidence)
            };
            let (a, b) = (posterior(3.0), posterior(8.0));
            let gaussian = |(mean, precision): (f64, f64), factor: f64| Gaussian {
                mean: vec![mean as f32],
                precision: vec![(precision * factor) as f32],
            };
            honest.push((gaussian(a, 1.0), gaussian(b, 1.0)));
            boastful.push((gaussian(a, 4.0), gaussian(b, 4.0)));
        }
        let of = |pairs: &[(Gaussian, Gaussian)]| {
            disagreement(pairs.iter().map(|(a, b)| (a, b)), &[true]).unwrap()
        };
        assert!((of(&honest) - 1.0).abs() < 0.07, "{}", of(&honest));
        assert!(of(&boastful) > 2.5);
    }

    #[test]
    fn dimensions_without_differences_are_not_active() {
        let means = [vec![0.0f32, 1.0, 0.01], vec![0.0, -1.0, -0.01]];
        assert_eq!(active(means.iter().map(Vec::as_slice)), [false, true, false]);
        assert_eq!(active([vec![0.0f32; 2]].iter().map(Vec::as_slice)), [true, true]);
    }
}
