//! `bolid snapshot list|verify|diff`: what can be asked of snapshots without the catalog.

use std::path::Path;

use anyhow::{Context, Result, bail};
use indicatif::HumanBytes;
use serde::Serialize;

use crate::output::Output;

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
}

/// A row per snapshot; those that cannot be read are named on stderr.
pub fn list(folder: &Path, output: Output) -> Result<()> {
    let listing = snapshot::list(folder)?;
    for error in &listing.unreadable {
        tracing::warn!(%error, "a snapshot cannot be read");
    }
    let lines: Vec<_> = listing
        .snapshots
        .into_iter()
        .map(|found| Line {
            id: found.id,
            name: found.name,
            identities: found.counts.identities,
            photos: found.counts.photos,
            dropped: found.counts.dropped,
            path: found.path.display().to_string(),
            withdrawn: None,
        })
        .chain(listing.withdrawn.into_iter().map(|(note, path)| Line {
            id: note.id,
            name: note.name,
            identities: 0,
            photos: 0,
            dropped: 0,
            path: path.display().to_string(),
            withdrawn: Some((note.withdrawn_at_ms, note.reason)),
        }))
        .collect();
    if lines.is_empty() {
        output.remark(&format!("No snapshot in {} yet.", folder.display()))?;
        return Ok(());
    }
    output.show_all(&lines, &["snapshot", "name", "identities", "photos", "dropped", "folder"], |line| {
        let [identities, photos, dropped] =
            [line.identities, line.photos, line.dropped].map(|n| n.to_string());
        let path = match &line.withdrawn {
            None => line.path.clone(),
            Some(_) => format!("withdrawn, {}", line.path),
        };
        vec![line.id.clone(), line.name.clone(), identities, photos, dropped, path]
    })?;
    Ok(())
}

/// Reads every byte of a snapshot; fails and names every file that is not as it was written.
pub fn verify(folder: &Path, wanted: &str, output: Output) -> Result<()> {
    let path = snapshot::find(folder, wanted)?;
    if let Some(note) = snapshot::withdrawn(&path)? {
        bail!("verify snapshot `{wanted}`: it was withdrawn: {}", note.reason);
    }
    let verified = snapshot::verify(&path).with_context(|| format!("verify snapshot `{wanted}`"))?;
    output.show(&verified, |verified| {
        let size = HumanBytes(verified.bytes);
        format!("snapshot {}: {} files, {size}, every byte as it was written", verified.id, verified.files)
    })?;
    Ok(())
}

/// Shows which photos came, went or changed sides.
pub fn diff(folder: &Path, from: &str, to: &str, output: Output) -> Result<()> {
    let open = |wanted: &str| -> Result<snapshot::Snapshot> {
        let path = snapshot::find(folder, wanted)?;
        snapshot::Snapshot::open(&path).with_context(|| format!("open snapshot `{wanted}`"))
    };
    let diff = snapshot::diff(&open(from)?, &open(to)?)?;
    output.show(&diff, |diff| {
        let added =
            diff.added.iter().map(|known| ("added", &known.photo, String::new(), known.verdict.to_string()));
        let removed = diff
            .removed
            .iter()
            .map(|known| ("removed", &known.photo, known.verdict.to_string(), String::new()));
        let changed = diff
            .changed
            .iter()
            .map(|known| ("changed", &known.photo, known.before.to_string(), known.after.to_string()));
        let rows = added.chain(removed).chain(changed).map(|(what, photo, before, after)| {
            vec![what.to_owned(), photo.identity.clone(), photo.url.clone(), before, after]
        });
        crate::output::table(&["", "identity", "photo", "before", "after"], rows)
    })?;
    Ok(())
}
