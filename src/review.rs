//! `bolid report` and `bolid review`: a page on which people look through photos and decide, and what they decided.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use catalog::Catalog;
use catalog::decision::Decision;
use curate::Need;
use curate::people::Counted;
use image::imageops;
use photo::{BoundingBox, Digest, Joints, Reason, Rules, WatermarkScore};
use rayon::iter::{IndexedParallelIterator, IntoParallelRefMutIterator, ParallelIterator};
use snapshot::{Review, ReviewPhoto, ReviewScores, Slider, Snapshot};

use crate::judge::{self, AllJudged, Judged};
use crate::output::Output;
use crate::plan::Plan;
use crate::progress;
use crate::scores::{Content, Scored};

/// The longer side of a thumbnail in px: sharp in a card, about 6 kB.
const THUMBNAIL_PX: u32 = 192;

/// Writes the page: of the recipe's verdicts on the catalog, or of a snapshot's.
pub async fn report(
    catalog: &Catalog,
    plan: &Plan,
    wanted: Option<&str>,
    out: &Path,
    output: Output,
) -> Result<()> {
    let rules = &plan.recipe.rules;
    let judged = judge::judged(catalog, &plan.probes()?, &plan.demand()?, rules, &plan.site_names()).await?;
    let mut review = Review {
        name: plan.recipe.name.clone(),
        identities: Vec::new(),
        photos: Vec::new(),
        sliders: sliders(rules),
        sigma: plan.recipe.prepare.sigma_px / f64::from(plan.recipe.prepare.size_px),
    };
    match wanted {
        None => of_catalog(&judged, rules, &mut review),
        Some(wanted) => {
            let path = snapshot::find(&catalog.workdir().join("snapshots"), wanted)?;
            let snapshot = Snapshot::open(&path).with_context(|| format!("open snapshot `{wanted}`"))?;
            review.name = format!("{}-{}", snapshot.manifest().spec.name, snapshot.id());
            review.sliders = sliders(&snapshot.manifest().spec.rules);
            of_snapshot(&snapshot, &judged, &mut review)?;
        }
    }
    add_thumbnails(catalog, &mut review.photos);
    let page = snapshot::review_page(&review);
    fs::write(out, &page).with_context(|| format!("write the report {}", out.display()))?;
    let report = serde_json::json!({ "report": out, "photos": review.photos.len(), "bytes": page.len() });
    output.show(&report, |_| {
        let (photos, size) = (review.photos.len(), indicatif::HumanBytes(page.len() as u64));
        format!("{photos} photos in {} ({size}); open it in a browser", out.display())
    })?;
    Ok(())
}

/// `bolid review import`.
pub async fn import(catalog: &Catalog, file: &Path, output: Output) -> Result<()> {
    let text = fs::read_to_string(file).with_context(|| format!("read decisions {}", file.display()))?;
    let parse = |(number, line): (usize, &str)| -> Result<Decision> {
        serde_json::from_str(line)
            .with_context(|| format!("decisions {}, line {}", file.display(), number + 1))
    };
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let decisions: Vec<Decision> = lines.map(parse).collect::<Result<_>>()?;
    catalog.record_decisions(&decisions).await?;
    let of = |wanted: Option<bool>| decisions.iter().filter(|decision| decision.keep == wanted).count();
    let (keep, drop, taken_back) = (of(Some(true)), of(Some(false)), of(None));
    let report = serde_json::json!({ "keep": keep, "drop": drop, "taken_back": taken_back });
    output.show(&report, |_| {
        format!("decisions: {keep} keep, {drop} drop, {taken_back} taken back; `bolid judge` applies them")
    })?;
    Ok(())
}

fn sliders(rules: &Rules) -> Vec<Slider> {
    let share = |name, label, reason, over, at: f32| {
        let at = (f64::from(at) * 1e4).round() / 1e4; // 0.4 as a 64-bit number, not as the nearest 32-bit one
        Slider { name, label, reason, over, min: 0.0, max: 1.0, step: 0.01, at }
    };
    let other = |name, label, reason, max, step, at| Slider {
        name,
        label,
        reason,
        over: false,
        min: 0.0,
        max,
        step,
        at,
    };
    let mut sliders = vec![
        share("watermark", "watermark, at most", "watermark", true, rules.watermark.max_score),
        share("face", "surest face, at least", "no_face", false, rules.faces.min_score),
        share("person", "surest person, at least", "no_person", false, rules.people.min_score_with_face),
        other("side", "shorter side, at least (px)", "too_small", 3000.0, 10.0, f64::from(rules.min_side)),
        // No rule asks for it: the page shows what one would do.
        other("sharpness", "sharpness, at least (no rule)", "sharpness", 1000.0, 5.0, 0.0),
    ];
    if let Some(lowest) = rules.identity.compares_from() {
        sliders.push(share(
            "similarity",
            "like the person's other faces, at least",
            "other_person",
            false,
            lowest,
        ));
    }
    sliders
}

fn of_catalog(all: &AllJudged, rules: &Rules, review: &mut Review) {
    let decided: BTreeSet<(&str, Digest)> =
        all.decisions.iter().map(|decision| (decision.identity.as_str(), decision.sha256)).collect();
    for Judged { identity, photos } in &all.people {
        let (key, rules) = (identity.key(), rules.of_site(&identity.site));
        for (photo, verdict) in photos {
            let Some(verdict) = verdict else { continue };
            let sha256 = photo.content.as_ref().map(|content| content.sha256);
            let mut shown = shown(photo, &rules);
            shown.identity = review.identities.len();
            shown.keep = verdict.is_keep();
            shown.decided = sha256.is_some_and(|sha256| decided.contains(&(key.as_str(), sha256)));
            shown.reasons = reasons(verdict.reasons());
            review.photos.push(shown);
        }
        review.identities.push(key);
    }
}

/// The photos of a snapshot with its verdicts. What the catalog knows of them besides is shown as well.
fn of_snapshot(snapshot: &Snapshot, all: &AllJudged, review: &mut Review) -> Result<()> {
    let rules = &snapshot.manifest().spec.rules;
    let mut known: HashMap<(String, String), (&Scored, Arc<Rules>)> = HashMap::new();
    for Judged { identity, photos } in &all.people {
        let rules = Arc::new(rules.of_site(&identity.site));
        for (photo, _) in photos {
            let url = photo.row.file_url.as_ref().unwrap_or(&photo.row.source_url);
            known.insert((identity.key(), url.clone()), (photo, Arc::clone(&rules)));
        }
    }
    let dropped = snapshot.dropped()?;
    let mut identities: Vec<&str> = snapshot.photos().iter().map(|photo| photo.identity.as_str()).collect();
    identities.extend(dropped.iter().map(|photo| photo.identity.as_str()));
    identities.sort_unstable();
    identities.dedup();
    let base = |identity: &str, url: &str| {
        let found = known.get(&(identity.to_owned(), url.to_owned()));
        let mut shown = found.map_or_else(|| empty(url), |(photo, rules)| shown(photo, rules));
        shown.identity = identities.binary_search(&identity).unwrap_or(0);
        shown
    };
    for photo in snapshot.photos() {
        let facts = &photo.facts;
        let mut shown = base(&photo.identity, &facts.url);
        shown.keep = true;
        shown.sha256 = Some(facts.sha256.to_string());
        (shown.width, shown.height) = (Some(facts.width), Some(facts.height));
        shown.joints = Some(shares_of_joints(&facts.joints_in_photo, facts.width, facts.height));
        shown.people = vec![shares(&facts.person_box, facts.width, facts.height)];
        review.photos.push(shown);
    }
    for photo in &dropped {
        let mut shown = base(&photo.identity, &photo.facts.url);
        shown.reasons = reasons(&photo.facts.reasons);
        shown.sha256 = photo.facts.sha256.map(|sha256| sha256.to_string());
        review.photos.push(shown);
    }
    review.photos.sort_by_key(|photo| photo.identity);
    review.identities = identities.into_iter().map(str::to_owned).collect();
    Ok(())
}

fn reasons(reasons: &[Reason]) -> Vec<(&'static str, String)> {
    reasons.iter().map(|reason| (reason.name(), reason.to_string().replacen('_', " ", 2))).collect()
}

fn empty(url: &str) -> ReviewPhoto {
    ReviewPhoto {
        identity: 0,
        sha256: None,
        url: url.to_owned(),
        width: None,
        height: None,
        keep: false,
        decided: false,
        reasons: Vec::new(),
        scores: ReviewScores::default(),
        people: Vec::new(),
        faces: Vec::new(),
        joints: None,
        thumb: None,
    }
}

/// What is stored of a photo, without a verdict.
fn shown(photo: &Scored, rules: &Rules) -> ReviewPhoto {
    let url = photo.row.file_url.as_ref().unwrap_or(&photo.row.source_url);
    let mut shown = empty(url);
    (shown.width, shown.height) = (photo.row.hint_width, photo.row.hint_height);
    let Some(content) = photo.content.as_ref().map(Arc::as_ref) else { return shown };
    let Content { sha256, measured } = content;
    shown.sha256 = Some(sha256.to_string());
    let Ok(measured) = measured else { return shown };
    let (width, height) = (measured.facts.width, measured.facts.height);
    (shown.width, shown.height) = (Some(width), Some(height));
    // What no model was asked for is not shown.
    let faces = measured.faces.as_deref().unwrap_or_default();
    let people = measured.people.as_deref().unwrap_or_default();
    shown.scores = ReviewScores {
        watermark: measured.watermark.as_ref().and_then(WatermarkScore::highest).map(|(_, score)| score),
        face: faces.iter().map(|face| face.score).reduce(f32::max),
        person: people.iter().map(|person| person.score).reduce(f32::max),
        side: Some(width.min(height)),
        sharpness: Some(measured.facts.sharpness),
        similarity: photo.similarity,
    };
    let counted = Counted::new(faces, people, rules);
    shown.people = counted.people.iter().map(|person| shares(&person.bbox, width, height)).collect();
    shown.faces = counted.faces.iter().map(|face| shares(&face.bbox, width, height)).collect();
    let joints = counted.main_person().map(|person| person.joints.gated(rules.joints.min_score));
    shown.joints = joints.map(|joints| shares_of_joints(&joints, width, height));
    shown
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
fn add_thumbnails(catalog: &Catalog, photos: &mut [ReviewPhoto]) {
    let bar = progress::stage("report", photos.len() as u64, "photos");
    // One photo at a time per thread: memory is bounded by the number of threads.
    photos.par_iter_mut().with_max_len(1).for_each(|photo| {
        photo.thumb = thumbnail(catalog, photo);
        bar.inc(1);
    });
    bar.finish_and_clear();
}

fn thumbnail(catalog: &Catalog, photo: &ReviewPhoto) -> Option<String> {
    let bytes = catalog.blobs().read(photo.sha256.as_ref()?.parse().ok()?).ok()?;
    let need = Need { shorter_px: 1, longer_px: THUMBNAIL_PX };
    let image = curate::decode_for(&bytes, need).ok()?.image;
    let scale = f64::from(THUMBNAIL_PX) / f64::from(image.width().max(image.height()));
    let side = |length: u32| ((f64::from(length) * scale.min(1.0)).round() as u32).max(1);
    let small = imageops::thumbnail(&image, side(image.width()), side(image.height()));
    Some(snapshot::thumbnail_uri(small.as_raw(), small.width(), small.height()))
}
