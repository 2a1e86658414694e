//! `bolid measure`: read → header → decode → models → store, for the scores that are missing, on all cores.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use catalog::Catalog;
use catalog::measurement::{Kind, Probe, Said};
use curate::decode::header;
use curate::measure::{facts_identity, identity, need};
use curate::model::ModelEntry;
use curate::{Demand, Detectors, Device, Measurements, Role};
use photo::Digest;
use rayon::iter::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;

use crate::judge;
use crate::memory::Memory;
use crate::plan::Plan;
use crate::progress;
use crate::scores::{Answer, Decoded, NotAsked};

/// Finished photos that wait to be stored; a few are enough to keep the cores from waiting for the disk.
const WAITING_RESULTS: usize = 16;

/// What is asked of photos: image facts, watermark, faces, people, by the model of each role in the order of the roles.
pub fn probes(models: &[ModelEntry], device: Device) -> [Probe; 4] {
    let need = need(models);
    let probe = |kind, role| {
        let model = models.iter().find(|model| model.role == role).expect("there is a model for each role");
        Probe { kind, digest: identity(model, need, device) }
    };
    [
        Probe { kind: Kind::Image, digest: facts_identity(need) },
        probe(Kind::Watermark, Role::Watermark),
        probe(Kind::Faces, Role::Faces),
        probe(Kind::People, Role::People),
    ]
}

/// A photo and what the probes stored of it so far.
struct Work {
    sha256: Digest,
    known: Values,
}

/// What a run of the stage did.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Measured {
    /// How many photos.
    #[serde(rename = "measured")]
    pub photos: u64,
    /// How long it took, without loading the models.
    pub seconds: f64,
}

/// Measures what no probe has measured yet and the recipe demands.
pub async fn run(catalog: &Arc<Catalog>, plan: &Plan, detectors: &Arc<Detectors>) -> Result<Measured> {
    let (probes, demand) = (plan.probes()?, plan.demand()?);
    let kept_by_hand = judge::kept_by_hand(&catalog.decisions(&plan.site_names()).await?);
    let demand = Asked { demand, kept_by_hand };
    let work = list(catalog, plan, &probes, &demand).await?;
    let total = work.len() as u64;
    if total == 0 {
        return Ok(Measured::default());
    }
    let threads = rayon::current_num_threads().min(total as usize);
    let opening = tokio::task::spawn_blocking({
        let detectors = Arc::clone(detectors);
        move || detectors.open_for(threads)
    });
    opening.await.context("open the models")?.context("open the models")?;
    let started = Instant::now();
    let bar = progress::stage("measure", total, "photos");
    let (sender, mut results) = mpsc::channel(WAITING_RESULTS);
    let worker = tokio::task::spawn_blocking({
        let stage = Stage { catalog: Arc::clone(catalog), detectors: Arc::clone(detectors), probes, demand };
        move || stage.measure_all(work, &sender)
    });
    while let Some((sha256, values)) = results.recv().await {
        catalog.add_measurements(sha256, &values).await?;
        bar.inc(1);
    }
    worker.await.context("measure photos")??;
    bar.finish_and_clear();
    Ok(Measured { photos: total, seconds: started.elapsed().as_secs_f64() })
}

/// What is asked of each photo.
struct Asked {
    demand: Demand,
    kept_by_hand: HashSet<Digest>,
}

impl Asked {
    fn of(&self, sha256: Digest) -> &Demand {
        if self.kept_by_hand.contains(&sha256) { &Demand::Every } else { &self.demand }
    }
}

/// The photos that lack a value, and those of which a model was not asked that has to be by now.
async fn list(catalog: &Catalog, plan: &Plan, probes: &[Probe; 4], demand: &Asked) -> Result<Vec<Work>> {
    let sites = plan.site_names();
    let mut work = Vec::new();
    for (sha256, missing) in catalog.unmeasured(&sites, probes).await? {
        let is_new = missing.len() == probes.len();
        let known = if is_new { Vec::new() } else { catalog.measured(sha256, probes).await? };
        work.push(Work { sha256, known });
    }
    let deferred = catalog.measured_as(&sites, probes, &Said::of(&NotAsked::NotMeasured)).await?;
    for (sha256, known) in deferred {
        let is_listed = known.len() < probes.len();
        if !is_listed && known_of(&known)?.is_some_and(|measured| demand.of(sha256).next(&measured).is_some())
        {
            work.push(Work { sha256, known });
        }
    }
    Ok(work)
}

/// What is known of a photo; `None` where its facts are not, or it cannot be read.
fn known_of(values: &[(Probe, Said)]) -> Result<Option<Measurements>> {
    let facts = match value_of(values, Kind::Image)? {
        Some(Decoded::Readable(facts)) => facts,
        Some(Decoded::Unreadable(_)) | None => return Ok(None),
    };
    Ok(Some(Measurements {
        facts,
        watermark: value_of(values, Kind::Watermark)?.and_then(Answer::score),
        faces: value_of(values, Kind::Faces)?.and_then(Answer::score),
        people: value_of(values, Kind::People)?.and_then(Answer::score),
    }))
}

fn value_of<T: DeserializeOwned>(values: &[(Probe, Said)], kind: Kind) -> Result<Option<T>> {
    let said = values.iter().find(|(probe, _)| probe.kind == kind);
    Ok(said.map(|(_, said)| said.read(kind)).transpose()?)
}

type Values = Vec<(Probe, Said)>;

struct Stage {
    catalog: Arc<Catalog>,
    detectors: Arc<Detectors>,
    probes: [Probe; 4],
    demand: Asked,
}

impl Stage {
    fn measure_all(&self, work: Vec<Work>, results: &mpsc::Sender<(Digest, Values)>) -> Result<()> {
        let memory = Memory::default();
        // One photo at a time per thread, each through all models: no core waits for another's photo.
        work.into_par_iter().with_max_len(1).try_for_each(|Work { sha256, known }| {
            let values = self.measure(sha256, &known, &memory);
            let values = values.with_context(|| format!("measure photo {sha256}"))?;
            results.blocking_send((sha256, values)).context("the scores can no longer be stored")
        })
    }

    /// The value of every probe. A photo that cannot be read gets `null` for every model, so that it is not asked again.
    fn measure(&self, sha256: Digest, known: &[(Probe, Said)], memory: &Memory) -> Result<Values> {
        let bytes = self.catalog.blobs().read(sha256)?;
        let [image, watermark, faces, people] = self.probes;
        let need = self.detectors.need();
        let decoded = header(&bytes, need).and_then(|header| {
            let reserved = memory.reserve(header.decoded_bytes);
            Ok((curate::decode_for(&bytes, need)?, reserved))
        });
        drop(bytes);
        let (photo, _reserved) = match decoded {
            Ok(decoded) => decoded,
            Err(error) => {
                let said = Said::of(&Decoded::Unreadable(error.to_string()));
                let models = [watermark, faces, people].map(|probe| (probe, Said::of(&())));
                return Ok([(image, said)].into_iter().chain(models).collect());
            }
        };
        let known = known_of(known)?.unwrap_or_else(|| Measurements::of(photo.facts.clone()));
        let measured = self.detectors.complete(&photo, known, self.demand.of(sha256))?;
        Ok(vec![
            (image, Said::of(&Decoded::Readable(photo.facts))),
            (watermark, Said::of(&Answer::of(measured.watermark))),
            (faces, Said::of(&Answer::of(measured.faces))),
            (people, Said::of(&Answer::of(measured.people))),
        ])
    }
}
