//! Whose photos a body that was read off pictures is most like.

use anyhow::Result;
use train::bodybench::bootstrap::widen_certainty;
use train::bodybench::input::Gaussian;
use train::bodybench::scores::evidence_scores;
use train::evaluation::Similarities;

use super::figures::{Figure, Worst};
use super::readings::Readings;

/// The share of strangers who are accepted.
const FAR: f64 = 0.01;

/// What was read of everybody.
pub fn bodies(of: &[Readings]) -> Vec<Option<Gaussian>> {
    of.iter().map(|one| one.seen.body.clone()).collect()
}

/// Those of whom something is seen on either side, who they are, and how alike each two are.
fn similarities(
    queries: &[Option<Gaussian>],
    gallery: &[Option<Gaussian>],
) -> (Vec<usize>, Vec<usize>, Vec<f64>) {
    let seen = |of: &[Option<Gaussian>]| -> (Vec<usize>, Vec<Gaussian>) {
        of.iter().enumerate().filter_map(|(who, body)| Some((who, body.clone()?))).unzip()
    };
    let ((of_queries, queries), (of_gallery, gallery)) = (seen(queries), seen(gallery));
    let scores = evidence_scores(&queries, &gallery);
    (of_queries, of_gallery, scores.iter().flatten().copied().collect())
}

/// How often a body finds its person; those in whose pictures nobody is seen are not found.
pub fn retrieval(queries: &[Option<Gaussian>], gallery: &[Option<Gaussian>]) -> Result<Figure> {
    Ok(share_of(&first_places(queries, gallery)?))
}

/// Whether each body finds its person: 1 or 0.
pub fn first_places(queries: &[Option<Gaussian>], gallery: &[Option<Gaussian>]) -> Result<Vec<Option<f64>>> {
    let people = queries.len();
    let (asked, there, values) = similarities(queries, gallery);
    let mut first = vec![Some(0.0); people];
    for (row, who) in asked.iter().enumerate() {
        let row = &values[row * there.len()..][..there.len()];
        let found = Similarities::new(std::slice::from_ref(who), &there, row)?.first_places();
        first[*who] = Some(found.map_or(0.0, |found| found.share));
    }
    Ok(first)
}

/// The share of those who are found.
pub fn share_of(first: &[Option<f64>]) -> Figure {
    let mut figure = Figure::over(first, Worst::Low);
    if let (Some(share), Some(low), Some(high)) = (figure.value, figure.low, figure.high) {
        let [low, high] = widen_certainty([low, high], share, first.len());
        (figure.low, figure.high, figure.worst_tenth) = (Some(low), Some(high), None);
    }
    figure
}

/// The share of people accepted where [`FAR`] of strangers are.
pub fn accepted(queries: &[Option<Gaussian>], gallery: &[Option<Gaussian>]) -> Result<Option<f64>> {
    let (asked, there, values) = similarities(queries, gallery);
    if asked.is_empty() || there.is_empty() {
        return Ok(None);
    }
    let found = Similarities::new(&asked, &there, &values)?.true_accepts(FAR)?;
    Ok(found.map(|found| found.share))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_not_seen_is_not_found() {
        let body = |at: f32| Some(Gaussian { mean: vec![at, -at], precision: vec![9.0, 9.0] });
        let gallery = [body(2.0), body(-2.0), body(0.1)];
        let queries = [body(1.9), None, body(-2.1)];
        let figure = retrieval(&queries, &gallery).expect("figures");
        assert_eq!((figure.value, figure.people), (Some(1.0 / 3.0), 3));
        assert_eq!(retrieval(&[None, None], &gallery[..2]).expect("figures").value, Some(0.0));
        assert_eq!(accepted(&[None], &gallery[..1]).expect("figures"), None);
    }
}
