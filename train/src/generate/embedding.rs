//! What a stream is given: numbers, and where they come from.

use base64::prelude::{BASE64_STANDARD, Engine};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::parameters::normals;

/// Separates the random streams of bodies and of noise: with one stream, a picture's noise would begin with
/// the numbers of its c_body.
const BODY: u64 = 0xB0D1_0000_0000_0000;

/// c_body, or the embedding of a reference. In JSON the numbers are base64 of little-endian f32, so that
/// nothing is rounded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Embedding {
    /// Where it comes from: a person, a file, a seed.
    pub name: String,
    /// The numbers.
    #[serde(serialize_with = "to_base64", deserialize_with = "from_base64")]
    pub values: Vec<f32>,
}

impl Embedding {
    /// A body drawn from the prior N(0, I): the same for a seed and width, and nobody's.
    pub fn of_seed(seed: u64, width: usize) -> Self {
        let rng = &mut ChaCha8Rng::seed_from_u64(seed ^ BODY);
        Self { name: format!("seed:{seed}"), values: normals(rng, width, 0.0, 1.0) }
    }
}

fn to_base64<S: Serializer>(values: &[f32], serializer: S) -> Result<S::Ok, S::Error> {
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    serializer.serialize_str(&BASE64_STANDARD.encode(bytes))
}

fn from_base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f32>, D::Error> {
    use serde::de::Error;
    let text = String::deserialize(deserializer)?;
    let bytes = BASE64_STANDARD.decode(text).map_err(D::Error::custom)?;
    let (values, rest) = bytes.as_chunks::<4>();
    if !rest.is_empty() {
        return Err(D::Error::custom(format!("{} bytes are no whole number of f32", bytes.len())));
    }
    let values: Vec<f32> = values.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    match values.iter().find(|value| !value.is_finite()) {
        Some(value) => Err(D::Error::custom(format!("an embedding holds {value}"))),
        None => Ok(values),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type TestResult = Result<(), Box<dyn std::error::Error>>;

    #[test]
    fn numbers_come_back_to_the_bit_and_spoilt_ones_are_refused() -> TestResult {
        let body = Embedding::of_seed(7, 756);
        assert_eq!(body, Embedding::of_seed(7, 756));
        assert_ne!(body.values, Embedding::of_seed(8, 756).values);
        assert_eq!(serde_json::from_str::<Embedding>(&serde_json::to_string(&body)?)?, body);
        for (text, said) in [("AAAA", "3 bytes"), ("AADAfw==", "NaN"), ("?", "nvalid")] {
            let json = format!("{{\"name\":\"x\",\"values\":\"{text}\"}}");
            let message = serde_json::from_str::<Embedding>(&json).err().map(|error| error.to_string());
            assert!(message.as_ref().is_some_and(|message| message.contains(said)), "{text}: {message:?}");
        }
        Ok(())
    }
}
