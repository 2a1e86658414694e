//! A face as a direction in 512 dimensions, small enough to keep one for each of a million photos.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

/// How many numbers a face embedding has: the contract of ArcFace and its relatives.
pub const DIMENSIONS: usize = 512;

/// The largest number of a direction as it is kept.
const LARGEST: f32 = 127.0;

/// The direction that a network gives a face; its length says nothing. Serialised as base64 of a signed byte
/// for each number, the largest being ±127: 684 characters, with which a stored measurement still lies within
/// its row of SQLite's page (1002 bytes, beyond which it takes a page of its own). Cosines move by less than
/// 0.002.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Embedding(Box<[i8; DIMENSIONS]>);

/// A text that is no stored embedding.
#[derive(Debug, thiserror::Error)]
#[error("a face embedding is {DIMENSIONS} bytes in base64, but this text of {0} characters is not")]
pub struct ParseEmbeddingError(usize);

impl Embedding {
    /// The direction of what a network said; `None` where it has none: another length, no finite numbers, only zeros.
    pub fn of(values: &[f32]) -> Option<Self> {
        let largest = values.iter().fold(0.0, |largest: f32, value| largest.max(value.abs()));
        let is_usable = values.iter().all(|value| value.is_finite()) && largest > 0.0;
        if !is_usable || values.len() != DIMENSIONS {
            return None;
        }
        // Divided first: a factor for tiny numbers would not be finite.
        let kept = |index: usize| (values[index] / largest * LARGEST).round() as i8;
        Some(Self(Box::new(std::array::from_fn(kept))))
    }

    /// The numbers, of which only their ratios mean anything.
    pub fn numbers(&self) -> &[i8; DIMENSIONS] {
        &self.0
    }
}

impl std::fmt::Debug for Embedding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Embedding({})", String::from(self.clone()))
    }
}

impl From<Embedding> for String {
    fn from(embedding: Embedding) -> Self {
        STANDARD.encode(embedding.0.map(|number| number as u8))
    }
}

impl TryFrom<String> for Embedding {
    type Error = ParseEmbeddingError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let error = || ParseEmbeddingError(text.len());
        let mut bytes = [0; DIMENSIONS];
        let length = STANDARD.decode_slice(&text, &mut bytes).map_err(|_| error())?;
        if length != DIMENSIONS || bytes.iter().all(|&byte| byte == 0) {
            return Err(error());
        }
        Ok(Self(Box::new(bytes.map(|byte| byte as i8))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers in −1..1 that look random and are always the same.
    fn values(seed: u32) -> Vec<f32> {
        let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
        let next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        std::iter::repeat_with(next).take(DIMENSIONS).collect()
    }

    fn cosine(a: &[f64], b: &[f64]) -> f64 {
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
    }

    #[test]
    fn cosines_of_what_is_kept_are_those_of_the_network() {
        for seed in 0..50 {
            let (a, other) = (values(seed), values(seed + 1000));
            // From nearly the same direction to quite another one.
            let share = seed as f32 / 50.0;
            let b: Vec<f32> = a.iter().zip(&other).map(|(a, b)| a * (1.0 - share) + b * share).collect();
            let exact = |values: &[f32]| values.iter().map(|&value| f64::from(value)).collect::<Vec<_>>();
            let kept = |values: &[f32]| Embedding::of(values).unwrap().numbers().map(f64::from).to_vec();
            let moved = cosine(&exact(&a), &exact(&b)) - cosine(&kept(&a), &kept(&b));
            assert!(moved.abs() < 0.002, "{moved}");
        }
    }

    #[test]
    fn the_length_of_a_direction_means_nothing_and_its_text_is_short() {
        let long: Vec<f32> = values(3).iter().map(|value| value * 1e30).collect();
        let tiny: Vec<f32> = values(3).iter().map(|value| value * 1e-38).collect();
        let kept = Embedding::of(&values(3)).unwrap();
        assert_eq!(Embedding::of(&long), Some(kept.clone()));
        assert_eq!(Embedding::of(&tiny), Some(kept.clone()));
        let text = String::from(kept.clone());
        assert_eq!(text.len(), 684);
        assert_eq!(Embedding::try_from(text).unwrap(), kept);
    }

    #[test]
    fn what_is_no_direction_is_none_and_other_texts_are_refused() {
        assert_eq!(Embedding::of(&[0.0; DIMENSIONS]), None);
        assert_eq!(Embedding::of(&[1.0; 128]), None);
        let mut values = values(1);
        values[7] = f32::NAN;
        assert_eq!(Embedding::of(&values), None);
        for text in [String::new(), "A".repeat(684), "A".repeat(688), "?".repeat(684)] {
            let said = Embedding::try_from(text).unwrap_err().to_string();
            assert!(said.contains("512 bytes in base64"), "{said}");
        }
    }
}
