//! `bolid snapshot create`: what is judged and prepared becomes an immutable snapshot.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use catalog::Catalog;
use catalog::decision::Decision;
use catalog::measurement::Probe;
use curate::Measurements;
use curate::model::ModelEntry;
use photo::measurement::Kind;
use photo::redact::redacted;
use photo::{Verdict, WatermarkScore};
use serde_json::json;
use snapshot::manifest::CAPTIONS;
use snapshot::{
    DroppedRow, FetchRow, IdentityRows, MeasurementRow, ModelRef, PhotoRow, Scores, SnapshotRef,
    SnapshotSpec, Writer,
};

use crate::captions::of_snapshot::SnapshotCaptions;
use crate::judge::Judged;
use crate::plan::Plan;
use crate::prepare::{PreparedFacts, PreparedStore, PreparedStores};
use crate::progress;
use crate::scores::{self, Content, Scored};

/// Writes the snapshot, or finds that the same one is there already.
pub async fn run(
    catalog: &Arc<Catalog>,
    plan: &Plan,
    stores: &PreparedStores,
    all: &[Judged],
    decisions: &[Decision],
    captions: &SnapshotCaptions<'_>,
) -> Result<SnapshotRef> {
    let spec = spec(plan, decisions, captions);
    warn_of_secrets(all);
    let mut rows = Vec::new();
    for judged in all {
        let store = stores.of_site(&judged.identity.site);
        let mut of_person = identity_rows(catalog, &store, judged, captions).await?;
        of_person.measurements = measurements(&plan.probes, judged);
        rows.push((of_person, store));
    }
    let folder = catalog.workdir().join("snapshots");
    let existing =
        snapshot::find_inputs(&folder, snapshot::inputs_digest(&spec, rows.iter().map(|(rows, _)| rows)))?;
    let found = match existing {
        Some(found) => found,
        None => tokio::task::spawn_blocking(move || write(&folder, spec, rows))
            .await
            .context("write a snapshot")??,
    };
    let judged = all.iter().flat_map(|judged| &judged.photos);
    let photos: Vec<_> =
        judged.filter_map(|(photo, verdict)| Some((photo.row.id, verdict.as_ref()?.is_keep()))).collect();
    let path = found.path.strip_prefix(catalog.workdir()).unwrap_or(&found.path);
    catalog.record_snapshot(&found.id, &found.name, &path.display().to_string(), &photos).await?;
    Ok(found)
}

/// What was measured of a person's photos, as far as the recipe asks for it: what earlier settings asked for
/// as well is not part of the dataset. Face embeddings are biometric data, and stay in the catalog.
fn measurements(probes: &[Probe], judged: &Judged) -> Vec<MeasurementRow> {
    let contents = judged
        .photos
        .iter()
        .filter_map(|(photo, verdict)| photo.content.as_ref().filter(|_| verdict.is_some()));
    contents.flat_map(|content| list_rows(probes, content)).collect()
}

fn list_rows<'a>(
    probes: &'a [Probe],
    content: &Arc<Content>,
) -> impl Iterator<Item = MeasurementRow> + use<'a> {
    let content = Arc::clone(content);
    let probes = probes.iter().filter(|probe| probe.kind != Kind::FaceEmbedding);
    probes.map(move |probe| MeasurementRow {
        sha256: content.sha256,
        kind: probe.kind.name().to_owned(),
        probe: probe.digest,
        value: scores::said(&content.measured, probe.kind).text().to_owned(),
    })
}

fn write(
    folder: &std::path::Path,
    spec: SnapshotSpec,
    rows: Vec<(IdentityRows, PreparedStore)>,
) -> Result<SnapshotRef> {
    let photos = rows.iter().map(|(rows, _)| rows.photos.len() as u64).sum();
    let bar = progress::stage("snapshot", photos, "photos");
    let mut writer = Writer::create(folder, spec)?;
    for (rows, store) in rows {
        writer.add_identity(rows, |photo| {
            let tensors = store.read(photo.sha256);
            bar.inc(1);
            tensors
        })?;
    }
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_millis() as i64);
    let written = writer.finish(now_ms)?;
    bar.finish_and_clear();
    Ok(written)
}

/// What the snapshot's id stands for besides the photos: nothing that depends on a machine, a folder or the time.
fn spec(plan: &Plan, decisions: &[Decision], captions: &SnapshotCaptions<'_>) -> SnapshotSpec {
    let recipe = plan.recipe();
    let mut source = json!({
        "sites": plan.site_names(),
        "demo": recipe.demo,
        "identities": recipe.crawl.identities,
        "max_photos": recipe.crawl.max_photos,
        "measure_all": recipe.measure.all,
        "splits": recipe.splits,
    });
    let licences = plan.loaded.licences();
    if !licences.is_empty() {
        source["licences"] = json!(licences);
    }
    if !decisions.is_empty() {
        source["decisions"] = json!(decisions); // what was decided by hand makes another dataset
    }
    if let Some(about) = captions.about() {
        source[CAPTIONS] = about.clone();
    }
    SnapshotSpec {
        name: recipe.name.clone(),
        recipe: source,
        rules: recipe.rules.clone(),
        prepare: json!(recipe.prepare),
        models: plan.models.iter().flat_map(model_refs).collect(),
        program_version: env!("CARGO_PKG_VERSION").to_owned(),
        size_px: recipe.prepare.size_px,
    }
}

/// The files that measure for a role: of a variant, both.
pub fn model_refs(model: &ModelEntry) -> impl Iterator<Item = ModelRef> {
    let file = |model: &ModelEntry| ModelRef {
        role: model.role.to_string(),
        name: model.name.clone(),
        sha256: model.sha256,
    };
    std::iter::once(file(model)).chain(model.fallback_entry().as_ref().map(file))
}

async fn identity_rows(
    catalog: &Catalog,
    store: &PreparedStore,
    judged: &Judged,
    captions: &SnapshotCaptions<'_>,
) -> Result<IdentityRows> {
    let caption_of = captions.of(judged);
    let mut rows = IdentityRows { identity: judged.identity.key().into(), ..IdentityRows::default() };
    for (photo, verdict) in &judged.photos {
        let Some(verdict) = verdict else { continue };
        let url = redacted(photo.row.file_url.as_ref().unwrap_or(&photo.row.source_url)).into_owned();
        if let (Some(content), Some(fetched_at_ms)) = (&photo.content, photo.row.fetched_at) {
            rows.fetches.push(FetchRow { sha256: content.sha256, url: url.clone(), fetched_at_ms });
        }
        match verdict {
            Verdict::Keep => {
                let mut row = kept(catalog, store, photo, url).await?;
                (row.caption, row.caption_source) = caption_of(row.sha256, photo.row.caption.as_deref());
                rows.photos.push(row);
            }
            Verdict::Drop(reasons) => rows.dropped.push(dropped(photo, url, reasons.clone())),
        }
    }
    Ok(rows)
}

/// A kept photo, still without its caption.
async fn kept(catalog: &Catalog, store: &PreparedStore, photo: &Scored, url: String) -> Result<PhotoRow> {
    let content = photo.content.as_ref().context("a kept photo has bytes")?;
    let measured = content.measured.as_ref().ok().context("a kept photo can be read")?;
    let facts: Option<PreparedFacts> = catalog.prepared(content.sha256, store.digest).await?;
    let facts =
        facts.with_context(|| format!("photo {} is not prepared; run `bolid prepare`", content.sha256))?;
    Ok(PhotoRow {
        url,
        page_url: page_url(photo),
        sha256: content.sha256,
        last_modified: photo.row.last_modified.clone(),
        caption: None,
        caption_source: None,
        scores: scores(photo),
        width: measured.facts.width,
        height: measured.facts.height,
        person_box: facts.person_box,
        joints: facts.joints,
        joints_in_photo: facts.joints_in_photo,
        affine: facts.affine,
    })
}

fn dropped(photo: &Scored, url: String, reasons: Vec<photo::Reason>) -> DroppedRow {
    let measured = photo.content.as_ref().and_then(|content| content.measured.as_ref().ok());
    DroppedRow {
        url,
        page_url: page_url(photo),
        sha256: photo.content.as_ref().map(|content| content.sha256),
        width: measured.map_or(photo.row.hint_width, |measured| Some(measured.facts.width)),
        height: measured.map_or(photo.row.hint_height, |measured| Some(measured.facts.height)),
        scores: scores(photo),
        reasons,
    }
}

/// The photo page, where the photo has one of its own.
fn page_url(photo: &Scored) -> Option<String> {
    let source = &photo.row.source_url;
    (photo.row.file_url.as_ref() != Some(source)).then(|| redacted(source).into_owned())
}

/// Says how many addresses are published without what was secret in them: nobody else can fetch those photos by them.
fn warn_of_secrets(all: &[Judged]) {
    let is_secret = |url: &String| redacted(url) != url.as_str();
    let photos = all.iter().flat_map(|judged| &judged.photos);
    let count = photos
        .filter(|(photo, verdict)| {
            let row = &photo.row;
            verdict.is_some() && (is_secret(&row.source_url) || row.file_url.as_ref().is_some_and(is_secret))
        })
        .count();
    if count > 0 {
        eprintln!("bolid: {count} addresses hold a password or a token, which the snapshot leaves out");
    }
}

/// The scores of a photo as snapshots and reports have them.
pub fn scores(photo: &Scored) -> Scores {
    let measured = photo.content.as_ref().and_then(|content| content.measured.as_ref().ok());
    measured.map(|measured| scores_of(measured, photo.similarity)).unwrap_or_default()
}

/// The same of what was measured. `similarity`: of its face to most faces of the identity.
pub fn scores_of(measured: &Measurements, similarity: Option<f32>) -> Scores {
    let highest = measured.watermark.as_ref().and_then(WatermarkScore::highest);
    Scores {
        watermark: highest.map(|(_, score)| score),
        watermark_region: highest.map(|(region, _)| region),
        face: measured.faces.iter().flatten().map(|face| face.score).reduce(f32::max),
        person: measured.people.iter().flatten().map(|person| person.score).reduce(f32::max),
        sharpness: Some(measured.facts.sharpness),
        brightness: Some(measured.facts.brightness),
        perceptual_hash: Some(measured.facts.perceptual_hash.clone()),
        similarity,
    }
}
