//! What is known of people's bodies, as a training compares it.

/// The measures of people, each less its mean over its deviation among them.
#[derive(Clone, Debug, PartialEq)]
pub struct Measures {
    /// By person, in the order of [`People::people`](super::People::people).
    pub of_people: Vec<Vec<f32>>,
}

impl Measures {
    /// From measures in any units, person by person, as many of each.
    pub fn standardised(mut of_people: Vec<Vec<f32>>) -> Self {
        /// Below this, of a measure's mean, all people are the same.
        const LEAST: f32 = 1e-6;
        let people = of_people.len().max(1) as f32;
        for measure in 0..of_people.first().map_or(0, Vec::len) {
            let mean = of_people.iter().map(|of| of[measure]).sum::<f32>() / people;
            let variance = of_people.iter().map(|of| (of[measure] - mean).powi(2)).sum::<f32>() / people;
            let deviation = variance.sqrt();
            for of in &mut of_people {
                let is_same = deviation <= LEAST * mean.abs();
                of[measure] = if is_same { 0.0 } else { (of[measure] - mean) / deviation };
            }
        }
        Self { of_people }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_measure_has_mean_0_and_deviation_1_and_what_all_share_is_0() {
        let measures = Measures::standardised(vec![vec![1.0, 0.042], vec![3.0, 0.042]]);
        assert_eq!(measures.of_people, [[-1.0, 0.0], [1.0, 0.0]]);
        assert!(Measures::standardised(Vec::new()).of_people.is_empty());
    }
}
