//! `bolid status`: how far every site is.

use std::path::Path;

use anyhow::Result;
use catalog::Catalog;
use photo::FailureClass;
use serde::Serialize;

use crate::captions;
use crate::ends::Failed;
use crate::output::Output;

#[derive(Serialize)]
struct SiteStatus {
    #[serde(flatten)]
    counts: catalog::summary::SiteCounts,
    /// Photos that failed, as `retry` and the exit code count them.
    failed: i64,
    /// Why there are no bytes, by class: what failed, was left out, or is no photo.
    failures: Vec<(FailureClass, i64)>,
}

/// Shows a row per site, and the failed downloads by class.
pub async fn run(catalog: &Catalog, output: Output) -> Result<()> {
    let mut sites = Vec::new();
    let mut all = Failed::default();
    for counts in catalog.site_counts().await? {
        let failures = catalog.failure_counts(&counts.site).await?;
        let failed = Failed::of(catalog, [counts.site.as_str()]).await?;
        sites.push(SiteStatus { counts, failed: failed.photos(), failures });
        all.add(failed);
    }
    if sites.is_empty() {
        output.remark(&format!(
            "Nothing in {} yet; begin with `bolid dataset`, `crawl` or `import`.",
            catalog.workdir().display()
        ))?;
        return Ok(());
    }
    let header = ["site", "people", "photos", "waiting", "stored", "failed", "measured", "why not"];
    output.show_all(&sites, &header, |site| {
        let counts = &site.counts;
        let numbers =
            [counts.identities, counts.photos, counts.waiting, counts.stored, site.failed, counts.measured];
        let failures = site.failures.iter().map(|(class, count)| format!("{count} {class}"));
        let mut row = vec![counts.site.clone()];
        row.extend(numbers.map(|number| number.to_string()));
        row.push(if site.failures.is_empty() {
            "–".to_owned()
        } else {
            failures.collect::<Vec<_>>().join(", ")
        });
        row
    })?;
    if let Some(words) = all.in_words() {
        output.remark(&words)?;
    }
    captions::shown::show_counts(&catalog.caption_counts().await?, output)?;
    show_snapshots(&catalog.workdir().join("snapshots"), output)
}

fn show_snapshots(folder: &Path, output: Output) -> Result<()> {
    if output.json || !folder.exists() {
        return Ok(());
    }
    crate::snapshots::list(folder, output)
}
