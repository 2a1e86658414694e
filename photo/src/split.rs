//! Train, validation or test: by identity, from the identity's name, so that a person is never on two sides and
//! no split changes when photos or identities are added.

use serde::{Deserialize, Serialize};

use crate::Digest;

/// The side of the dataset that an identity is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// Weights are fitted on it.
    Train,
    /// Settings are chosen on it.
    Validation,
    /// Figures are reported on it.
    Test,
}

/// Of 100 identities, how many are for validation and for testing: 80/10/10 is the usual share.
const VALIDATION_PERCENT: u64 = 10;
const TEST_PERCENT: u64 = 10;

impl Split {
    /// The side of `identity` (`site/slug`).
    pub fn of(identity: &str) -> Self {
        let digest = Digest::of(identity);
        let head = digest.as_bytes()[..8].try_into().expect("a digest has 32 bytes");
        match u64::from_be_bytes(head) % 100 {
            percent if percent < TEST_PERCENT => Self::Test,
            percent if percent < TEST_PERCENT + VALIDATION_PERCENT => Self::Validation,
            _ => Self::Train,
        }
    }

    /// `train`, `validation` or `test`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_identities_about_80_10_10_percent_fall_on_each_side() {
        let mut counts = [0_i32; 3];
        for i in 0..10_000 {
            counts[Split::of(&format!("demo/person-{i}")) as usize] += 1;
        }
        for (count, expected) in counts.into_iter().zip([8_000, 1_000, 1_000]) {
            // five standard deviations of a binomial with p = 0.1 and n = 10,000 are 150
            assert!((count - expected).abs() < 200, "{counts:?}");
        }
    }
}
