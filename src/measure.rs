//! `bolid measure`: the scores that are missing, on all cores, stored as they come.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, Result};
use catalog::Catalog;
use catalog::measurement::{Kind, Probe};
use curate::model::ModelEntry;
use curate::{Detectors, ModelError, Role};
use photo::Digest;
use rayon::iter::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};
use serde_json::Value;
use tokio::sync::mpsc;

use crate::plan::Plan;
use crate::progress;
use crate::scores::Decoded;

/// Finished photos that wait to be stored; a few are enough to keep the cores from waiting for the disk.
const WAITING_RESULTS: usize = 16;

/// What is asked of every photo: image facts, watermark, faces, people, by the registered models given for each role.
pub fn probes(model: impl Fn(Role) -> Result<ModelEntry, ModelError>) -> Result<[Probe; 4], ModelError> {
    let probe = |kind, role| Ok(Probe { kind, digest: curate::measure::identity(&model(role)?) });
    Ok([
        Probe { kind: Kind::Image, digest: curate::measure::facts_identity() },
        probe(Kind::Watermark, Role::Watermark)?,
        probe(Kind::Faces, Role::Faces)?,
        probe(Kind::People, Role::People)?,
    ])
}

/// Measures what no probe has measured yet; gives the number of photos.
pub async fn run(catalog: &Arc<Catalog>, plan: &Plan, detectors: &Arc<Detectors>) -> Result<u64> {
    let work = catalog.unmeasured(&plan.site_names(), &plan.probes()?).await?;
    let total = work.len() as u64;
    if total == 0 {
        return Ok(0);
    }
    let bar = progress::stage("measure", total, "photos");
    let (sender, mut results) = mpsc::channel(WAITING_RESULTS);
    let worker = tokio::task::spawn_blocking({
        let (catalog, detectors) = (Arc::clone(catalog), Arc::clone(detectors));
        move || measure_all(&catalog, &detectors, work, &sender)
    });
    while let Some((sha256, values)) = results.recv().await {
        catalog.add_measurements(sha256, &values).await?;
        bar.inc(1);
    }
    worker.await.context("measure photos")??;
    bar.finish_and_clear();
    Ok(total)
}

type Values = Vec<(Probe, Value)>;

fn measure_all(
    catalog: &Catalog,
    detectors: &Detectors,
    work: BTreeMap<Digest, Vec<Probe>>,
    results: &mpsc::Sender<(Digest, Values)>,
) -> Result<()> {
    // One photo at a time per thread: memory is bounded by the number of threads.
    let work: Vec<_> = work.into_iter().collect();
    work.into_par_iter().with_max_len(1).try_for_each(|(sha256, missing)| {
        let bytes = catalog.blobs().read(sha256)?;
        let values =
            measure(detectors, &bytes, &missing).with_context(|| format!("measure photo {sha256}"))?;
        results.blocking_send((sha256, values)).context("the scores can no longer be stored")
    })
}

/// The missing values of one photo. One that cannot be read gets `null` for every model, so that it is not asked again.
fn measure(detectors: &Detectors, bytes: &[u8], missing: &[Probe]) -> Result<Values> {
    let decoded = curate::decode(bytes);
    let value = |kind| -> Result<Value> {
        Ok(match (kind, &decoded) {
            (Kind::Image, Ok(photo)) => serde_json::to_value(Decoded::Readable(photo.facts.clone()))?,
            (Kind::Image, Err(error)) => serde_json::to_value(Decoded::Unreadable(error.to_string()))?,
            (_, Err(_)) => Value::Null,
            (Kind::Watermark, Ok(photo)) => serde_json::to_value(detectors.watermark(&photo.image)?)?,
            (Kind::Faces, Ok(photo)) => serde_json::to_value(detectors.faces(&photo.image)?)?,
            (Kind::People, Ok(photo)) => serde_json::to_value(detectors.people(&photo.image)?)?,
        })
    };
    missing.iter().map(|probe| Ok((*probe, value(probe.kind)?))).collect()
}
