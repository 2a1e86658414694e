//! `bolid review import`: what people decided on a report's page.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use catalog::Catalog;
use catalog::decision::Decision;

use crate::output::Output;

/// Takes in a file of decisions, all of its lines or none.
pub async fn import(catalog: &Catalog, file: &Path, output: Output) -> Result<()> {
    let text = fs::read_to_string(file).with_context(|| format!("read decisions {}", file.display()))?;
    let parse = |(number, line): (usize, &str)| -> Result<Decision> {
        serde_json::from_str(line)
            .with_context(|| format!("decisions {}, line {}", file.display(), number + 1))
    };
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let decisions: Vec<Decision> = lines.map(parse).collect::<Result<_>>()?;
    catalog.record_decisions(&decisions).await?;
    let of = |wanted: Option<bool>| decisions.iter().filter(|decision| decision.keep == wanted).count();
    let (keep, drop, taken_back) = (of(Some(true)), of(Some(false)), of(None));
    let report = serde_json::json!({ "keep": keep, "drop": drop, "taken_back": taken_back });
    output.show(&report, |_| {
        format!("decisions: {keep} keep, {drop} drop, {taken_back} taken back; `bolid judge` applies them")
    })?;
    Ok(())
}
