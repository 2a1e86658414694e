//! `bolid snapshot list`: a row per snapshot, with what it has in common with older ones below it.

use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use anyhow::Result;
use indicatif::HumanBytes;
use serde::Serialize;
use snapshot::inventory::Shared;
use snapshot::manifest::FORMAT_VERSION;
use snapshot::{Described, Withdrawn};

use super::width::{COLUMNS, beginning};
use crate::output::Output;

/// A line of the JSON: a snapshot that is there, or the note of one that was withdrawn.
#[derive(Serialize)]
struct Line {
    id: String,
    name: String,
    identities: usize,
    photos: usize,
    dropped: usize,
    path: String,
    /// When, in Unix milliseconds, and why.
    withdrawn: Option<(i64, String)>,
    /// `None` of one that was withdrawn.
    #[serde(flatten)]
    described: Option<Facts>,
}

#[derive(Serialize)]
struct Facts {
    created_at_ms: Option<i64>,
    bytes: u64,
    format_version: u32,
    program_version: String,
    inputs: String,
    splits: serde_json::Value,
    shares: Vec<Shared>,
}

/// Names are cut to it, so that rows have 80 characters.
const NAME: usize = 13;
/// Where the lines below a row begin.
const INDENT: &str = "  ";

/// A row per snapshot; those that cannot be read are named on stderr.
pub fn list(folder: &Path, output: Output) -> Result<()> {
    let listing = snapshot::list(folder)?;
    for error in &listing.unreadable {
        tracing::warn!(%error, "a snapshot cannot be read");
    }
    let described = snapshot::describe(&listing)?;
    if described.is_empty() && listing.withdrawn.is_empty() {
        output.remark(&format!("No snapshot in {} yet.", folder.display()))?;
        return Ok(());
    }
    if output.json {
        let there = described.into_iter().map(line);
        let gone = listing.withdrawn.iter().map(|(note, path)| line_of_note(note, path));
        for line in there.chain(gone) {
            output.show(&line, |_| String::new())?;
        }
        return Ok(());
    }
    let mut text = row(["id", "name", "built", "people", "photos", "size", "t/v/t"]);
    for snapshot in &described {
        text.push_str(&rows(snapshot));
    }
    for (note, _) in &listing.withdrawn {
        let day = day(Some(note.withdrawn_at_ms));
        let line = format!("{:<12}  {:<NAME$}  withdrawn {day}: ", note.id, beginning(&note.name, NAME));
        let reason = beginning(&note.reason, COLUMNS.saturating_sub(line.chars().count()));
        text.push_str(&format!("{line}{reason}\n"));
    }
    text.push_str(&format!(
        "t/v/t: people in train/validation/test. Folders NAME-ID are in\n{}",
        folder.display()
    ));
    output.remark(&text)?;
    Ok(())
}

fn line(described: Described) -> Line {
    let Described { snapshot, format_version, program_version, created_at_ms, bytes, inputs, shares } =
        described;
    Line {
        id: snapshot.id,
        name: snapshot.name,
        identities: snapshot.counts.identities,
        photos: snapshot.counts.photos,
        dropped: snapshot.counts.dropped,
        path: snapshot.path.display().to_string(),
        withdrawn: None,
        described: Some(Facts {
            created_at_ms,
            bytes,
            format_version,
            program_version,
            inputs: inputs.to_string(),
            splits: serde_json::json!(snapshot.counts.splits),
            shares,
        }),
    }
}

fn line_of_note(note: &Withdrawn, path: &Path) -> Line {
    Line {
        id: note.id.clone(),
        name: note.name.clone(),
        identities: 0,
        photos: 0,
        dropped: 0,
        path: path.display().to_string(),
        withdrawn: Some((note.withdrawn_at_ms, note.reason.clone())),
        described: None,
    }
}

fn rows(described: &Described) -> String {
    let Described { snapshot, format_version, created_at_ms, bytes, shares, .. } = described;
    let counts = &snapshot.counts;
    let people = |side: &str| counts.splits.get(side).map_or(0, |side| side.identities);
    let mut text = row([
        &snapshot.id,
        &beginning(&snapshot.name, NAME),
        &day(*created_at_ms),
        &counts.identities.to_string(),
        &counts.photos.to_string(),
        &HumanBytes(*bytes).to_string(),
        &format!("{}/{}/{}", people("train"), people("validation"), people("test")),
    ]);
    if *format_version != FORMAT_VERSION {
        text.push_str(&format!(
            "{INDENT}format {format_version}: without measurements and held-out photos\n"
        ));
    }
    if let Some(shared) = shares.first() {
        let what = match shared.is_same_inputs {
            true => "made from the same rows as".to_owned(),
            false => format!("shares the tensors of {} people with", shared.people),
        };
        let whom =
            beginning(&format!("{}-{}", shared.name, shared.id), COLUMNS - INDENT.len() - what.len() - 1);
        text.push_str(&format!("{INDENT}{what} {whom}\n"));
    }
    text
}

fn row([id, name, built, people, photos, size, splits]: [&str; 7]) -> String {
    format!("{id:<12}  {name:<NAME$}  {built:<10} {people:>6} {photos:>8} {size:>10}  {splits}\n")
}

/// The day in UTC.
fn day(unix_ms: Option<i64>) -> String {
    // What stands there may be anybody's number: from the year 10000 on there is no such date.
    let is_date = |ms: &u64| *ms < 253_402_300_800_000;
    let Some(unix_ms) = unix_ms.and_then(|ms| u64::try_from(ms).ok()).filter(is_date) else {
        return "unknown".to_owned();
    };
    let at = humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_millis(unix_ms)).to_string();
    at.split('T').next().unwrap_or_default().to_owned()
}
