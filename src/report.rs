//! `bolid report`: a page on which people look through the photos of the catalog or of a snapshot, and decide.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use catalog::{BlobStore, Catalog};
use curate::PrepareSettings;
use curate::people::Counted;
use photo::identity_name::site_of;
use photo::redact::redacted;
use photo::{BoundingBox, Detection, Digest, IdentityName, Joints, Person, Reason, Rules};
use rayon::iter::{IndexedParallelIterator, IntoParallelRefMutIterator, ParallelIterator};
use snapshot::{FoundBox, Review, ReviewPhoto, Snapshot};

use crate::cli::ReportArgs;
use crate::judge::{self, AllJudged, Judged};
use crate::output::Output;
use crate::plan::Plan;
use crate::scores::{Content, Scored};
use crate::snapshots::create;
use crate::{progress, scores};

#[cfg(test)]
mod agreement;

/// Writes the page of a recipe's verdicts on the catalog.
pub async fn of_stored(catalog: &Catalog, plan: &Plan, args: &ReportArgs, output: Output) -> Result<()> {
    let recipe = plan.recipe();
    let (judged, unmeasured) =
        judge::judged_so_far(catalog, &plan.probes, &plan.schedule, &recipe.rules, &plan.site_names())
            .await?;
    judge::tell_unmeasured(unmeasured);
    let review = of_catalog(&judged, recipe.name.clone(), recipe.rules.clone(), &recipe.prepare);
    write(review, catalog.blobs(), args, output)
}

/// Writes the page of a snapshot's verdicts, by what the snapshot itself says.
pub fn of_snapshot(workdir: &Path, wanted: &str, args: &ReportArgs, output: Output) -> Result<()> {
    let path = snapshot::find(&workdir.join("snapshots"), wanted)?;
    let snapshot = Snapshot::open(&path).with_context(|| format!("open snapshot `{wanted}`"))?;
    write(review(&snapshot)?, &BlobStore::of_workdir(workdir), args, output)
}

fn write(mut review: Review, blobs: &BlobStore, args: &ReportArgs, output: Output) -> Result<()> {
    add_thumbnails(blobs, &mut review.photos, args.thumbnail_px);
    let (page, out) = (snapshot::review_page(&review), &args.out);
    fs::write(out, &page).with_context(|| format!("write the report {}", out.display()))?;
    let report = serde_json::json!({ "report": out, "photos": review.photos.len(), "bytes": page.len() });
    output.show(&report, |_| {
        let (photos, size) = (review.photos.len(), indicatif::HumanBytes(page.len() as u64));
        format!("{photos} photos in {} ({size}); open it in a browser", out.display())
    })?;
    Ok(())
}

fn of_catalog(all: &AllJudged, name: String, rules: Rules, prepare: &PrepareSettings) -> Review {
    let decided: HashMap<(&IdentityName, Digest), Option<bool>> =
        all.decisions.iter().map(|decision| ((&decision.identity, decision.sha256), decision.keep)).collect();
    let mut photos = Vec::new();
    let mut identities = Vec::new();
    for Judged { identity, photos: of_person } in &all.people {
        let (key, rules) = (identity.key(), rules.of_site(&identity.site));
        for (photo, verdict) in of_person {
            let Some(verdict) = verdict else { continue };
            let shown = shown(photo, &rules, prepare);
            photos.push(ReviewPhoto {
                identity: identities.len(),
                keep: verdict.is_keep(),
                decided: shown.sha256.and_then(|sha256| decided.get(&(&key, sha256)).copied()?),
                reasons: verdict.reasons().to_vec(),
                ..shown
            });
        }
        identities.push(key.into());
    }
    Review { name, rules, alpha: prepare.alpha, identities, photos }
}

/// The photos of a snapshot with its verdicts, and what it says was measured of them.
fn review(snapshot: &Snapshot) -> Result<Review> {
    let spec = &snapshot.manifest().spec;
    let prepare: PrepareSettings = serde_json::from_value(spec.prepare.clone())
        .with_context(|| format!("read the settings of snapshot {}", snapshot.id()))?;
    let reading = || format!("read the measurements of snapshot {}", snapshot.id());
    let measured =
        scores::of_snapshot(&snapshot.measurements().with_context(reading)?).with_context(reading)?;
    let dropped = snapshot.dropped()?;
    let mut identities: Vec<&str> = snapshot.photos().iter().map(|photo| &*photo.identity).collect();
    identities.extend(dropped.iter().map(|photo| &*photo.identity));
    identities.sort_unstable();
    identities.dedup();
    let place = |identity: &str| identities.binary_search(&identity).unwrap_or_default();
    let base = |identity: &str, sha256: Option<Digest>| {
        let mut photo = ReviewPhoto::default();
        if let Some(content) = sha256.and_then(|sha256| measured.get(&sha256)) {
            add_content(&mut photo, content, &spec.rules.of_site(site_of(identity)), &prepare);
        }
        photo
    };
    let is_watermark_off = !spec.models.iter().any(|model| model.role == "watermark");
    let mut photos = Vec::new();
    for photo in snapshot.photos() {
        let facts = &photo.facts;
        let (width, height) = (facts.width, facts.height);
        let base = base(&photo.identity, Some(facts.sha256));
        let (bbox, score) = (facts.person_box, facts.scores.person.unwrap_or_default());
        let person = Person { bbox, score, joints: facts.joints_in_photo };
        let [scale, ..] = facts.affine.0;
        photos.push(ReviewPhoto {
            identity: place(&photo.identity),
            sha256: Some(facts.sha256),
            url: facts.url.clone(),
            width: Some(width),
            height: Some(height),
            keep: true,
            readable: true,
            scores: facts.scores.clone(),
            people: base.people.or_else(|| Some(vec![found_person(&person, width, height)])),
            joints: Some(shares_of_joints(&person.joints, width, height)),
            sigma: Some(sigma(&prepare, scale, width, height)),
            ..base
        });
    }
    for photo in &dropped {
        let facts = &photo.facts;
        let base = base(&photo.identity, facts.sha256);
        photos.push(ReviewPhoto {
            identity: place(&photo.identity),
            sha256: facts.sha256,
            url: facts.url.clone(),
            width: facts.width,
            height: facts.height,
            readable: facts.scores.sharpness.is_some(),
            scores: facts.scores.clone(),
            reasons: facts.reasons.clone(),
            // A snapshot holds no embeddings, and those of format 1 no measurements.
            watermark_measured: base.watermark_measured
                || is_watermark_off
                || facts.scores.watermark.is_some(),
            embedding_measured: facts.scores.similarity.is_some() || are_of_others(&facts.reasons),
            decided: facts.reasons.contains(&Reason::Review).then_some(false),
            ..base
        });
    }
    photos.sort_by_key(|photo| photo.identity);
    Ok(Review {
        name: format!("{}-{}", spec.name, snapshot.id()),
        rules: spec.rules.clone(),
        alpha: prepare.alpha,
        identities: identities.into_iter().map(str::to_owned).collect(),
        photos,
    })
}

/// Whether a photo was dropped for other photos or by hand alone: then every model was asked of it, also where its
/// face was compared with nobody's, since its identity has too few.
fn are_of_others(reasons: &[Reason]) -> bool {
    reasons.iter().all(|reason| {
        matches!(
            reason,
            Reason::Duplicate { .. }
                | Reason::NearDuplicate { .. }
                | Reason::TwoIdentities { .. }
                | Reason::TooFewPhotos { .. }
                | Reason::Review
        )
    })
}

/// What is stored of a photo, without a verdict. What no model was asked for is not shown.
fn shown(photo: &Scored, rules: &Rules, prepare: &PrepareSettings) -> ReviewPhoto {
    let mut shown = ReviewPhoto {
        url: redacted(photo.row.file_url.as_ref().unwrap_or(&photo.row.source_url)).into_owned(),
        width: photo.row.hint_width,
        height: photo.row.hint_height,
        scores: create::scores(photo),
        ..ReviewPhoto::default()
    };
    if let Some(content) = &photo.content {
        add_content(&mut shown, content, rules, prepare);
    }
    shown
}

/// What was measured of a photo's bytes.
fn add_content(shown: &mut ReviewPhoto, content: &Content, rules: &Rules, prepare: &PrepareSettings) {
    shown.sha256 = Some(content.sha256);
    let Ok(measured) = &content.measured else { return };
    let (width, height) = (measured.facts.width, measured.facts.height);
    (shown.width, shown.height, shown.readable) = (Some(width), Some(height), true);
    shown.watermark_measured = measured.watermark.is_some();
    shown.embedding_measured = measured.face_embedding.is_some();
    let face = |face: &Detection| FoundBox {
        bbox: shares(&face.bbox, width, height),
        score: face.score,
        joint: None,
    };
    shown.faces = measured.faces.as_ref().map(|faces| faces.iter().map(face).collect());
    let Some(people) = &measured.people else { return };
    shown.people = Some(people.iter().map(|person| found_person(person, width, height)).collect());
    let faces = measured.faces.as_deref().unwrap_or_default();
    if let Some(person) = Counted::new(faces, people, rules).main_person() {
        let person = Person { joints: person.joints.gated(rules.joints.min_score), ..*person };
        shown.joints = Some(shares_of_joints(&person.joints, width, height));
        shown.sigma = Some(sigma(prepare, prepare.scale(width, height, &person), width, height));
    }
}

fn found_person(person: &Person, width: u32, height: u32) -> FoundBox {
    let surest = person.joints.confidences().into_iter().fold(0.0, f32::max);
    FoundBox { bbox: shares(&person.bbox, width, height), score: person.score, joint: Some(surest) }
}

/// σ as a share of the photo's longer side. `scale`: px of the tensor for a px of the photo.
fn sigma(prepare: &PrepareSettings, scale: f64, width: u32, height: u32) -> f64 {
    let share = prepare.sigma_px / scale / f64::from(width.max(height));
    (share * 1e4).round() / 1e4
}

/// To four digits: a tenth of a pixel of a thumbnail.
fn share(px: f32, side: u32) -> f32 {
    photo::score::rounded(px / side.max(1) as f32)
}

fn shares(bbox: &BoundingBox, width: u32, height: u32) -> [f32; 4] {
    [share(bbox.x0, width), share(bbox.y0, height), share(bbox.x1, width), share(bbox.y1, height)]
}

fn shares_of_joints(joints: &Joints, width: u32, height: u32) -> Vec<[f32; 3]> {
    joints.0.iter().map(|joint| [share(joint.x, width), share(joint.y, height), joint.confidence]).collect()
}

/// Small pictures of all photos whose bytes are here. What cannot be read has none.
fn add_thumbnails(blobs: &BlobStore, photos: &mut [ReviewPhoto], longer_px: u32) {
    let bar = progress::stage("report", photos.len() as u64, "photos");
    // One photo at a time per thread: memory is bounded by the number of threads.
    photos.par_iter_mut().with_max_len(1).for_each(|photo| {
        photo.thumbnail = photo.sha256.and_then(|sha256| thumbnail(blobs, sha256, longer_px));
        bar.inc(1);
    });
    bar.finish_and_clear();
}

fn thumbnail(blobs: &BlobStore, sha256: Digest, longer_px: u32) -> Option<Vec<u8>> {
    let bytes = blobs.read(sha256).ok()?;
    let small = curate::preview(&bytes, longer_px).ok()?;
    Some(snapshot::thumbnail_jpeg(small.as_raw(), small.width(), small.height()))
}
