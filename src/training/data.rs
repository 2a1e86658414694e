//! What a training is to be trained on: a snapshot of photos, or of synthetic people.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use snapshot::Snapshot;

use super::config::{Data, TrainConfigError};
use super::draw;

/// Refuses data of no kind, or of two.
pub fn check(config: &Path, data: &Data) -> Result<(), TrainConfigError> {
    if data.snapshot.is_some() == data.drawn.is_some() {
        return Err(TrainConfigError::Data(config.to_owned()));
    }
    Ok(())
}

/// The snapshot, every byte of it checked, or the synthetic people, drawn if they are not there yet.
pub fn open(config: &Path, data: &Data, workdir: &Path) -> Result<Snapshot> {
    let folder = workdir.join("snapshots");
    let path: PathBuf = match (&data.drawn, &data.snapshot) {
        (Some(spec), _) => draw::snapshot(&folder, spec)?.path,
        (None, Some(name)) => snapshot::find(&folder, name)?,
        (None, None) => return Err(TrainConfigError::Data(config.to_owned()).into()),
    };
    let snapshot = Snapshot::open(&path)?;
    if data.verify {
        snapshot::verify(&path)
            .with_context(|| format!("verify snapshot {} before training on it", path.display()))?;
    }
    Ok(snapshot)
}

/// The people and photos of a batch, by their rows in the snapshot's table.
pub fn describe(snapshot: &Snapshot, rows: &[usize]) -> String {
    let mut people: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for &row in rows {
        let photo = &snapshot.photos()[row];
        people.entry(photo.identity.as_str()).or_default().push(photo.facts.sha256.short());
    }
    let person = |(identity, mut photos): (&str, Vec<String>)| {
        photos.sort();
        photos.dedup();
        format!("{identity}: {}", photos.join(" "))
    };
    people.into_iter().map(person).collect::<Vec<_>>().join("; ")
}
