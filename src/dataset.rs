//! `bolid dataset`: crawl → measure → judge → prepare → snapshot. Each stage does what is missing, so the same
//! command goes on after a stop and does nothing twice.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use catalog::Catalog;
use curate::Detectors;

use crate::judge::Judged;
use crate::output::Output;
use crate::plan::Plan;
use crate::prepare::PreparedStore;
use crate::{Done, closing, crawl, judge, measure, prepare, publish};

/// The whole way, ending with a verified snapshot and a table of what happened.
pub async fn run(
    catalog: &Arc<Catalog>,
    plan: &Plan,
    detectors: &Arc<Detectors>,
    output: Output,
) -> Result<Done> {
    crawl::all(catalog, plan).await?;
    measure::run(catalog, plan, detectors).await?;
    let judged = judge_and_record(catalog, plan).await?;
    let store = store(catalog, plan)?;
    prepare::run(catalog, &store, &plan.recipe.rules, &judged).await?;
    closing::show(&judged, output)?;
    publish(catalog, plan, &store, &judged, output).await?;
    Ok(Done::with(closing::failed(&judged)))
}

/// Applies the rules; with `dry_run` only shows what would change.
pub async fn judge(catalog: &Arc<Catalog>, plan: &Plan, dry_run: bool, output: Output) -> Result<Done> {
    let judged =
        judge::judged(catalog, &plan.probes()?, &plan.demand()?, &plan.recipe.rules, &plan.site_names())
            .await?;
    if dry_run {
        judge::show_changes(catalog, &judged, output).await?;
    } else {
        judge::record(catalog, plan.rules_digest()?, &judged).await?;
    }
    closing::show(&judged, output)?;
    Ok(Done::Well)
}

/// Prepares what is kept; gives the number of photos.
pub async fn prepare(catalog: &Arc<Catalog>, plan: &Plan) -> Result<u64> {
    let judged = judge_and_record(catalog, plan).await?;
    prepare::run(catalog, &store(catalog, plan)?, &plan.recipe.rules, &judged).await
}

/// Writes a snapshot of what is kept and prepared.
pub async fn snapshot(catalog: &Arc<Catalog>, plan: &Plan, output: Output) -> Result<()> {
    let judged = judge_and_record(catalog, plan).await?;
    publish(catalog, plan, &store(catalog, plan)?, &judged, output).await
}

async fn judge_and_record(catalog: &Catalog, plan: &Plan) -> Result<Vec<Judged>> {
    let judged =
        judge::judged(catalog, &plan.probes()?, &plan.demand()?, &plan.recipe.rules, &plan.site_names())
            .await?;
    let waiting = judge::not_measured(&judged);
    if waiting > 0 {
        bail!("{waiting} photos lack scores that these rules ask for; run `bolid measure`");
    }
    judge::record(catalog, plan.rules_digest()?, &judged).await?;
    Ok(judged)
}

fn store(catalog: &Catalog, plan: &Plan) -> Result<PreparedStore> {
    let [.., people] = plan.probes()?;
    Ok(PreparedStore::new(catalog.workdir(), &plan.recipe.prepare, people, &plan.recipe.rules))
}

async fn publish(
    catalog: &Arc<Catalog>,
    plan: &Plan,
    store: &PreparedStore,
    judged: &[Judged],
    output: Output,
) -> Result<()> {
    let written = publish::run(catalog, plan, store, judged).await?;
    let path = written.path.clone();
    let verified = tokio::task::spawn_blocking(move || snapshot::verify(&path))
        .await
        .context("verify the snapshot")??;
    closing::show_snapshot(&written, &verified, output)?;
    Ok(())
}
