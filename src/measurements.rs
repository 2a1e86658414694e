//! `bolid measurements export|import`: what models said, taken from one work folder to another by the digests of photos
//! and models, and compared where both have measured.

use std::path::Path;

use anyhow::{Context, Result};
use catalog::Catalog;
use catalog::measurement::{Adoption, Probe, Said, StoredMeasurement};
use photo::measurement::Kind;
use serde::Serialize;
use snapshot::{MeasurementReader, MeasurementRow, MeasurementWriter};

use crate::cli::ImportMeasurementsArgs;
use crate::compare::Comparison;
use crate::exit::Done;
use crate::output::Output;
use crate::scores;

/// Rows that are taken over in one transaction: a commit costs as much as some ten rows, and holds the rest of the
/// program up for as long as it takes.
const ROWS_AT_ONCE: usize = 4096;

/// Which values from elsewhere are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// None: what would happen is only shown.
    Nothing,
    /// Those that are missing here.
    Missing,
    /// All, also in place of others.
    All,
    /// In place of others those that are within their rounding, and those of models that were not asked here;
    /// none that is missing otherwise.
    Rounding,
}

/// What became of measurements from elsewhere.
#[derive(Debug, Default, Serialize)]
pub struct Adopted {
    /// Values that were missing here, and are stored now.
    pub added: usize,
    /// Values of photos that are not here.
    pub no_such_photo: usize,
    /// Rows that hold no measurement, each with what is wrong.
    pub refused: Vec<String>,
    /// The values that both sides have.
    #[serde(flatten)]
    pub comparison: Comparison,
}

/// `measurements export`: everything that is stored, whatever recipe asked for it. Face embeddings are biometric data,
/// and leave only where that is asked for.
pub async fn export(
    catalog: &Catalog,
    path: &Path,
    with_face_embeddings: bool,
    output: Output,
) -> Result<()> {
    let mut writer = MeasurementWriter::create(path).context("export measurements")?;
    let mut values = 0;
    // Part by part: of a million photos, a few thousand are in memory.
    for part in 0..Catalog::PARTS {
        let stored = catalog.stored_part(part).await?;
        let leaves =
            |stored: &&StoredMeasurement| with_face_embeddings || stored.probe.kind != Kind::FaceEmbedding;
        let rows: Vec<_> = stored.iter().filter(leaves).map(row).collect();
        values += rows.len();
        if !rows.is_empty() {
            writer.write(&rows).context("export measurements")?;
        }
    }
    writer.finish().context("export measurements")?;
    output.show(&serde_json::json!({ "exported": values, "path": path }), |_| {
        format!("{values} measurements in {}", path.display())
    })?;
    Ok(())
}

/// `measurements import`: what is missing here is taken over; what differs is shown, and stays as it is unless
/// `--replace` says otherwise.
pub async fn import(catalog: &Catalog, args: &ImportMeasurementsArgs, output: Output) -> Result<Done> {
    let reader = MeasurementReader::open(&args.file).context("import measurements")?;
    let policy = match (args.dry_run, args.replace) {
        (true, _) => Policy::Nothing,
        (false, false) => Policy::Missing,
        (false, true) => Policy::All,
    };
    let mut adopted = Adopted::default();
    for group in reader.groups() {
        let rows = group.context("import measurements")?;
        adopt(catalog, &rows, policy, &mut adopted).await?;
    }
    output.show(&adopted, |adopted| {
        let Adopted { added, no_such_photo, refused, comparison } = adopted;
        let would = if args.dry_run { "would be " } else { "" };
        format!(
            "{}{added} measurements {would}added, {} were here already\n{no_such_photo} are of photos that are not \
             here, {} rows refused",
            comparison.table(),
            comparison.compared(),
            refused.len()
        )
    })?;
    Ok(Done::with(adopted.refused.len()))
}

/// Stores what the policy says, and compares what both sides have.
pub async fn adopt(
    catalog: &Catalog,
    rows: &[MeasurementRow],
    policy: Policy,
    adopted: &mut Adopted,
) -> Result<()> {
    let dry_run = matches!(policy, Policy::Nothing | Policy::Rounding);
    for rows in rows.chunks(ROWS_AT_ONCE) {
        let mut values = Vec::with_capacity(rows.len());
        for row in rows {
            match stored(row) {
                Ok(value) => values.push(value),
                Err(error) => {
                    tracing::warn!("{error:#}");
                    adopted.refused.push(format!("{error:#}"));
                }
            }
        }
        let adoptions = catalog.adopt_measurements(&values, dry_run).await?;
        let mut replaced = Vec::new();
        for (value, adoption) in values.into_iter().zip(adoptions) {
            match adoption {
                Adoption::Added => adopted.added += 1,
                Adoption::NoSuchPhoto => adopted.no_such_photo += 1,
                Adoption::Same => adopted.comparison.same(value.probe.kind),
                // A model that was not asked has said nothing: a value is taken in its place, and never the other way.
                Adoption::Differs(own) if scores::is_not_asked(&own) => {
                    adopted.added += 1;
                    if policy != Policy::Nothing {
                        replaced.push((value.sha256, [(value.probe, value.said)]));
                    }
                }
                Adoption::Differs(_) if scores::is_not_asked(&value.said) => {}
                Adoption::Differs(own) => {
                    let apart =
                        adopted.comparison.differ(value.probe.kind, value.sha256, &own, &value.said)?;
                    if policy == Policy::All || policy == Policy::Rounding && apart.is_rounding() {
                        replaced.push((value.sha256, [(value.probe, value.said)]));
                    }
                }
            }
        }
        catalog.add_measurements_of(replaced.iter().map(|(of, values)| (*of, values.as_slice()))).await?;
    }
    Ok(())
}

/// A stored value as a row that travels.
pub fn row(stored: &StoredMeasurement) -> MeasurementRow {
    MeasurementRow {
        sha256: stored.sha256,
        kind: stored.probe.kind.name().to_owned(),
        probe: stored.probe.digest,
        value: stored.said.text().to_owned(),
    }
}

/// A row from elsewhere as a value to store.
///
/// # Errors
/// Where the kind is unknown, or the value is not what that kind stores: it would fail every later judging.
fn stored(row: &MeasurementRow) -> Result<StoredMeasurement> {
    let MeasurementRow { sha256, kind, probe, value } = row;
    let of = || format!("measurement `{kind}` of photo {sha256}");
    let kind = Kind::of_name(kind).with_context(|| format!("{}: no such kind", of()))?;
    let said = Said::from_text(value.clone());
    scores::check(kind, &said).with_context(of)?;
    Ok(StoredMeasurement { sha256: *sha256, probe: Probe { kind, digest: *probe }, said })
}
