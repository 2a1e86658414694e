//! How far two machines' measurements of the same photos by the same models are apart.
//!
//! Scores are stored to 1e-4 and coordinates to 0.01 px. Processors sum in different orders, so a value that lies on
//! the edge between two steps is rounded up by one and down by the other.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use catalog::measurement::Said;
use photo::Digest;
use photo::measurement::{self, Kind};
use serde::Serialize;
use serde_json::Value;

use crate::output;

/// One step of what is stored, and a little for the way floats are written.
const SCORE_STEP: f64 = 1.1e-4;
const PX_STEP: f64 = 1.1e-2;
/// A variance is a sum over all pixels, of which f32 keeps seven digits.
const VARIANCE_SHARE: f64 = 1e-5;

/// What a number is, by the key that it stands under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Score,
    Px,
    /// Lists of x and y in px, then a score.
    Joints,
    /// One of them.
    Joint,
    Variance,
}

impl Unit {
    fn under(self, key: &str) -> Self {
        match key {
            measurement::JOINTS => Self::Joints,
            measurement::SHARPNESS => Self::Variance,
            key if measurement::CORNERS.contains(&key) => Self::Px,
            _ => self,
        }
    }

    fn at(self, place: usize) -> Self {
        match self {
            Self::Joints => Self::Joint,
            Self::Joint if place < 2 => Self::Px,
            Self::Joint => Self::Score,
            other => other,
        }
    }

    fn apart(self, a: f64, b: f64) -> Apart {
        let by = (a - b).abs();
        match self {
            Self::Score => Apart { score: by, ..Apart::default() },
            Self::Px | Self::Joint | Self::Joints => Apart { px: by, ..Apart::default() },
            Self::Variance => {
                Apart { is_other: by > SCORE_STEP + VARIANCE_SHARE * a.abs(), ..Apart::default() }
            }
        }
    }
}

/// Values that differ by more than a rounding are listed up to this many.
const LISTED: usize = 100;

/// Two values of one photo by one model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Apart {
    /// The largest difference between numbers from −1 to 1.
    score: f64,
    /// The largest difference between other numbers.
    px: f64,
    /// Something else differs: another number of faces, a hash, a model that only one side asked.
    is_other: bool,
}

impl Apart {
    /// Whether each number is at most one step of its rounding away.
    pub fn is_rounding(&self) -> bool {
        !self.is_other && self.score <= SCORE_STEP && self.px <= PX_STEP
    }

    fn of(own: &Value, other: &Value, unit: Unit) -> Self {
        match (own, other) {
            (Value::Number(a), Value::Number(b)) => match (a.as_f64(), b.as_f64()) {
                (Some(a), Some(b)) => unit.apart(a, b),
                _ => Self { is_other: a != b, ..Self::default() },
            },
            (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
                let pairs = a.iter().zip(b).enumerate();
                pairs.fold(Self::default(), |apart, (at, (a, b))| apart.and(&Self::of(a, b, unit.at(at))))
            }
            (Value::Object(a), Value::Object(b)) if a.len() == b.len() => {
                a.iter().fold(Self::default(), |apart, (key, a)| match b.get(key) {
                    Some(b) => apart.and(&Self::of(a, b, unit.under(key))),
                    None => Self { is_other: true, ..apart },
                })
            }
            (a, b) => Self { is_other: a != b, ..Self::default() },
        }
    }

    fn and(self, other: &Self) -> Self {
        Self {
            score: self.score.max(other.score),
            px: self.px.max(other.px),
            is_other: self.is_other || other.is_other,
        }
    }
}

/// The differences of one kind of value.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
struct OfKind {
    compared: usize,
    /// Values that differ, by rounding or by more.
    differing: usize,
    /// Values that differ by more than a rounding.
    beyond_rounding: usize,
    largest: Apart,
}

/// What was compared, by kind.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Comparison {
    kinds: BTreeMap<&'static str, OfKind>,
    /// What differs by more than a rounding.
    beyond_rounding: Vec<Line>,
}

/// A value that differs by more than a rounding.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Line {
    kind: &'static str,
    sha256: Digest,
    own: String,
    other: String,
}

impl Comparison {
    /// Counts a value that is the same on both sides.
    pub fn same(&mut self, kind: Kind) {
        self.kinds.entry(kind.name()).or_default().compared += 1;
    }

    /// Counts a value that differs; says by how much.
    pub fn differ(&mut self, kind: Kind, sha256: Digest, own: &Said, other: &Said) -> Result<Apart> {
        let parsed = |said: &Said| serde_json::from_str::<Value>(said.text());
        let values = parsed(own).and_then(|own| Ok((own, parsed(other)?)));
        let (a, b) = values.with_context(|| format!("compare `{}` of photo {sha256}", kind.name()))?;
        let apart = Apart::of(&a, &b, Unit::Score);
        let of = self.kinds.entry(kind.name()).or_default();
        of.compared += 1;
        of.differing += 1;
        of.largest = of.largest.and(&apart);
        if !apart.is_rounding() {
            of.beyond_rounding += 1;
            if self.beyond_rounding.len() < LISTED {
                let [own, other] = [own, other].map(|said| said.text().to_owned());
                self.beyond_rounding.push(Line { kind: kind.name(), sha256, own, other });
            }
        }
        Ok(apart)
    }

    /// How many values both sides have.
    pub fn compared(&self) -> usize {
        self.kinds.values().map(|of| of.compared).sum()
    }

    /// How many of them differ, and how many of those by more than a rounding.
    pub fn differing(&self) -> (usize, usize) {
        self.kinds
            .values()
            .fold((0, 0), |(all, beyond), of| (all + of.differing, beyond + of.beyond_rounding))
    }

    /// A table by kind, with a line break behind it; empty where nothing differs.
    pub fn table(&self) -> String {
        if self.differing().0 == 0 {
            return String::new();
        }
        let rows = self.kinds.iter().map(|(kind, of)| {
            let OfKind { compared, differing, beyond_rounding, largest } = of;
            vec![
                (*kind).to_owned(),
                compared.to_string(),
                differing.to_string(),
                beyond_rounding.to_string(),
                format!("{:.4}", largest.score),
                format!("{:.2}", largest.px),
            ]
        });
        let heads = ["", "compared", "differ", "beyond rounding", "scores by", "px by"];
        format!("{}\n", output::table(&heads, rows))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apart(own: &str, other: &str) -> Apart {
        let [own, other] = [own, other].map(|text| serde_json::from_str(text).unwrap());
        Apart::of(&own, &other, Unit::Score)
    }

    #[test]
    fn a_step_of_scores_and_of_coordinates_is_rounding_and_two_are_not() {
        let value = |score: &str, x: &str| format!("[{{\"score\":{score},\"joints\":[[{x},10.0]]}}]");
        let one = value("0.8247", "507.93");
        assert!(apart(&one, &value("0.8246", "507.94")).is_rounding());
        assert!(!apart(&one, &value("0.8245", "507.93")).is_rounding());
        assert!(!apart(&one, &value("0.8247", "507.95")).is_rounding());
        // What a number is, its key tells, not its size.
        assert!(apart(&value("0.8247", "0.37"), &value("0.8247", "0.38")).is_rounding());
        assert!(apart("{\"bbox\":{\"x0\":0.37}}", "{\"bbox\":{\"x0\":0.38}}").is_rounding());
        assert!(!apart("[0.37]", "[0.38]").is_rounding());
        let joint = |score: &str| format!("{{\"joints\":[[1.5,2.5,{score}]]}}");
        assert!(!apart(&joint("0.37"), &joint("0.38")).is_rounding());
        // A variance is a sum over all pixels.
        assert!(apart("{\"sharpness\":900.1234}", "{\"sharpness\":900.1275}").is_rounding());
        assert!(!apart("{\"sharpness\":900.12}", "{\"sharpness\":900.18}").is_rounding());
    }

    #[test]
    fn other_counts_words_and_hashes_are_no_rounding() {
        assert!(!apart("[]", "[{\"score\":0.5}]").is_rounding());
        assert!(!apart("\"not_measured\"", "[]").is_rounding());
        assert!(!apart("{\"hash\":\"00ff\"}", "{\"hash\":\"00fe\"}").is_rounding());
        assert!(apart("null", "null").is_rounding());
    }

    #[test]
    fn values_are_counted_by_kind_with_the_largest_difference_of_each() {
        let mut all = Comparison::default();
        let said = |text: &str| Said::from_text(text.to_owned());
        all.same(Kind::Faces);
        all.differ(
            Kind::Faces,
            Digest::of("a"),
            &said("{\"score\":0.5,\"x0\":20.01}"),
            &said("{\"score\":0.5001,\"x0\":20.0}"),
        )
        .unwrap();
        all.differ(Kind::People, Digest::of("a"), &said("[0.5]"), &said("[0.6]")).unwrap();
        assert_eq!((all.compared(), all.differing()), (3, (2, 1)));
        assert!(all.table().contains("0.1000"), "{}", all.table());
        assert_eq!(all.beyond_rounding[0].kind, "people");
    }
}
