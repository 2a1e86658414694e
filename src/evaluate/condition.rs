//! What pictures are conditioned on beside their prompt.

use train::adapter::Lambdas;

/// Weights of the two streams.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Condition {
    /// Of the body's.
    pub lambda_body: f64,
    /// Of the reference's.
    pub lambda_ref: f64,
}

impl Condition {
    /// `text`, `ref`, `body` or `both`.
    pub fn name(self) -> &'static str {
        match (self.lambda_ref > 0.0, self.lambda_body > 0.0) {
            (false, false) => "text",
            (true, false) => "ref",
            (false, true) => "body",
            (true, true) => "both",
        }
    }

    /// The name, with weights where they are not 1: `body 0.5`, `both 0.7 + 1`.
    pub fn label(self) -> String {
        let name = self.name();
        match (self.lambda_ref, self.lambda_body) {
            (reference, body) if name == "both" && (reference, body) != (1.0, 1.0) => {
                format!("{name} {reference} + {body}")
            }
            (reference, body) if name != "text" && reference.max(body) != 1.0 => {
                format!("{name} {}", reference.max(body))
            }
            _ => name.to_owned(),
        }
    }

    /// For the pipeline.
    pub fn lambdas(self) -> Lambdas {
        Lambdas { reference: self.lambda_ref, body: self.lambda_body }
    }
}

/// The text alone, each stream alone at each of its weights, and both at all pairs.
pub fn all(lambda_body: &[f64], lambda_ref: &[f64]) -> Vec<Condition> {
    let (bodies, references) = (prepend_zero(lambda_body), prepend_zero(lambda_ref));
    let of = |&lambda_ref: &f64| {
        bodies.iter().map(move |&lambda_body| Condition { lambda_body, lambda_ref }).collect::<Vec<_>>()
    };
    let mut all: Vec<Condition> = references.iter().flat_map(of).collect();
    let order = ["text", "ref", "body", "both"];
    all.sort_by_key(|condition| order.iter().position(|name| *name == condition.name()));
    all
}

/// Weight 0, then each of the others once.
fn prepend_zero(values: &[f64]) -> Vec<f64> {
    let mut all = vec![0.0];
    for &value in values {
        if !all.contains(&value) {
            all.push(value);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_text_each_stream_and_all_pairs() {
        let labels: Vec<String> = all(&[0.5, 1.0], &[1.0]).iter().map(|one| one.label()).collect();
        assert_eq!(labels, ["text", "ref", "body 0.5", "body", "both 1 + 0.5", "both"]);
        assert_eq!(all(&[0.0, 1.0, 1.0], &[]).len(), 2);
    }
}
