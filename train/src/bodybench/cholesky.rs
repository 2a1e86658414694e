//! Symmetric positive definite systems.

use super::matrix::Matrix;

/// The inverse W of the Cholesky factor of `matrix + shift·I`, lower triangular: the inverse of the
/// whole is WᵀW.
///
/// `None` if that is not positive definite. Only the lower triangle of `matrix` is read. Costs ⅔
/// n³.
pub fn inverse_factor(matrix: &Matrix, shift: f64) -> Option<Matrix> {
    let factor = factor(matrix, shift)?;
    let n = factor.rows();
    let mut inverse = Matrix::new(n, n, vec![0.0; n * n]);
    // row i of W is (eᵢ − Σ lᵢₖ·wₖ) / lᵢᵢ over the rows k above it: whole rows, which are
    // contiguous
    let mut sum = vec![0.0; n];
    for i in 0..n {
        let of_factor = factor.row(i);
        sum[..=i].fill(0.0);
        for (k, &l) in of_factor[..i].iter().enumerate() {
            for (s, w) in sum[..=k].iter_mut().zip(&inverse.row(k)[..=k]) {
                *s -= l * w;
            }
        }
        sum[i] += 1.0;
        for (w, s) in inverse.row_mut(i)[..=i].iter_mut().zip(&sum) {
            *w = s / of_factor[i];
        }
    }
    Some(inverse)
}

/// The lower triangular L with LLᵀ = `matrix + shift·I`.
fn factor(matrix: &Matrix, shift: f64) -> Option<Matrix> {
    let n = matrix.rows();
    let mut factor = Matrix::new(n, n, vec![0.0; n * n]);
    let mut current = vec![0.0; n];
    for i in 0..n {
        current[..=i].copy_from_slice(&matrix.row(i)[..=i]);
        for j in 0..i {
            let above = factor.row(j);
            current[j] = (current[j] - dot(&current[..j], &above[..j])) / above[j];
        }
        let pivot = current[i] + shift - dot(&current[..i], &current[..i]);
        // what is left of a direction that the rows above explain is rounding, and would be taken
        // for signal
        if pivot.is_nan() || pivot <= f64::EPSILON * (matrix.row(i)[i] + shift) {
            return None;
        }
        current[i] = pivot.sqrt();
        factor.row_mut(i)[..=i].copy_from_slice(&current[..=i]);
    }
    Some(factor)
}

/// The sum of products, in eight parts so that the compiler may use vectors.
pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut parts = [0.0; 8];
    let (a8, b8) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f64 = a8.remainder().iter().zip(b8.remainder()).map(|(x, y)| x * y).sum();
    for (x, y) in a8.zip(b8) {
        for (part, (x, y)) in parts.iter_mut().zip(x.iter().zip(y)) {
            *part += x * y;
        }
    }
    parts.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inverse_factor_gives_the_inverse() {
        let matrix = Matrix::from_rows([[3.0, 1.0, 0.5], [1.0, 4.0, -1.0], [0.5, -1.0, 5.0]]);
        let w = inverse_factor(&matrix, 1.0).unwrap();
        let inverse = w.transposed_times(&w).unwrap();
        let shifted = Matrix::from_rows([[4.0, 1.0, 0.5], [1.0, 5.0, -1.0], [0.5, -1.0, 6.0]]);
        let product = inverse.times(&shifted).unwrap();
        for i in 0..3 {
            for j in 0..3 {
                assert!((product.row(i)[j] - f64::from(u8::from(i == j))).abs() < 1e-14);
            }
        }
    }

    #[test]
    fn a_singular_matrix_has_no_inverse() {
        let matrix = Matrix::from_rows([[1.0, 2.0], [2.0, 4.0]]);
        assert!(inverse_factor(&matrix, 0.0).is_none());
        assert!(inverse_factor(&matrix, 1e-3).is_some());
        assert!(inverse_factor(&matrix, f64::NAN).is_none());
    }
}
