//! `bolid snapshot export`: a snapshot's photos in the layouts of other tools.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use catalog::Catalog;
use catalog::export::{ExportRow, NewExport};
use indicatif::HumanBytes;
use photo::Digest;
use serde::Serialize;
use snapshot::Snapshot;
use snapshot::export::{Exported, Format};

use crate::cli::SnapshotExportArgs;
use crate::output::Output;
use crate::progress;

#[derive(Serialize)]
struct Report {
    /// The digest of `export.json`.
    sha256: Digest,
    snapshot: String,
    format: &'static str,
    pixels: &'static str,
    identities: usize,
    photos: usize,
    /// Photos that were there from an earlier run.
    kept: usize,
    files: usize,
    bytes: u64,
    path: PathBuf,
}

/// Writes the export, or goes on with it, and notes it in the catalog.
pub async fn run(catalog: Arc<Catalog>, args: &SnapshotExportArgs, output: Output) -> Result<()> {
    let spec = args.spec();
    if spec.repeats.is_some() && spec.format != Format::Kohya {
        bail!("export: --repeats is for --format kohya; leave it out");
    }
    let folder = snapshot::find(&catalog.workdir().join("snapshots"), &args.snapshot)?;
    let snapshot = Snapshot::open(&folder).with_context(|| format!("open snapshot `{}`", args.snapshot))?;
    let out = std::path::absolute(&args.out).with_context(|| format!("find {}", args.out.display()))?;
    let name = format!("{}-{}", snapshot.manifest().spec.name, snapshot.id());
    let (format, pixels) = (spec.format.name(), spec.pixels.name());

    let runtime = tokio::runtime::Handle::current();
    let written: Result<Exported> = tokio::task::spawn_blocking(move || {
        let bar = progress::stage("export", snapshot.photos().len() as u64, "photos");
        let mut id = 0;
        let path = out.display().to_string();
        let export = NewExport { path: &path, snapshot: &name, format, pixels };
        // The row comes first: photos in a folder that nobody knows of could not be found when somebody is
        // erased.
        let begun = || -> Result<()> {
            id = runtime.block_on(begin(&catalog, &snapshot, export))?;
            Ok(())
        };
        let original = |sha256| catalog.blobs().path(sha256);
        let exported = snapshot::export::export(&snapshot, &original, &spec, &out, begun, &|n| bar.inc(n))?;
        bar.finish_and_clear();
        runtime.block_on(catalog.finish_export(id, exported.digest))?;
        Ok(exported)
    })
    .await
    .context("export a snapshot")?;
    let Exported { digest, manifest, kept } =
        written.with_context(|| format!("export snapshot `{}`", args.snapshot))?;

    let report = Report {
        sha256: digest,
        snapshot: format!("{}-{}", manifest.head.snapshot.name, manifest.head.snapshot.id),
        format,
        pixels,
        identities: manifest.identities,
        photos: manifest.photos,
        kept,
        files: manifest.files().count() + 1,
        bytes: manifest.files().map(|file| file.bytes).sum(),
        path: args.out.clone(),
    };
    output.show(&report, Report::in_words)?;
    Ok(())
}

async fn begin(catalog: &Catalog, snapshot: &Snapshot, export: NewExport<'_>) -> Result<i64> {
    let photos: Vec<_> =
        snapshot.photos().iter().map(|photo| (photo.identity.as_str(), photo.facts.sha256)).collect();
    Ok(catalog.begin_export(export, &photos).await?)
}

impl Report {
    fn in_words(&self) -> String {
        let Self { sha256, snapshot, format, pixels, identities, photos, kept, files, bytes, path } = self;
        let mut text = format!(
            "{photos} photos of {identities} people, of snapshot {snapshot}, are in {} as {format}, pixels `{pixels}`: \
             {files} files, {}, export {}",
            path.display(),
            HumanBytes(*bytes),
            sha256.short()
        );
        if *kept > 0 {
            text += &format!("\n{kept} of them were there from an earlier run");
        }
        text
    }
}

/// An export that holds photos which were erased.
#[derive(Serialize)]
pub struct Holding {
    path: String,
    format: String,
    snapshot: String,
    photos: i64,
}

impl Holding {
    /// What has to be done about it.
    pub fn in_words(&self) -> String {
        let Self { path, format, snapshot, photos } = self;
        format!(
            "{path} ({format} of snapshot {snapshot}) holds {photos} photos that were erased: remove it, and \
             export a new snapshot"
        )
    }
}

/// The exports that hold photos which were erased. Those whose folders are gone are forgotten.
pub async fn with_erased(catalog: &Catalog) -> Result<Vec<Holding>> {
    let mut holding = Vec::new();
    for ExportRow { id, path, snapshot, format, erased_photos, .. } in catalog.exports_with_erased().await? {
        // A folder whose disk is not mounted, or that may not be looked into, is not gone.
        let folder = Path::new(&path);
        let is_gone = matches!(folder.try_exists(), Ok(false)) && folder.parent().is_some_and(Path::is_dir);
        if is_gone {
            catalog.forget_export(id).await?;
        } else {
            holding.push(Holding { path, format, snapshot, photos: erased_photos });
        }
    }
    Ok(holding)
}
