//! How commands end.

/// How a command that did not fail ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// All went well.
    Success,
    /// Some items failed; why is stored.
    WithFailures,
}

impl Done {
    /// By the number of items that failed.
    pub fn with(failed: usize) -> Self {
        if failed == 0 { Self::Success } else { Self::WithFailures }
    }

    /// Success only where both are.
    pub fn and(self, other: Self) -> Self {
        if self == Self::Success { other } else { self }
    }
}
