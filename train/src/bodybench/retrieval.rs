//! Who is found first.

use super::matrix::Matrix;

/// The place at which `person` finds themself among `gallery`, from 1.
///
/// `scores` is `[queries, gallery]`, higher is more alike, and one person has the same index in
/// both. Equals stand before, and so does everybody if a score is NaN: a reading that cannot tell
/// people apart finds nobody.
pub fn rank(scores: &Matrix, person: usize, gallery: &[usize]) -> usize {
    let row = scores.row(person);
    let own = row[person];
    1 + gallery
        .iter()
        .filter(|&&other| other != person && (row[other].is_nan() || own.is_nan() || row[other] >= own))
        .count()
}

/// Everybody's place among all.
pub fn ranks(scores: &Matrix) -> Vec<usize> {
    let all: Vec<usize> = (0..scores.rows()).collect();
    all.iter().map(|&person| rank(scores, person, &all)).collect()
}

/// Everybody's place among their twins; each of `families` lists its members. In the families'
/// order.
pub fn family_ranks(scores: &Matrix, families: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let family = |members: &Vec<usize>| members.iter().map(|&person| rank(scores, person, members)).collect();
    families.iter().map(family).collect()
}

/// The share of first places: retrieval@1.
pub fn share_first(ranks: &[usize]) -> f64 {
    ranks.iter().filter(|&&rank| rank == 1).count() as f64 / ranks.len().max(1) as f64
}

/// The members of each family, by the families' numbers in ascending order.
pub fn families(of_person: &[usize]) -> Vec<Vec<usize>> {
    let mut members = std::collections::BTreeMap::<usize, Vec<usize>>::new();
    for (person, &family) in of_person.iter().enumerate() {
        members.entry(family).or_default().push(person);
    }
    members.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tie_counts_as_wrong() {
        let scores = Matrix::from_rows([[0.9, 0.1, 0.9], [0.0, 0.5, 0.4], [0.3, 0.2, 0.1]]);
        assert_eq!(ranks(&scores), [2, 1, 3]);
        assert!((share_first(&ranks(&scores)) - 1.0 / 3.0).abs() < 1e-15);
        let same = Matrix::new(3, 3, vec![1.0; 9]);
        assert_eq!(share_first(&ranks(&same)), 0.0);
    }

    #[test]
    fn nan_finds_nobody() {
        let scores = Matrix::from_rows([[f64::NAN, 0.0], [f64::NAN, 0.0]]);
        assert_eq!(ranks(&scores), [2, 2]);
    }

    #[test]
    fn twins_are_sought_in_their_family_only() {
        let scores = Matrix::from_rows([
            [0.5, 0.2, 0.9, 0.9],
            [0.6, 0.4, 0.9, 0.9],
            [0.9, 0.9, 0.7, 0.1],
            [0.9, 0.9, 0.0, 0.2],
        ]);
        assert_eq!(families(&[4, 4, 1, 1]), [vec![2, 3], vec![0, 1]]);
        assert_eq!(family_ranks(&scores, &families(&[4, 4, 1, 1])), [vec![1, 1], vec![1, 2]]);
        assert_eq!(share_first(&ranks(&scores)), 0.0);
    }
}
