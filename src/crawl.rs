//! `bolid crawl`, `import` and `retry`: photos come in.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use catalog::Catalog;
use crawler::{CrawlReport, CrawlSettings, Event, Profile};
use indicatif::{HumanBytes, ProgressBar};
use photo::FailureClass;

use crate::Done;
use crate::cli::{CrawlArgs, Global};
use crate::demo::DemoGallery;
use crate::output::Output;
use crate::plan::Plan;
use crate::recipe::Recipe;
use crate::{open, progress};

/// Crawls all sites of a recipe and imports its folders; the demo gallery is up while that goes on.
pub async fn all(catalog: &Arc<Catalog>, plan: &Plan) -> Result<Vec<CrawlReport>> {
    let demo = match &plan.recipe.demo {
        Some(demo) => Some(DemoGallery::start(demo).await?),
        None => None,
    };
    let mut reports = Vec::new();
    for profile in &plan.profiles {
        let mut settings = settings(profile.clone(), &plan.recipe);
        settings.mirror = demo.as_ref().and_then(|demo| demo.url_for(&settings.profile));
        reports.push(site(catalog, &settings).await?);
    }
    if let Some(demo) = demo {
        demo.stop().await?;
    }
    for import in &plan.recipe.imports {
        reports.push(take_in(catalog, &import.path, &import.name).await?);
    }
    Ok(reports)
}

/// What the recipe says of crawling.
fn settings(profile: Profile, recipe: &Recipe) -> CrawlSettings {
    CrawlSettings {
        min_side: recipe.rules.min_side,
        fresh_for: recipe.crawl.fresh_for,
        max_photos: recipe.crawl.max_photos,
        identities: recipe.crawl.identities.clone(),
        ..CrawlSettings::new(profile)
    }
}

async fn site(catalog: &Catalog, settings: &CrawlSettings) -> Result<CrawlReport> {
    let bar = progress::stage("crawl", 0, "photos");
    let report = crawler::crawl(catalog, settings, &|event| advance(&bar, event)).await;
    bar.finish_and_clear();
    report.with_context(|| format!("crawl {}", settings.site()))
}

fn advance(bar: &ProgressBar, event: &Event) {
    match event {
        Event::PageRead => bar.set_message("reading listings"),
        Event::PageFailed { .. } => {} // the crawler has said which, and why
        Event::PhotosDue(due) => {
            bar.set_message("");
            bar.set_length(*due);
        }
        Event::PhotoStored { .. } | Event::PhotoUnchanged | Event::PhotoFailed(_) => bar.inc(1),
        Event::Left { .. } => {} // the report counts what is left, and why
    }
}

/// `bolid crawl`.
pub async fn command(args: &CrawlArgs, global: &Global, output: Output) -> Result<Done> {
    let plan = Plan::load(&args.recipe)?;
    let profiles = match &args.site {
        Some(path) => vec![Profile::load(path)?],
        None => plan.profiles.clone(),
    };
    // A site named on the command line is asked itself; the demo gallery stands in only for the demo recipe's.
    let demo = match &plan.recipe.demo {
        Some(demo) if args.site.is_none() && args.base_url.is_none() => Some(DemoGallery::start(demo).await?),
        _ => None,
    };
    let catalog = open(global).await?;
    let mut well = true;
    for profile in profiles {
        let mut settings = settings(profile, &plan.recipe);
        settings.mirror = args.base_url.clone().or_else(|| demo.as_ref()?.url_for(&settings.profile));
        settings.contact.clone_from(&args.contact);
        settings.delay = args.delay;
        settings.fresh_for = args.fresh_for.unwrap_or(settings.fresh_for);
        settings.max_photos = args.max_photos.or(settings.max_photos);
        settings.min_photos = args.min_photos.unwrap_or(settings.min_photos);
        settings.simulate = args.simulate;
        if !args.identity.is_empty() {
            settings.identities.clone_from(&args.identity);
        }
        let report = site(&catalog, &settings).await?;
        well &= !report.has_failures();
        output.show(&report, describe)?;
    }
    if let Some(demo) = demo {
        demo.stop().await?;
    }
    Ok(if well { Done::Well } else { Done::WithFailures })
}

fn describe(report: &CrawlReport) -> String {
    let CrawlReport {
        site, pages_read, pages_unchanged, photos_stored, photos_unchanged, photos_due, ..
    } = report;
    let mut lines = vec![format!(
        "{site}: {pages_read} pages read, {pages_unchanged} unchanged; {photos_stored} photos stored ({}), \
         {photos_unchanged} unchanged",
        HumanBytes(report.bytes)
    )];
    if *photos_due > 0 {
        lines.push(format!("  {photos_due} photos would be downloaded"));
    }
    for (what, counts) in [("pages", &report.pages_failed), ("photos", &report.photos_failed)] {
        lines.extend(counts.iter().map(|(class, count)| format!("  {count} {what} failed: {class}")));
    }
    lines.extend(
        report.left.iter().map(|(reason, count)| format!("  {count} left for another run: {reason}")),
    );
    lines.join("\n")
}

/// `bolid import`.
pub async fn import(catalog: &Catalog, path: &Path, name: Option<String>, output: Output) -> Result<Done> {
    let stem = || path.canonicalize().ok()?.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let name = name.or_else(stem).with_context(|| format!("import {}: it does not exist", path.display()))?;
    let report = take_in(catalog, path, &name).await?;
    output.show(&report, describe)?;
    Ok(if report.has_failures() { Done::WithFailures } else { Done::Well })
}

async fn take_in(catalog: &Catalog, path: &Path, name: &str) -> Result<CrawlReport> {
    let bar = progress::stage("import", 0, "photos");
    let report = crawler::import(catalog, path, name, &|event| advance(&bar, event)).await;
    bar.finish_and_clear();
    report.with_context(|| format!("import {}", path.display()))
}

/// `bolid retry`.
pub async fn retry(catalog: &Catalog, classes: &[FailureClass], output: Output) -> Result<()> {
    let forgotten = catalog.forget_failures(classes).await?;
    output.show(&serde_json::json!({ "forgotten": forgotten }), |_| {
        format!(
            "{forgotten} failed downloads will be tried again by the next `bolid crawl` or `bolid dataset`"
        )
    })?;
    Ok(())
}
