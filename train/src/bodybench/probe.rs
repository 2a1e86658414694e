//! The linear probe: ridge regression from features to measures, and R².

use rayon::prelude::*;

use super::cholesky::inverse_factor;
use super::error::BenchError;
use super::matrix::Matrix;
use super::standardise::Scaler;

/// A ridge regression of several targets on standardised features, with an intercept that is not
/// penalised.
#[derive(Clone, Debug)]
pub struct Ridge {
    scaler: Scaler,
    /// `[targets, features]`, in units of the standardised features.
    weights: Matrix,
    intercept: Vec<f64>,
    lambda: Vec<f64>,
    leave_one_out: Vec<Option<f64>>,
}

/// What one penalty makes of all targets.
struct Solution {
    weights: Matrix,
    /// Per target, the sum of squares of the errors on the person left out.
    errors: Vec<f64>,
}

impl Ridge {
    /// Fits `y` `[people, targets]` on `x` `[people, features]`, minimising Σ(y − ŷ)² + λ‖β‖².
    ///
    /// Each target gets the λ of `grid` with the smallest error on people left out one at a time,
    /// of equals the largest. That error is exact in closed form, eᵢ/(1 − hᵢᵢ) with the hat matrix
    /// H (Allen, 1974, "PRESS"); only the standardisation has seen the person, and it has not seen
    /// the target. Solved in the primal or in the dual, whichever has fewer unknowns; costs about
    /// 2·people·features² per λ, on all cores.
    ///
    /// # Errors
    /// A λ at which the system is singular.
    ///
    /// # Panics
    /// If `x` and `y` have different numbers of people, or the grid is empty.
    pub fn fit(x: &Matrix, y: &Matrix, grid: &[f64]) -> Result<Self, BenchError> {
        assert_eq!(x.rows(), y.rows(), "people of features and of targets");
        assert!(!grid.is_empty(), "a ridge needs a penalty");
        let scaler = Scaler::fit(x);
        let x = scaler.apply(x);
        let intercept = column_means(y);
        let centred = Matrix::from_rows(
            y.iter().map(|row| row.iter().zip(&intercept).map(|(y, mean)| y - mean).collect::<Vec<f64>>()),
        );
        let mut grid = grid.to_vec();
        grid.sort_by(|a, b| b.total_cmp(a));
        let solutions = if x.cols() <= x.rows() {
            let gram = x.transposed_times(&x)?;
            let moments = centred.transposed_times(&x)?;
            let solve = |&lambda: &f64| primal(&x, &centred, &gram, &moments, lambda);
            grid.par_iter().map(solve).collect::<Result<Vec<_>, _>>()?
        } else {
            let gram = x.times_transposed(&x)?;
            let targets = centred.transposed();
            let solve = |&lambda: &f64| dual(&x, &targets, &gram, lambda);
            grid.par_iter().map(solve).collect::<Result<Vec<_>, _>>()?
        };
        let targets = y.cols();
        let best: Vec<usize> = (0..targets)
            .map(|t| {
                (1..grid.len()).fold(0, |best, i| {
                    if solutions[i].errors[t] < solutions[best].errors[t] { i } else { best }
                })
            })
            .collect();
        let weights = Matrix::from_rows((0..targets).map(|t| solutions[best[t]].weights.row(t)));
        let leave_one_out = (0..targets).map(|t| {
            let total: f64 = centred.iter().map(|row| row[t] * row[t]).sum();
            (total > 0.0).then(|| 1.0 - solutions[best[t]].errors[t] / total)
        });
        Ok(Self {
            leave_one_out: leave_one_out.collect(),
            lambda: best.iter().map(|&i| grid[i]).collect(),
            scaler,
            weights,
            intercept,
        })
    }

    /// The targets of the rows of `x`, `[people, targets]`.
    ///
    /// # Errors
    /// None but those of the tensor library.
    ///
    /// # Panics
    /// If `x` has another number of features than the probe was fitted on.
    pub fn predict(&self, x: &Matrix) -> Result<Matrix, BenchError> {
        let mut predicted = self.scaler.apply(x).times_transposed(&self.weights)?;
        for i in 0..predicted.rows() {
            for (value, mean) in predicted.row_mut(i).iter_mut().zip(&self.intercept) {
                *value += mean;
            }
        }
        Ok(predicted)
    }

    /// The penalty that each target got.
    pub fn lambda(&self) -> &[f64] {
        &self.lambda
    }

    /// Each target's R² on the training people, each predicted by a probe that has not seen them;
    /// `None` where the target is the same in everybody.
    pub fn leave_one_out(&self) -> &[Option<f64>] {
        &self.leave_one_out
    }
}

/// Penalties from a ten-thousandth of the number of people to a hundred times it: from hardly any
/// to one under which nothing but the mean is left. The features being standardised, their squares
/// sum up to the number of people.
pub fn lambda_grid(people: usize) -> Vec<f64> {
    (-8..=4).map(|half| people as f64 * 10f64.powf(f64::from(half) / 2.0)).collect()
}

/// 1 − Σ(y − ŷ)²/Σ(y − ȳ)², ȳ being the mean of `y` itself; below 0 if the mean would have been the
/// better guess. `None` if all of `y` is one value.
pub fn r2(y: &[f64], predicted: &[f64]) -> Option<f64> {
    let mean = y.iter().sum::<f64>() / y.len().max(1) as f64;
    let total: f64 = y.iter().map(|y| (y - mean).powi(2)).sum();
    let residual: f64 = y.iter().zip(predicted).map(|(y, p)| (y - p).powi(2)).sum();
    (total > 0.0).then(|| 1.0 - residual / total)
}

/// With fewer features than people. β = (XᵀX + λI)⁻¹Xᵀy through Z = XWᵀ, W the inverse factor: H =
/// ZZᵀ + 1/n.
fn primal(
    x: &Matrix,
    y: &Matrix,
    gram: &Matrix,
    moments: &Matrix,
    lambda: f64,
) -> Result<Solution, BenchError> {
    let w = inverse_factor(gram, lambda).ok_or(BenchError::Singular { lambda, size: gram.rows() })?;
    let z = x.times_transposed(&w)?;
    let u = moments.times_transposed(&w)?;
    let fitted = z.times_transposed(&u)?;
    let of_intercept = 1.0 / x.rows() as f64;
    let mut errors = vec![0.0; y.cols()];
    for ((z, y), fitted) in z.iter().zip(y.iter()).zip(fitted.iter()) {
        let free = 1.0 - of_intercept - z.iter().map(|z| z * z).sum::<f64>();
        for (error, (y, fitted)) in errors.iter_mut().zip(y.iter().zip(fitted)) {
            *error += ((y - fitted) / free).powi(2);
        }
    }
    Ok(Solution { weights: u.times(&w)?, errors })
}

/// With fewer people than features. α = (XXᵀ + λI)⁻¹y, β = Xᵀα; the residuals are λα, and 1 − hᵢᵢ =
/// λ·Cᵢᵢ − 1/n with C the inverse.
fn dual(x: &Matrix, targets: &Matrix, gram: &Matrix, lambda: f64) -> Result<Solution, BenchError> {
    let w = inverse_factor(gram, lambda).ok_or(BenchError::Singular { lambda, size: gram.rows() })?;
    let alpha = targets.times_transposed(&w)?.times(&w)?;
    let mut diagonal = vec![0.0; x.rows()];
    for row in w.iter() {
        for (sum, w) in diagonal.iter_mut().zip(row) {
            *sum += w * w;
        }
    }
    let of_intercept = 1.0 / x.rows() as f64;
    let of_target = |alpha: &[f64]| {
        alpha.iter().zip(&diagonal).map(|(a, c)| (lambda * a / (lambda * c - of_intercept)).powi(2)).sum()
    };
    Ok(Solution { errors: alpha.iter().map(of_target).collect(), weights: alpha.times(x)? })
}

fn column_means(y: &Matrix) -> Vec<f64> {
    let mut means = vec![0.0; y.cols()];
    for row in y.iter() {
        for (mean, y) in means.iter_mut().zip(row) {
            *mean += y;
        }
    }
    means.iter().map(|sum| sum / y.rows().max(1) as f64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Features `[people, d]` and two targets; the first three are enough to explain most of the
    /// first.
    fn data(people: usize, d: usize) -> (Matrix, Matrix) {
        let x = Matrix::from_rows((0..people).map(|i| {
            let feature = |j: usize| {
                let (i, j) = (i as f64, j as f64);
                (1.7 * i + 0.9 * j * j + 0.3 * i * j).sin() + 0.1 * j
            };
            (0..d).map(feature).collect::<Vec<f64>>()
        }));
        let y = Matrix::from_rows(x.iter().enumerate().map(|(i, row)| {
            let i = i as f64;
            [row[0] - 2.0 * row[1] + 0.5 * (3.1 * i).cos(), (2.3 * i).cos() + 10.0]
        }));
        (x, y)
    }

    /// From scikit-learn 1.9: `Ridge(alpha)` behind a `StandardScaler`, on three further people;
    /// and R² of people left out one at a time by fitting anew without each.
    #[test]
    fn ridge_and_leaving_one_out_are_those_of_scikit_learn() {
        let cases = [
            (
                12,
                3,
                0.5,
                [[1.139532216781, 10.011302834315], [-1.987875588758, 9.041432587154]],
                [0.86383104, 0.09964823],
            ),
            (
                12,
                3,
                7.0,
                [[0.852884220218, 10.106388506654], [-1.411096682043, 9.486665166185]],
                [0.73856448, 0.0619067],
            ),
            (
                5,
                8,
                0.5,
                [[2.194612998557, 10.252324920836], [-2.300049694917, 9.764331522913]],
                [-0.14225743, 0.10697274],
            ),
            (
                5,
                8,
                7.0,
                [[0.648166765089, 9.804488822742], [-1.353396324873, 10.130681913907]],
                [-0.25549723, -0.25699697],
            ),
        ];
        for (people, d, lambda, predicted, left_out) in cases {
            let (x, y) = data(people, d);
            let probe = Ridge::fit(&x, &y, &[lambda]).unwrap();
            let others =
                Matrix::from_rows((people..people + 2).map(|i| data(people + 2, d).0.row(i).to_vec()));
            let found = probe.predict(&others).unwrap();
            for (found, expected) in found.iter().zip(predicted) {
                assert!(
                    found.iter().zip(expected).all(|(f, e)| (f - e).abs() < 1e-9),
                    "{found:?}, {expected:?}"
                );
            }
            for (found, expected) in probe.leave_one_out().iter().zip(left_out) {
                assert!((found.unwrap() - expected).abs() < 1e-7, "{found:?}, {expected}");
            }
        }
    }

    #[test]
    fn each_target_gets_the_penalty_with_the_smallest_error_left_out() {
        let (x, y) = data(12, 3);
        let probe = Ridge::fit(&x, &y, &[7.0, 0.5]).unwrap();
        assert_eq!(probe.lambda(), [0.5, 0.5]);
        let noise = Matrix::from_rows((0..12).map(|i| [f64::from(i * i % 11)]));
        let grid = lambda_grid(12);
        assert_eq!(Ridge::fit(&x, &noise, &grid).unwrap().lambda(), [grid[12]]);
    }

    #[test]
    fn the_probe_is_the_same_to_the_bit_on_any_number_of_threads() {
        let (x, y) = data(300, 70);
        let on = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| Ridge::fit(&x, &y, &lambda_grid(300)).unwrap().predict(&x).unwrap())
        };
        assert_eq!(on(1), on(3));
    }

    #[test]
    fn r2_is_that_of_scikit_learn() {
        let found = r2(&[3.0, -0.5, 2.0, 7.0], &[2.5, 0.0, 2.0, 8.0]).unwrap();
        assert!((found - 0.9486081370449679).abs() < 1e-15);
        assert_eq!(r2(&[1.0, 1.0], &[1.0, 2.0]), None);
    }

    #[test]
    fn features_that_repeat_each_other_need_a_penalty() {
        let x = Matrix::from_rows((0..6).map(|i| [f64::from(i), f64::from(i)]));
        let y = Matrix::from_rows((0..6).map(|i| [f64::from(i)]));
        let error = Ridge::fit(&x, &y, &[0.0]).unwrap_err().to_string();
        assert!(error.contains("penalty 0"), "{error}");
        assert!(Ridge::fit(&x, &y, &[1e-3]).is_ok());
    }
}
