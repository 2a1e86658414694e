//! `bolid measure`: read → header → decode → models → store, for the scores that are missing, on all cores.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use catalog::Catalog;
use catalog::measurement::{Probe, Said};
use curate::decode::header;
use curate::{Detectors, Measurements, ModelSchedule, Role};
use photo::Digest;
use photo::measurement::NOT_MEASURED;
use rayon::iter::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};
use serde::Serialize;
use tokio::sync::mpsc;

use crate::bundled;
use crate::judge;
use crate::memory::Memory;
use crate::plan::Plan;
use crate::progress;
use crate::scores::{self, Answers};

/// Finished photos that wait to be stored; a few are enough to keep the cores from waiting for the disk.
const WAITING_RESULTS: usize = 16;

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

/// Says what the models of a run cannot tell: a role that is off, and models that know synthetic people only.
pub fn say_what_is_not_checked(plan: &Plan) {
    if plan.loaded.is_off(Role::Watermark) {
        eprintln!(
            "bolid: watermarks are not checked: no model looks for them (detectors.watermark = \"none\")"
        );
    }
    let synthetic: Vec<&str> = plan
        .models
        .iter()
        .filter(|model| bundled::is_of_demo(model))
        .map(|model| model.name.as_str())
        .collect();
    if !synthetic.is_empty() && !plan.loaded.is_of_demo() {
        eprintln!(
            "bolid: trained on drawn people, so of little use on real photos: {}; register others with `bolid \
             models add` (README.md, \"Your own photos\")",
            synthetic.join(", ")
        );
    }
}

/// Measures what no probe has measured yet and the recipe demands.
pub async fn run(catalog: &Arc<Catalog>, plan: &Plan, detectors: &Arc<Detectors>) -> Result<Measured> {
    let (probes, schedule) = (plan.probes.clone(), plan.schedule.clone());
    let kept_by_hand = judge::kept_by_hand(&catalog.decisions(&plan.site_names()).await?);
    let schedule = PhotoSchedule { schedule, kept_by_hand };
    let work = list(catalog, plan, &probes, &schedule).await?;
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
        let stage =
            Stage { catalog: Arc::clone(catalog), detectors: Arc::clone(detectors), probes, schedule };
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

/// Which models run on each photo.
struct PhotoSchedule {
    schedule: ModelSchedule,
    kept_by_hand: HashSet<Digest>,
}

impl PhotoSchedule {
    fn of(&self, sha256: Digest) -> &ModelSchedule {
        if self.kept_by_hand.contains(&sha256) { &ModelSchedule::All } else { &self.schedule }
    }
}

/// The photos that lack a value, and those on which a model was not run that has to be by now.
async fn list(
    catalog: &Catalog,
    plan: &Plan,
    probes: &[Probe],
    schedule: &PhotoSchedule,
) -> Result<Vec<Work>> {
    let sites = plan.site_names();
    let mut work = Vec::new();
    for (sha256, missing) in catalog.unmeasured(&sites, probes).await? {
        let is_new = missing.len() == probes.len();
        let known = if is_new { Vec::new() } else { catalog.measured(sha256, probes).await? };
        work.push(Work { sha256, known });
    }
    let not_measured = Said::from_text(NOT_MEASURED.to_owned());
    let deferred = catalog.measured_as(&sites, probes, &not_measured).await?;
    for (sha256, known) in deferred {
        let is_listed = known.len() < probes.len();
        let is_due = |known: &[(Probe, Said)]| -> Result<bool> {
            Ok(
                matches!(Answers::of(known)?.known(), Some(Ok(measured)) if schedule.of(sha256).next(&measured).is_some()),
            )
        };
        if !is_listed && is_due(&known)? {
            work.push(Work { sha256, known });
        }
    }
    Ok(work)
}

type Values = Vec<(Probe, Said)>;

struct Stage {
    catalog: Arc<Catalog>,
    detectors: Arc<Detectors>,
    probes: Vec<Probe>,
    schedule: PhotoSchedule,
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

    /// The value of every probe.
    fn measure(&self, sha256: Digest, known: &[(Probe, Said)], memory: &Memory) -> Result<Values> {
        if let Some(values) = self.without_a_look(sha256, known)? {
            return Ok(values);
        }
        let bytes = self.catalog.blobs().read(sha256)?;
        let min_size = self.detectors.min_decode_size();
        let reserve = |min_size| header(&bytes, min_size).map(|header| memory.reserve(header.decoded_bytes));
        let decoded =
            reserve(min_size).and_then(|reserved| Ok((curate::decode_for(&bytes, min_size)?, reserved)));
        let (photo, reserved) = match decoded {
            Ok(decoded) => decoded,
            Err(error) => return Ok(self.values(&Err(error.to_string()))),
        };
        // Facts may be missing where scores are not: those of another program's file, or when facts
        // came to say more.
        let known = match Answers::of(known)?.known() {
            Some(Ok(known)) => known,
            Some(Err(_)) | None => Answers::of(known)?.with_facts(photo.facts.clone()),
        };
        let mut reserved = Some(reserved);
        let mut larger = |min_size| {
            // What was reserved goes back first: two photos that keep theirs could wait for each other
            // for ever. The pixels that stay are few: a photo that is much larger than models need is
            // decoded at a fraction of it.
            drop(reserved.take());
            reserved = Some(reserve(min_size).ok()?);
            curate::decode_for(&bytes, min_size).ok()
        };
        let measured = self.detectors.complete(&photo, known, self.schedule.of(sha256), &mut larger)?;
        Ok(self.values(&Ok(Measurements { facts: photo.facts, ..measured })))
    }

    /// The values of a photo of which nothing more is asked: only new probes have to be told so.
    fn without_a_look(&self, sha256: Digest, known: &[(Probe, Said)]) -> Result<Option<Values>> {
        Ok(match Answers::of(known)?.known() {
            Some(Ok(measured)) if self.schedule.of(sha256).next(&measured).is_some() => None,
            Some(known) => Some(self.values(&known)),
            None => None,
        })
    }

    /// The stored form of all that is known of a photo, for every probe.
    fn values(&self, measured: &Result<Measurements, String>) -> Values {
        self.probes.iter().map(|probe| (*probe, scores::said(measured, probe.kind))).collect()
    }
}
