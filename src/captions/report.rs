//! What asking a source did.

use std::collections::BTreeMap;

use photo::CaptionFailure;

/// What a run asked of one source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Photos with a text.
    pub captioned: u64,
    /// Photos without, by class.
    pub failures: BTreeMap<CaptionFailure, u64>,
    /// Requests, repeated ones included.
    pub requests: u64,
    /// Why no more was asked, where it ended early.
    pub stopped: Option<StopReason>,
}

/// Why a source is not asked any more in this run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// There were requests enough.
    BudgetSpent,
    /// The server refuses whatever it is asked.
    Refused(String),
    /// It failed on so many photos in a row that the others would only be waited for.
    Failing(String),
}
