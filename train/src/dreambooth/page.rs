//! The report: curves, the person's photos, and pictures of both prompts from the same noise.

use std::collections::BTreeMap;

use crate::report::{Curves, Grid, Page};
use crate::run::{RunError, RunFolder};

/// What the page is about.
const LEAD: &str = "A base with a low-rank update that knows one person by a word.";

/// The page of `run`. `latest` is a validation that its log does not have yet.
///
/// # Errors
/// Where the log cannot be read.
pub fn page(
    run: &RunFolder,
    config: &str,
    grid: Grid,
    latest: Option<(u64, &BTreeMap<String, f64>)>,
) -> Result<Page, RunError> {
    let curves = Curves::of(run, latest)?;
    let losses = curves.validated("held-out photos of the person, and the class", &["held_out", "class"]);
    Ok(Page {
        charts: losses.into_iter().chain(curves.trained()).collect(),
        grids: vec![grid],
        ..Page::of_run(run.record(), &curves, LEAD, config)
    })
}
