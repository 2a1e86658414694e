//! Inception score: how sure a classifier is of each picture and how many classes all of them show (Salimans et al.,
//! arXiv:1606.03498).

use super::error::EvaluationError;
use super::features::Features;

/// The score over parts of the set, from 1 to the number of classes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InceptionScore {
    /// The mean.
    pub mean: f64,
    /// The deviation over the parts, √(Σ(x − mean)²/splits); 0 of one part.
    pub deviation: f64,
}

/// exp of the mean of KL(p(y|x) ‖ p(y)), on each of `splits` parts. `logits` are `[pictures, classes]` before the
/// softmax; part i has the rows i·N/splits to (i + 1)·N/splits, rounded down, so that the order of the rows matters.
///
/// # Errors
/// Where there is no part, or fewer rows than parts.
pub fn inception_score(logits: &Features, splits: usize) -> Result<InceptionScore, EvaluationError> {
    EvaluationError::at_least("splits of an Inception score", splits, 1)?;
    EvaluationError::at_least("rows of logits for as many splits", logits.rows(), splits)?;
    let rows = logits.rows();
    let scores: Vec<f64> =
        (0..splits).map(|i| score(logits, i * rows / splits..(i + 1) * rows / splits)).collect();
    let count = splits as f64;
    let mean = scores.iter().sum::<f64>() / count;
    let square: f64 = scores.iter().map(|score| (score - mean).powi(2)).sum();
    Ok(InceptionScore { mean, deviation: (square / count).sqrt() })
}

fn score(logits: &Features, rows: std::ops::Range<usize>) -> f64 {
    let count = rows.len() as f64;
    let rows: Vec<Vec<f64>> = rows.map(|row| log_softmax(logits.row(row))).collect();
    let mut mean = vec![0.0; logits.width()];
    for row in &rows {
        for (mean, log) in mean.iter_mut().zip(row) {
            *mean += log.exp() / count;
        }
    }
    (rows.iter().map(|row| diverge(row, &mean)).sum::<f64>() / count).exp()
}

fn diverge(row: &[f64], mean: &[f64]) -> f64 {
    // p·ln p goes to 0 with p, where ln of the mean may be −∞
    let term = |(log, mean): (&f64, &f64)| if log.exp() > 0.0 { log.exp() * (log - mean.ln()) } else { 0.0 };
    row.iter().zip(mean).map(term).sum()
}

/// Logarithms of the probabilities, without overflow.
fn log_softmax(logits: &[f64]) -> Vec<f64> {
    let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let total = logits.iter().map(|logit| (logit - largest).exp()).sum::<f64>().ln();
    logits.iter().map(|logit| logit - largest - total).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score_of(classes: usize, logits: &[f64], splits: usize) -> InceptionScore {
        inception_score(&Features::new(classes, logits).unwrap(), splits).unwrap()
    }

    #[test]
    fn the_score_is_that_of_scipy() {
        let logits = Features::patterned(11, 4, 0, 4.0);
        // for rows in (logits[i*11//splits:(i + 1)*11//splits] for i in range(splits)):
        //   log_p = scipy.special.log_softmax(rows, axis=1); p = exp(log_p); q = p.mean(0)
        //   scores.append(exp((p*(log_p - log(q))).sum(1).mean()))
        // scores.mean(), scores.std()
        let whole = inception_score(&logits, 1).unwrap();
        assert!((whole.mean - 1.3273335947882037).abs() < 1e-13 && whole.deviation == 0.0, "{whole:?}");
        let parts = inception_score(&logits, 3).unwrap();
        assert!((parts.mean - 1.3065486144770935).abs() < 1e-13, "{parts:?}");
        assert!((parts.deviation - 0.033894708107654124).abs() < 1e-13, "{parts:?}");
    }

    #[test]
    fn sure_pictures_of_all_classes_score_their_number_and_all_alike_score_one() {
        let sure = [1000.0, 0.0, 0.0, 0.0, 1000.0, 0.0, 0.0, 0.0, 1000.0];
        assert!((score_of(3, &sure, 1).mean - 3.0).abs() < 1e-12);
        assert!((score_of(3, &[2.0, -1.0, 0.5].repeat(5), 5).mean - 1.0).abs() < 1e-12);
        assert_eq!(score_of(1, &[7.0, -7.0], 1).mean, 1.0);
        // further apart than f64 reaches
        assert!((score_of(2, &[1.7e308, -1.7e308, -1.7e308, 1.7e308], 1).mean - 2.0).abs() < 1e-12);
    }

    #[test]
    fn more_parts_than_pictures_are_refused() {
        let logits = Features::patterned(4, 3, 0, 1.0);
        let refused = |splits| inception_score(&logits, splits).unwrap_err().to_string();
        assert_eq!(refused(5), "rows of logits for as many splits: 4 given, at least 5 needed");
        assert_eq!(refused(0), "splits of an Inception score: 0 given, at least 1 needed");
        assert!(inception_score(&logits, 4).is_ok());
    }
}
