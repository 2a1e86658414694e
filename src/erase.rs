//! `bolid erase`: a person or a photo goes for good, from the catalog, the disk and every snapshot.

use std::fs;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use catalog::erasure::{Removed, Target};
use catalog::{Catalog, Tombstones};
use photo::{Digest, IdentityName};
use serde::Serialize;
use snapshot::{Mention, Withdrawn};

use crate::cli::{EraseArgs, EraseTarget};
use crate::export::{self, Holding};
use crate::output::Output;
use crate::prepare;
use crate::training::adapter::CACHES;
use crate::training::runs;
use crate::training::runs::lineage::{self, WithdrawnRun};
use crate::workspace::LOCKED;

/// Why a snapshot was withdrawn, as its note says.
const REASON: &str =
    "photos in it were erased on request; `bolid snapshot create` makes a new one without them";

#[derive(Serialize)]
struct Report {
    identities: usize,
    photos: usize,
    contents: usize,
    shared_contents: usize,
    files: usize,
    snapshots_withdrawn: Vec<String>,
    runs_withdrawn: Vec<WithdrawnRun>,
    /// Runs whose snapshot is neither here nor withdrawn.
    runs_unknown: Vec<String>,
    /// Exports that hold what was erased, now or before.
    exports: Vec<Holding>,
}

/// What was removed from the disk.
struct Swept {
    files: usize,
    withdrawn: Vec<Withdrawn>,
    runs: Vec<WithdrawnRun>,
    runs_unknown: Vec<String>,
    exports: Vec<Holding>,
}

/// Erases what the arguments name.
pub async fn run(catalog: &Catalog, args: &EraseArgs, output: Output) -> Result<()> {
    let target = target(catalog, &args.what).await?;
    let Some(doomed) = catalog.would_erase(&target).await? else {
        return report_nothing(catalog, &target, output);
    };
    if args.dry_run {
        let doomed = Doomed::of(&doomed);
        return Ok(output.show(&doomed, |doomed| format!("would be erased: {}", doomed.in_words()))?);
    }
    if !args.yes && !is_confirmed(&Doomed::of(&doomed).in_words(), &target)? {
        bail!("erase {}: the answer was not `yes`, so nothing was erased", describe(&target));
    }
    let Some(removed) = catalog.erase(&target).await? else {
        return report_nothing(catalog, &target, output);
    };
    let swept = finish(catalog).await?;
    let Removed { identities, photos, contents, shared } = removed;
    let snapshots_withdrawn: Vec<_> =
        swept.withdrawn.iter().map(|note| format!("{}-{}", note.name, note.id)).collect();
    let report = Report {
        identities,
        photos,
        contents,
        shared_contents: shared,
        files: swept.files,
        snapshots_withdrawn,
        runs_withdrawn: swept.runs,
        runs_unknown: swept.runs_unknown,
        exports: swept.exports,
    };
    output.show(&report, Report::in_words)?;
    Ok(())
}

fn report_nothing(catalog: &Catalog, target: &Target, output: Output) -> Result<()> {
    match catalog.is_erased(target) {
        true => Ok(output.remark("It was erased before; nothing of it is left.")?),
        false => {
            bail!("erase {}: there is nothing of it; `bolid list` shows what there is", describe(target))
        }
    }
}

/// What would go.
#[derive(Serialize)]
struct Doomed {
    identities: usize,
    photos: usize,
    contents: usize,
    shared_contents: usize,
}

impl Doomed {
    fn of(removed: &Removed) -> Self {
        let Removed { identities, photos, contents, shared } = *removed;
        Self { identities, photos, contents, shared_contents: shared }
    }

    fn in_words(&self) -> String {
        let Self { identities, photos, contents, shared_contents } = self;
        format!(
            "{identities} people, {photos} photos, {contents} contents ({shared_contents} more stay, since \
             they stand under somebody else as well); every snapshot and training that holds them is withdrawn"
        )
    }
}

/// Asks whoever sits there.
///
/// # Errors
/// Where nobody does: a script that erases has to say so.
fn is_confirmed(doomed: &str, target: &Target) -> Result<bool> {
    if !io::stdin().is_terminal() {
        bail!(
            "erase {}: nobody is there to be asked, so nothing was erased; add --yes ({doomed})",
            describe(target)
        );
    }
    eprint!("This is erased for good: {doomed}.\nType `yes` to go on: ");
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).context("read the answer")?;
    Ok(answer.trim().eq_ignore_ascii_case("yes"))
}

/// Ends an erasure that was interrupted: every command does so first.
pub async fn finish_interrupted(catalog: &Catalog) -> Result<()> {
    if catalog.has_unfinished_erasure().await? {
        tracing::warn!("an erasure was interrupted; it is finished first");
        let swept = finish(catalog).await?;
        for run in &swept.runs {
            tracing::warn!("{}", saw(run));
        }
        for export in &swept.exports {
            tracing::warn!("{}", export.in_words());
        }
    }
    Ok(())
}

async fn target(catalog: &Catalog, args: &EraseTarget) -> Result<Target> {
    if let Some(identity) = &args.identity {
        let named: Option<IdentityName> = identity.parse().ok();
        return Ok(Target::Identity(named.with_context(|| {
            format!("erase --identity {identity}: SITE/SLUG is expected, as `bolid judge` shows it")
        })?));
    }
    if let Some(url) = &args.url {
        return Ok(Target::Url(url.clone()));
    }
    let text = args.photo.as_deref().unwrap_or_default();
    if let Ok(sha256) = text.parse::<Digest>() {
        return Ok(Target::Bytes(sha256));
    }
    let mut contents = Vec::new();
    for id in catalog.find_photos(text).await? {
        contents.extend(catalog.origin(id).await?.and_then(|origin| origin.sha256));
    }
    contents.sort();
    contents.dedup();
    match &contents[..] {
        [sha256] => Ok(Target::Bytes(*sha256)),
        [] => Ok(Target::Url(text.to_owned())),
        _ => {
            bail!("erase --photo {text}: {} different photos are meant; give a whole digest", contents.len())
        }
    }
}

fn describe(target: &Target) -> String {
    match target {
        Target::Identity(name) => format!("--identity {name}"),
        Target::Url(url) if url.contains(':') => format!("--url {url}"),
        Target::Url(text) => text.clone(),
        Target::Bytes(sha256) => format!("--photo {sha256}"),
    }
}

/// Removes every file that the tombstones know, withdraws snapshots, and folds the database.
async fn finish(catalog: &Catalog) -> Result<Swept> {
    let tombstones = catalog.tombstones();
    let blobs = catalog.remove_erased_blobs()?;
    let tensors = remove_tensors(catalog.workdir(), &tombstones)?;
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_millis() as i64);
    let is_erased = |mention: &Mention<'_>| mentions_erased(&tombstones, mention);
    let snapshots = catalog.workdir().join("snapshots");
    let runs_dir = catalog.workdir().join(runs::FOLDER);
    let is_name = |text: &str| {
        let is_bytes = |text: &str| text.parse().is_ok_and(|sha256| tombstones.has_bytes(sha256));
        tombstones.has_identity_key(text) || tombstones.has_url(text) || is_bytes(text)
    };
    let erased = lineage::Erased { photo: &is_erased, name: &is_name, now_ms };
    let mut runs = lineage::mark_before(&runs_dir, &snapshots, &erased)?;
    let withdrawal = snapshot::withdraw(&snapshots, is_erased, REASON, now_ms)?;
    for (path, error) in &withdrawal.unreadable {
        let path = path.display();
        tracing::warn!(%path, %error, "nobody can tell whether this folder shows what was erased; look at it");
    }
    let (more_runs, runs_unknown) = lineage::mark_after(&runs_dir, &snapshots, &erased)?;
    runs.extend(more_runs);
    // Rebuilt snapshots have catalogs of their own; they are rebuilt again when somebody asks for them. So are caches:
    // their latents decode to the photos, and their rows do not say whose they are.
    for made_again in [LOCKED, CACHES] {
        let folder = catalog.workdir().join(made_again);
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| format!("remove {}", folder.display()))?;
        }
    }
    let ids: Vec<String> = withdrawal.withdrawn.iter().map(|note| note.id.clone()).collect();
    catalog.forget_snapshots(&ids).await?;
    catalog.finish_erasure().await?;
    let exports = export::with_erased(catalog).await?;
    Ok(Swept { files: blobs + tensors, withdrawn: withdrawal.withdrawn, runs, runs_unknown, exports })
}

fn mentions_erased(tombstones: &Tombstones, mention: &Mention<'_>) -> bool {
    tombstones.has_identity_key(mention.identity)
        || tombstones.has_url(mention.url)
        || mention.page_url.is_some_and(|url| tombstones.has_url(url))
        || mention.sha256.is_some_and(|sha256| tombstones.has_bytes(sha256))
}

/// Tensors are named by their photo's digest, finished or not.
fn remove_tensors(workdir: &Path, tombstones: &Tombstones) -> Result<usize> {
    let mut removed = 0;
    for settings in folder(&workdir.join(prepare::FOLDER))? {
        for file in folder(&settings)?.iter().map(|part| folder(part)).collect::<Result<Vec<_>>>()?.concat() {
            let sha256 = file.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
            if sha256.is_some_and(|sha256| tombstones.has_bytes(sha256)) {
                fs::remove_file(&file).with_context(|| format!("remove tensors {}", file.display()))?;
                removed += 1;
            }
        }
    }
    Ok(removed)
}

/// What is in a folder; nothing where there is none.
fn folder(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(path).with_context(|| format!("list {}", path.display()))?;
    entries.map(|entry| Ok(entry?.path())).collect()
}

impl Report {
    fn in_words(&self) -> String {
        let Self { identities, photos, contents, shared_contents, files, .. } = self;
        let mut text = format!(
            "erased: {identities} people, {photos} photos, {contents} contents ({files} files); they are not \
             taken in again"
        );
        if *shared_contents > 0 {
            text +=
                &format!("\n{shared_contents} contents stay, since they stand under somebody else as well");
        }
        for snapshot in &self.snapshots_withdrawn {
            text += &format!("\nsnapshot {snapshot} is withdrawn");
        }
        for run in &self.runs_withdrawn {
            text += &format!("\n{}", saw(run));
        }
        if !self.runs_unknown.is_empty() {
            text += &format!(
                "\nwhether these runs saw it, nobody can tell, since their snapshots are not here: {}",
                self.runs_unknown.join(", ")
            );
        }
        for export in &self.exports {
            text += &format!("\n{}", export.in_words());
        }
        text += "\nCopies outside the work folder (reports, sheets, trained models, locks, exported measurements, \
                 backups) are yours to remove.";
        text
    }
}

/// What a run has to do with what was erased.
fn saw(run: &WithdrawnRun) -> String {
    let WithdrawnRun { run, snapshots, photos, exports } = run;
    let snapshots = snapshots.join(", ");
    let mut text = match photos {
        0 => format!("run {run} was trained on snapshot {snapshots}, but on none of these photos"),
        _ => format!("run {run} saw what was erased: {photos} photos of snapshot {snapshots}"),
    };
    text += "; it is withdrawn and its model is not used any more";
    if !exports.is_empty() {
        text += "; files exported from it:";
        for export in exports {
            text += &format!("\n  {} ({})", export.path.display(), export.what);
        }
    }
    text
}
