//! `bolid dataset`: crawl → measure → judge → prepare → caption → snapshot. Each stage does what is missing, so the same
//! command goes on after a stop and does nothing twice.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use catalog::Catalog;
use catalog::decision::Decision;
use curate::Detectors;
use photo::measurement::Kind;
use snapshot::SnapshotRef;

use crate::captions::Options;
use crate::captions::of_snapshot::SnapshotCaptions;
use crate::captions::plan::CaptionPlan;
use crate::captions::texts::Texts;
use crate::ends::Failed;
use crate::exit::Done;
use crate::judge::{AllJudged, Judged};
use crate::lock::Settled;
use crate::measure::Measured;
use crate::output::Output;
use crate::plan::{Plan, PlanError};
use crate::prepare::PreparedStores;
use crate::snapshots::create;
use crate::{captions, crawl, judge, lock, measure, prepare, summary_table, verdict_diff};

/// The whole way, ending with a verified snapshot and a table of what happened.
pub async fn run(
    catalog: &Arc<Catalog>,
    plan: &Plan,
    detectors: &Arc<Detectors>,
    output: Output,
) -> Result<Done> {
    let captions = caption_plan(plan)?;
    if let Some(captions) = &captions {
        captions::check_ready(captions, &Options::default())?;
    }
    let came = crawl::all(catalog, &plan.loaded, output).await?;
    Ok(came.and(finish(catalog, plan, detectors, captions.as_ref(), output).await?))
}

/// All that comes after the photos: measure → judge → prepare → caption → snapshot.
pub async fn finish(
    catalog: &Arc<Catalog>,
    plan: &Plan,
    detectors: &Arc<Detectors>,
    captions: Option<&CaptionPlan>,
    output: Output,
) -> Result<Done> {
    let (_, settled) = measure(catalog, plan, detectors).await?;
    let AllJudged { people: judged, decisions, .. } = judge_and_record(catalog, plan).await?;
    let store = store(catalog, plan)?;
    prepare::run(catalog, &store, &judged).await?;
    summary_table::show(&judged, output)?;
    let captioned = match captions.filter(|captions| captions.asks()) {
        Some(captions) => captions::run(catalog, captions, &judged, &Options::default(), output).await?,
        None => Done::Success,
    };
    let written = publish(catalog, plan, captions, &store, &judged, &decisions, output).await?;
    if let Some(settled) = settled {
        settled.show(&written, output)?;
    }
    Ok(captioned.and(ended(catalog, plan, &judged).await?))
}

/// Measures what is missing, and compares it with the recipe's lock, where it has one.
pub async fn measure(
    catalog: &Arc<Catalog>,
    plan: &Plan,
    detectors: &Arc<Detectors>,
) -> Result<(Measured, Option<Settled>)> {
    measure::say_what_is_not_checked(plan);
    let measured = measure::run(catalog, plan, detectors).await?;
    let settled = match &plan.recipe().lock {
        Some(lock) => Some(lock::settle(catalog, &lock::open(lock)?).await?),
        None => None,
    };
    Ok((measured, settled))
}

/// How a run ended: well only where nothing failed, and some photo is kept.
async fn ended(catalog: &Catalog, plan: &Plan, judged: &[Judged]) -> Result<Done> {
    let sites = plan.site_names();
    let failed = Failed::of(catalog, sites.iter().map(String::as_str)).await?;
    failed.tell();
    Ok(failed.done().and(kept_something(judged)))
}

/// Says where no photo is kept, and why.
fn kept_something(judged: &[Judged]) -> Done {
    let Some(why) = summary_table::nothing_kept(judged) else { return Done::Success };
    eprintln!("bolid: {why}");
    Done::WithFailures
}

/// Applies the rules; with `dry_run` only shows what would change.
pub async fn judge(catalog: &Arc<Catalog>, plan: &Plan, dry_run: bool, output: Output) -> Result<Done> {
    if dry_run {
        let sites = plan.site_names();
        let (judged, unmeasured) =
            judge::judged_so_far(catalog, &plan.probes, &plan.schedule, &plan.recipe().rules, &sites).await?;
        judge::tell_unmeasured(unmeasured);
        verdict_diff::show(catalog, &sites, &judged.people, output).await?;
        if let Some(captions) = &caption_plan(plan)? {
            let texts = Texts::read(catalog, captions).await?;
            captions::shown::show_rules(texts.of_kept(&judged.people), output)?;
        }
        leave(judged);
    } else {
        let judged = judge_and_record(catalog, plan).await?;
        summary_table::show(&judged.people, output)?;
        let done = kept_something(&judged.people);
        leave(judged);
        return Ok(done);
    }
    Ok(Done::Success)
}

/// The program ends behind it: freeing 100,000 photos one by one would take an eighth of the whole time.
fn leave(judged: AllJudged) {
    std::mem::forget(judged);
}

/// Prepares what is kept; gives the number of photos.
pub async fn prepare(catalog: &Arc<Catalog>, plan: &Plan) -> Result<u64> {
    let judged = judge_and_record(catalog, plan).await?.people;
    prepare::run(catalog, &store(catalog, plan)?, &judged).await
}

/// Asks for captions of what is kept.
pub async fn caption(catalog: &Arc<Catalog>, plan: &Plan, options: &Options, output: Output) -> Result<Done> {
    let no_captions = || PlanError::NoCaptions(plan.recipe().name.clone());
    let captions = caption_plan(plan)?.ok_or_else(no_captions)?;
    let judged = judge_and_record(catalog, plan).await?.people;
    captions::run(catalog, &captions, &judged, options, output).await
}

/// What the recipe says of captions, where it does.
fn caption_plan(plan: &Plan) -> Result<Option<CaptionPlan>> {
    plan.recipe().captions.as_ref().map(CaptionPlan::of).transpose()
}

/// Writes a snapshot of what is kept and prepared.
pub async fn snapshot(catalog: &Arc<Catalog>, plan: &Plan, output: Output) -> Result<()> {
    let AllJudged { people, decisions, .. } = judge_and_record(catalog, plan).await?;
    let captions = caption_plan(plan)?;
    publish(catalog, plan, captions.as_ref(), &store(catalog, plan)?, &people, &decisions, output).await?;
    Ok(())
}

async fn judge_and_record(catalog: &Catalog, plan: &Plan) -> Result<AllJudged> {
    let sites = plan.site_names();
    let judged = judge::judged(catalog, &plan.probes, &plan.schedule, &plan.recipe().rules, &sites).await?;
    let waiting = judge::not_measured(&judged.people);
    if waiting > 0 {
        bail!("{waiting} photos lack scores that these rules ask for; run `bolid measure`");
    }
    judge::record(catalog, plan.rules_digest(&judged.decisions), &sites, &judged).await?;
    Ok(judged)
}

fn store(catalog: &Catalog, plan: &Plan) -> Result<PreparedStores> {
    let people = plan.probes.iter().find(|probe| probe.kind == Kind::People);
    let people = *people.context("people are measured")?;
    let recipe = plan.recipe();
    Ok(PreparedStores::new(catalog.workdir(), &recipe.prepare, people, recipe.rules.clone()))
}

async fn publish(
    catalog: &Arc<Catalog>,
    plan: &Plan,
    captions: Option<&CaptionPlan>,
    stores: &PreparedStores,
    judged: &[Judged],
    decisions: &[Decision],
    output: Output,
) -> Result<SnapshotRef> {
    let captions = match (&plan.loaded.recorded_captions, captions) {
        (Some(recorded), _) => SnapshotCaptions::Recorded(recorded),
        (None, None) => SnapshotCaptions::Own,
        (None, Some(plan)) => {
            let texts = Texts::read(catalog, plan).await?;
            captions::tell_waiting(&texts, judged);
            SnapshotCaptions::Chosen(plan, texts)
        }
    };
    let written = create::run(catalog, plan, stores, judged, decisions, &captions).await?;
    let path = written.path.clone();
    let verified = tokio::task::spawn_blocking(move || snapshot::verify(&path))
        .await
        .context("verify the snapshot")??;
    summary_table::show_snapshot(&written, &verified, output)?;
    Ok(written)
}
