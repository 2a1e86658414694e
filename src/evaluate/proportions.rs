//! How far two bodies are apart: limbs and widths together, each over what it varies by between photos of one person.

use super::readings::{BodyReading, mean};

/// For each proportion how much it varies between two sets of photos of one person; `None` where that is not known.
pub struct Spreads(Vec<Option<f64>>);

impl Spreads {
    /// From two sets of photos of each person.
    pub fn of(a: &[&BodyReading], b: &[&BodyReading]) -> Self {
        let count = a.first().map_or(0, |one| proportions(one).len());
        let of = |at: usize| {
            let pairs = a.iter().zip(b).filter_map(|(a, b)| Some(proportions(a)[at]? - proportions(b)[at]?));
            // Each of the two is off by as much: half of the square of their difference.
            mean(pairs.map(|apart| apart * apart / 2.0)).map(f64::sqrt).filter(|spread| *spread > 0.0)
        };
        Self((0..count).map(of).collect())
    }
}

fn proportions(of: &BodyReading) -> Vec<Option<f64>> {
    of.limbs.iter().chain(&of.widths).copied().collect()
}

/// The mean over the proportions that are known of both, in spreads; `None` where none is.
pub fn distance(a: &BodyReading, b: &BodyReading, spreads: &Spreads) -> Option<f64> {
    apart(&proportions(a), &proportions(b), &spreads.0)
}

fn apart(a: &[Option<f64>], b: &[Option<f64>], spreads: &[Option<f64>]) -> Option<f64> {
    let each = a.iter().zip(b).zip(spreads);
    mean(each.filter_map(|((a, b), spread)| Some(((*a)? - (*b)?).abs() / (*spread)?)))
}

#[cfg(test)]
mod tests {
    use super::apart;

    #[test]
    fn only_what_is_known_of_both_counts() {
        let spreads = [Some(0.1), Some(0.5), None, Some(1.0)];
        let a = [Some(1.0), Some(2.0), Some(3.0), None];
        let b = [Some(1.2), Some(1.0), Some(9.0), Some(4.0)];
        assert!((apart(&a, &b, &spreads).expect("two are known") - 2.0).abs() < 1e-12);
        assert_eq!(apart(&[None], &[Some(1.0)], &[Some(1.0)]), None);
    }
}
