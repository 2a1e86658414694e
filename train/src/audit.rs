//! The gradient audit: one step, and the account of which tensors got a gradient and which did not.
//!
//! An operator that cuts the graph, or a parameter that is left out of it, trains without any error: the loss may even
//! fall. So a trainer runs [`audit`] once before it starts.

use crate::error::{Error, Result};
use candle_core::backprop::GradStore;
use candle_core::{DType, Tensor, Var};
use std::fmt;

/// A tensor that must get a gradient.
#[derive(Clone, Debug)]
pub struct Trainable {
    name: String,
    var: Var,
    may_be_zero: bool,
    may_be_absent: bool,
}

impl Trainable {
    /// Expects a finite gradient that is not zero everywhere.
    pub fn new(name: impl Into<String>, var: &Var) -> Self {
        Self { name: name.into(), var: var.clone(), may_be_zero: false, may_be_absent: false }
    }

    /// Accepts a gradient of zeros: for a parameter that is multiplied by zeros at the start, such as the
    /// first matrix of a LoRA pair.
    #[must_use]
    pub fn may_be_zero(self) -> Self {
        Self { may_be_zero: true, ..self }
    }

    /// Accepts that there is no gradient at all: for a part that the step at hand leaves out.
    #[must_use]
    pub fn may_be_absent(self) -> Self {
        Self { may_be_absent: true, ..self }
    }
}

/// What an audit objects to, every tensor by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFailure {
    /// Trainable tensors that got no gradient: left out of the loss, or behind an operator that cuts the graph.
    pub without: Vec<String>,
    /// Trainable tensors whose gradient is zero everywhere.
    pub zero: Vec<String>,
    /// Trainable tensors whose gradient holds infinities or NaN.
    pub not_finite: Vec<String>,
    /// Frozen tensors that got a gradient, which costs time and memory.
    pub frozen_with: Vec<String>,
}

impl AuditFailure {
    fn is_empty(&self) -> bool {
        [&self.without, &self.zero, &self.not_finite, &self.frozen_with].iter().all(|names| names.is_empty())
    }
}

impl fmt::Display for AuditFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("gradient audit failed")?;
        for (what, names) in [
            ("trainable without a gradient", &self.without),
            ("trainable with a gradient of zeros", &self.zero),
            ("trainable with a gradient that is not finite", &self.not_finite),
            ("frozen with a gradient", &self.frozen_with),
        ] {
            if !names.is_empty() {
                write!(f, "; {what}: {}", names.join(", "))?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for AuditFailure {}

/// Runs one step and checks its gradients: every trainable tensor has one, no frozen one has.
///
/// `step` gives the loss; `frozen` are named tensors as the loss uses them
/// ([`Weights::given`](crate::diffusion::Weights::given) lists those of a model). Returns the gradients, for
/// a caller that goes on with the step.
pub fn audit<'a>(
    trainable: &[Trainable],
    frozen: impl IntoIterator<Item = (&'a str, &'a Tensor)>,
    step: impl FnOnce() -> Result<Tensor>,
) -> Result<GradStore> {
    let grads = crate::grad::backward(&step()?)?;
    let mut failure = AuditFailure::default();
    for Trainable { name, var, may_be_zero, may_be_absent } in trainable {
        let Some(grad) = grads.get(var) else {
            if !may_be_absent {
                failure.without.push(name.clone());
            }
            continue;
        };
        // A sum of magnitudes is zero only where all are, and not finite where one is not (or in f64 only then).
        let sum: f64 = grad.to_dtype(DType::F64)?.abs()?.sum_all()?.to_scalar()?;
        if !sum.is_finite() {
            failure.not_finite.push(name.clone());
        } else if sum == 0.0 && !may_be_zero {
            failure.zero.push(name.clone());
        }
    }
    for (name, tensor) in frozen {
        if grads.get(tensor).is_some() {
            failure.frozen_with.push(name.to_owned());
        }
    }
    if failure.is_empty() { Ok(grads) } else { Err(Error::Audit(failure)) }
}
