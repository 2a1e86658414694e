//! Whether the photos most like a generated body are those of its person.
//!
//! [`bodybench::retrieval`](crate::bodybench::retrieval) ranks people with one reading each, in the same order on both
//! sides; here both sides are pictures, as many of each person as there are.

use super::error::EvaluationError;

/// How alike each query is to each picture of a gallery.
#[derive(Clone, Copy, Debug)]
pub struct Similarities<'a> {
    queries: &'a [usize],
    gallery: &'a [usize],
    values: &'a [f64],
}

/// Retrieval@1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FirstPlaces {
    /// The share of queries whose most similar picture shows their person.
    pub share: f64,
    /// Queries whose person is in the gallery, of which that is the share.
    pub queries: usize,
}

/// How many pairs of one person are accepted where few pairs of two people are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrueAccepts {
    /// The share of pairs of one person above the threshold: TAR.
    pub share: f64,
    /// The share of pairs of two people above the threshold: FAR, at most what was asked for. Of fewer than 1/FAR
    /// pairs none may pass.
    pub false_share: f64,
    /// The similarity that accepted pairs are above.
    pub threshold: f64,
    /// Pairs of one person.
    pub genuine: usize,
    /// Pairs of two people.
    pub impostors: usize,
}

impl<'a> Similarities<'a> {
    /// From whom the queries are meant to show, whom the pictures of the gallery show, and `values`
    /// `[queries, gallery]`, row after row; higher is more alike.
    ///
    /// # Errors
    /// Where a side is empty, the number of values is another, or one is NaN or infinite.
    pub fn new(
        queries: &'a [usize],
        gallery: &'a [usize],
        values: &'a [f64],
    ) -> Result<Self, EvaluationError> {
        EvaluationError::at_least("queries", queries.len(), 1)?;
        EvaluationError::at_least("pictures of a gallery", gallery.len(), 1)?;
        EvaluationError::exactly("similarities", values.len(), queries.len() * gallery.len())?;
        EvaluationError::finite("similarities", gallery.len(), values)?;
        Ok(Self { queries, gallery, values })
    }

    /// The share of queries that are most like a picture of their own person; a tie with another person counts as
    /// wrong. `None` where the gallery shows nobody of the queries.
    pub fn first_places(&self) -> Option<FirstPlaces> {
        let best = |row: &[f64], is_own: &dyn Fn(usize) -> bool| {
            let of_those = row.iter().zip(self.gallery).filter(|&(_, &person)| is_own(person));
            of_those.map(|(&value, _)| value).fold(f64::NEG_INFINITY, f64::max)
        };
        let is_first: Vec<bool> = self
            .rows()
            .filter(|(query, _)| self.gallery.contains(query))
            .map(|(query, row)| best(row, &|person| person == query) > best(row, &|person| person != query))
            .collect();
        let first = is_first.iter().filter(|&&first| first).count();
        let queries = is_first.len();
        (queries > 0).then(|| FirstPlaces { share: first as f64 / queries as f64, queries })
    }

    /// The share of pairs of one person that are accepted where at most `far` of the pairs of two people are, such as
    /// 0.01. `None` without pairs of either kind.
    ///
    /// # Errors
    /// Where `far` is not in 0..1.
    pub fn true_accepts(&self, far: f64) -> Result<Option<TrueAccepts>, EvaluationError> {
        if !(0.0..1.0).contains(&far) {
            let expected = "a share from 0 to below 1";
            return Err(EvaluationError::OutOfRange {
                what: "the rate of false accepts",
                value: far,
                expected,
            });
        }
        let (mut genuine, mut impostors) = (Vec::new(), Vec::new());
        for (query, row) in self.rows() {
            for (&value, &person) in row.iter().zip(self.gallery) {
                if person == query { genuine.push(value) } else { impostors.push(value) }
            }
        }
        impostors.sort_by(|a, b| b.total_cmp(a));
        // 0.29 · 100 is 28.999…96
        let allowed = (far * impostors.len() as f64 + 1e-9) as usize;
        let Some(&threshold) = impostors.get(allowed) else {
            return Ok(None);
        };
        let share = |values: &[f64]| {
            values.iter().filter(|&&value| value > threshold).count() as f64 / values.len() as f64
        };
        Ok((!genuine.is_empty()).then(|| TrueAccepts {
            share: share(&genuine),
            false_share: share(&impostors),
            threshold,
            genuine: genuine.len(),
            impostors: impostors.len(),
        }))
    }

    fn rows(&self) -> impl Iterator<Item = (usize, &[f64])> {
        self.queries.iter().copied().zip(self.values.chunks_exact(self.gallery.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_similar_picture_decides_and_a_tie_counts_as_wrong() {
        let values = [
            0.1, 0.9, 0.8, // one of its own two
            0.3, 0.9, 0.4, // somebody else
            0.7, 0.2, 0.7, // as like somebody else
            0.9, 0.1, 0.2, // not in the gallery
        ];
        let found = Similarities::new(&[5, 8, 8, 9], &[5, 5, 8], &values).unwrap().first_places().unwrap();
        assert_eq!(found, FirstPlaces { share: 1.0 / 3.0, queries: 3 });
        assert_eq!(Similarities::new(&[9], &[5, 5, 8], &values[..3]).unwrap().first_places(), None);
        // nobody else is there to be taken for
        let alone = Similarities::new(&[5], &[5], &[-3.0]).unwrap().first_places().unwrap();
        assert_eq!(alone, FirstPlaces { share: 1.0, queries: 1 });
    }

    /// Ten people: 100 pairs, 10 of one person at 0.504, 0.554, …, 90 of two people at 0.00, 0.01, …
    fn pairs() -> (Vec<usize>, Vec<f64>) {
        let value = |pair: usize| {
            let (query, other) = (pair / 10, pair % 10);
            if query == other {
                0.504 + 0.05 * query as f64
            } else {
                0.01 * (pair - query - usize::from(other > query)) as f64
            }
        };
        ((0..10).collect(), (0..100).map(value).collect())
    }

    #[test]
    fn the_threshold_lets_no_more_pairs_of_two_people_through_than_asked() {
        let (people, values) = pairs();
        let similarities = Similarities::new(&people, &people, &values).unwrap();
        // 9 of 90 are above the tenth highest, 0.80, and 4 of 10 from 0.804
        let found = similarities.true_accepts(0.1).unwrap().unwrap();
        assert!((found.threshold - 0.80).abs() < 1e-12, "{found:?}");
        assert!((found.share - 0.4).abs() < 1e-12 && (found.false_share - 0.1).abs() < 1e-12, "{found:?}");
        assert_eq!((found.genuine, found.impostors), (10, 90));
        // 1 % of 90 is none: 0.904 and 0.954 are above the highest, 0.89
        let strict = similarities.true_accepts(0.01).unwrap().unwrap();
        assert!((strict.share - 0.2).abs() < 1e-12 && strict.false_share == 0.0, "{strict:?}");
    }

    #[test]
    fn similarities_that_are_all_alike_accept_nobody() {
        let found = Similarities::new(&[0, 1], &[0, 1], &[0.4; 4]).unwrap();
        assert_eq!(found.first_places().unwrap().share, 0.0);
        let accepted = found.true_accepts(0.5).unwrap().unwrap();
        assert_eq!((accepted.share, accepted.false_share), (0.0, 0.0));
    }

    #[test]
    fn without_pairs_of_a_kind_there_is_no_rate() {
        assert_eq!(Similarities::new(&[0], &[0, 0], &[0.1, 0.2]).unwrap().true_accepts(0.01).unwrap(), None);
        assert_eq!(Similarities::new(&[1], &[0, 0], &[0.1, 0.2]).unwrap().true_accepts(0.01).unwrap(), None);
    }

    #[test]
    fn empty_sides_and_numbers_that_are_none_are_refused() {
        let refused = |queries: &[usize], gallery: &[usize], values: &[f64]| {
            Similarities::new(queries, gallery, values).unwrap_err().to_string()
        };
        assert_eq!(refused(&[], &[1], &[]), "queries: 0 given, at least 1 needed");
        assert_eq!(refused(&[1], &[], &[]), "pictures of a gallery: 0 given, at least 1 needed");
        assert_eq!(refused(&[1], &[1], &[0.1, 0.2]), "similarities: 2 given, 1 expected");
        let nan = refused(&[1, 2], &[1], &[0.1, f64::NAN]);
        assert_eq!(nan, "similarities: row 1 holds NaN; finite numbers were expected");
        let one = Similarities::new(&[1], &[1], &[0.1]).unwrap();
        for far in [-0.1, 1.0, f64::NAN] {
            assert!(matches!(one.true_accepts(far), Err(EvaluationError::OutOfRange { .. })), "{far}");
        }
    }
}
