//! The report of tensors that do not fit a model.

use std::fmt;

/// Every tensor of a model that its file lacks, has too much, or has in another shape.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TensorMismatch {
    /// Where the tensors came from.
    pub origin: String,
    /// Names the model needs and the file lacks.
    pub missing: Vec<String>,
    /// Names the file has and the model does not know.
    pub extra: Vec<String>,
    /// Name, shape needed, shape found.
    pub misshapen: Vec<(String, Vec<usize>, Vec<usize>)>,
}

impl TensorMismatch {
    /// Whether there is nothing to complain about.
    pub fn is_empty(&self) -> bool {
        self.missing.is_empty() && self.extra.is_empty() && self.misshapen.is_empty()
    }
}

impl std::error::Error for TensorMismatch {}

impl fmt::Display for TensorMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} does not fit the model's configuration", self.origin)?;
        for (what, names) in [("missing", &self.missing), ("not part of the model", &self.extra)] {
            if !names.is_empty() {
                write!(f, "\n  {what} ({}): {}", names.len(), names.join(", "))?;
            }
        }
        if !self.misshapen.is_empty() {
            write!(f, "\n  of another shape ({}):", self.misshapen.len())?;
            for (name, needed, found) in &self.misshapen {
                write!(f, " {name} is {found:?}, must be {needed:?};")?;
            }
        }
        Ok(())
    }
}
