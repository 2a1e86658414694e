//! What keeps a figure from being computed.

/// An input that has no figure, or whose figure would mean nothing.
#[derive(Clone, Debug, thiserror::Error)]
pub enum EvaluationError {
    /// There are fewer than a figure needs.
    #[error("{what}: {found} given, at least {needed} needed")]
    TooFew {
        /// What is counted.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many it takes.
        needed: usize,
    },
    /// Two inputs do not fit each other.
    #[error("{what}: {found} given, {expected} expected")]
    Length {
        /// What is counted.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many it takes.
        expected: usize,
    },
    /// A number is no number.
    #[error("{what}: row {row} holds {value}; finite numbers were expected")]
    NotFinite {
        /// Where it stands.
        what: &'static str,
        /// Index of the row: a picture, a joint or an identity.
        row: usize,
        /// The value.
        value: f64,
    },
    /// A setting or a size that has no meaning.
    #[error("{what} is {value}; {expected} was expected")]
    OutOfRange {
        /// What it is.
        what: &'static str,
        /// The value.
        value: f64,
        /// What would do.
        expected: &'static str,
    },
    /// Products of the values do not fit into f64.
    #[error("{what}: the values are so large that f64 overflows; scale them down")]
    Overflow {
        /// The figure.
        what: &'static str,
    },
    /// The linear algebra found no eigenvalues or singular values.
    #[error("{what}: the decomposition of {rows} × {columns} values did not converge")]
    NoConvergence {
        /// The figure.
        what: &'static str,
        /// Rows of the matrix.
        rows: usize,
        /// Its columns.
        columns: usize,
    },
}

impl EvaluationError {
    /// Refuses fewer than `needed`.
    pub(super) fn at_least(what: &'static str, found: usize, needed: usize) -> Result<(), Self> {
        if found < needed { Err(Self::TooFew { what, found, needed }) } else { Ok(()) }
    }

    /// Refuses another number than `expected`.
    pub(super) fn exactly(what: &'static str, found: usize, expected: usize) -> Result<(), Self> {
        if found == expected { Ok(()) } else { Err(Self::Length { what, found, expected }) }
    }

    /// Refuses rows of `width` values of which one is NaN or infinite.
    pub(super) fn finite(what: &'static str, width: usize, values: &[f64]) -> Result<(), Self> {
        match values.iter().position(|value| !value.is_finite()) {
            Some(place) => Err(Self::NotFinite { what, row: place / width, value: values[place] }),
            None => Ok(()),
        }
    }
}
