//! The report: curves, the person's photos, and pictures of both prompts from the same noise.

use std::collections::BTreeMap;

use crate::report::{Curves, Grid, Page};
use crate::run::{RunError, RunFolder};

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
    let record = run.record();
    let losses = curves.validated("held-out photos of the person, and the class", &["held_out", "class"]);
    Ok(Page {
        title: format!("{} {}", record.spec.kind, record.spec.name),
        lead: "A base with a low-rank update that knows one person by a word.".to_owned(),
        tiles: curves.tiles(),
        facts: vec![
            ("run".to_owned(), record.id.clone()),
            ("snapshot".to_owned(), format!("{} {}", record.spec.snapshot.name, record.spec.snapshot.id)),
            ("seed".to_owned(), record.spec.seed.to_string()),
            ("program".to_owned(), record.spec.program_version.clone()),
        ],
        config: config.to_owned(),
        charts: losses.into_iter().chain(curves.trained()).collect(),
        grids: vec![grid],
        ..Page::default()
    })
}
