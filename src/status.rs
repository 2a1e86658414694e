//! `bolid status`: how far every site is.

use std::path::Path;

use anyhow::Result;
use catalog::Catalog;
use serde::Serialize;

use crate::ends::Failed;
use crate::output::Output;

#[derive(Serialize)]
struct SiteStatus {
    #[serde(flatten)]
    counts: catalog::summary::SiteCounts,
    /// Why there are no bytes, by class: what failed, was left out, or is no photo.
    failures: Vec<(String, i64)>,
}

/// Shows a row per site, and the failed downloads by class.
pub async fn run(catalog: &Catalog, output: Output) -> Result<()> {
    let mut sites = Vec::new();
    for mut counts in catalog.site_counts().await? {
        let failures = catalog.failure_counts(&counts.site).await?;
        counts.failed = Failed::of(catalog, [counts.site.as_str()]).await?.photos();
        sites.push(SiteStatus { counts, failures });
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
            [counts.identities, counts.photos, counts.waiting, counts.stored, counts.failed, counts.measured];
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
    let names = sites.iter().map(|site| site.counts.site.as_str());
    if let Some(words) = Failed::of(catalog, names).await?.in_words() {
        output.remark(&words)?;
    }
    show_snapshots(&catalog.workdir().join("snapshots"), output)
}

fn show_snapshots(folder: &Path, output: Output) -> Result<()> {
    if output.json || !folder.exists() {
        return Ok(());
    }
    crate::snapshots::list(folder, output)
}
