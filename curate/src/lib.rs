//! Photos to scores, verdicts and tensors.
