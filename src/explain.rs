//! `bolid explain`: one photo's whole way, from its URL to the snapshots it stands in.

use std::fmt::Write;

use anyhow::{Result, bail};
use catalog::Catalog;
use catalog::duplicate::GroupMember;
use catalog::export::ExportRow;
use catalog::summary::PhotoOrigin;
use photo::Verdict;
use photo::redact::redacted;
use serde::Serialize;
use serde_json::{Value, json};

use crate::output::Output;
use crate::plan::Plan;
use crate::scores::NotAsked;

/// Detections below are only counted in the text; `--json` has them all.
const SHOWN_SCORE: f64 = 0.25;

#[derive(Serialize)]
struct Explanation {
    origin: PhotoOrigin,
    scores: Vec<Score>,
    /// What a person decided: whether it is kept.
    decision: Option<bool>,
    verdicts: Vec<RulesVerdict>,
    copies: Vec<GroupMember>,
    snapshots: Vec<Membership>,
    exports: Vec<ExportRow>,
}

#[derive(Serialize)]
struct Score {
    kind: String,
    probe: String,
    value: Value,
}

#[derive(Serialize)]
struct RulesVerdict {
    rules: String,
    current: bool,
    verdict: Verdict,
}

#[derive(Serialize)]
struct Membership {
    snapshot: String,
    path: String,
    keep: bool,
}

/// Shows every photo that `text` may mean. `plan`: the recipe whose verdict is the current one, where it is usable.
pub async fn run(catalog: &Catalog, text: &str, plan: Option<&Plan>, output: Output) -> Result<()> {
    let mut decisions = Vec::new();
    let mut current_rules = None;
    if let Some(plan) = plan {
        decisions = catalog.decisions(&plan.site_names()).await?;
        current_rules = plan.rules_digest(&decisions).ok().map(|digest| digest.to_string());
    }
    let ids = catalog.find_photos(text).await?;
    if ids.is_empty() {
        bail!(
            "explain `{text}`: no photo has this URL, digest or row number; `bolid status` shows what there is"
        );
    }
    for id in ids {
        let Some(mut origin) = catalog.origin(id).await? else { continue };
        let PhotoOrigin { gallery_url, source_url, file_url, .. } = &mut origin;
        *source_url = redacted(source_url).into_owned();
        for url in [gallery_url, file_url].into_iter().flatten() {
            *url = redacted(url).into_owned();
        }
        let mut scores = Vec::new();
        for (kind, probe, value) in catalog.measurements_of(origin.sha256.as_deref().unwrap_or("")).await? {
            let value = serde_json::from_str(&value)?;
            scores.push(Score { kind, probe, value });
        }
        let verdicts = catalog.verdicts_on(id).await?.into_iter().map(|(rules, verdict)| RulesVerdict {
            current: current_rules.as_ref() == Some(&rules),
            rules,
            verdict,
        });
        let snapshots = catalog.snapshots_with(id).await?.into_iter().map(|(snapshot, keep)| Membership {
            snapshot: format!("{}-{}", snapshot.name, snapshot.id),
            path: snapshot.path,
            keep,
        });
        let (verdicts, snapshots) = (verdicts.collect(), snapshots.collect());
        let mut copies = match &current_rules {
            Some(rules) => catalog.group_of(id, rules).await?,
            None => Vec::new(),
        };
        for copy in &mut copies {
            copy.source_url = redacted(&copy.source_url).into_owned();
        }
        let identity = format!("{}/{}", origin.site, origin.slug);
        let decided = decisions.iter().find(|decision| {
            decision.identity == identity && origin.sha256 == Some(decision.sha256.to_string())
        });
        let decision = decided.and_then(|decision| decision.keep);
        let exports = catalog.exports_with(id).await?;
        let explanation = Explanation { origin, scores, decision, verdicts, copies, snapshots, exports };
        output.show(&explanation, describe)?;
    }
    Ok(())
}

fn describe(explanation: &Explanation) -> String {
    let Explanation { origin, scores, decision, verdicts, copies, snapshots, exports } = explanation;
    let mut lines =
        vec![format!("photo {} of {} ({}/{})", origin.id, origin.identity, origin.site, origin.slug)];
    let mut line = |name: &str, text: String| lines.push(format!("  {name:<10} {text}"));
    if let Some(url) = &origin.gallery_url {
        line("gallery", url.clone());
    }
    line("page", origin.source_url.clone());
    line("file", origin.file_url.clone().unwrap_or_else(|| "not known yet".to_owned()));
    if let (Some(width), Some(height)) = (origin.hint_width, origin.hint_height) {
        line("hint", format!("{width}×{height} px, as the gallery states it"));
    }
    if let Some(caption) = &origin.caption {
        line("caption", caption.clone());
    }
    line("download", download(origin));
    if scores.is_empty() {
        line("scores", "none yet".to_owned());
    }
    for score in scores {
        line(&score.kind, summarise(&score.kind, &score.value));
    }
    if let Some(keep) = decision {
        let decided = if *keep { "keep" } else { "drop" };
        line("decision", format!("{decided}, by hand: it stands over the rules"));
    }
    if verdicts.is_empty() {
        line("verdict", "none yet".to_owned());
    }
    for verdict in verdicts {
        let rules = &verdict.rules[..12.min(verdict.rules.len())];
        let which = if verdict.current { "the recipe's rules" } else { "other rules" };
        line("verdict", format!("{}   ({which}, {rules})", verdict.verdict));
    }
    for copy in copies.iter().filter(|copy| copy.photo_id != origin.id) {
        line("copy", describe_copy(copy));
    }
    if snapshots.is_empty() {
        line("snapshots", "in none".to_owned());
    }
    for membership in snapshots {
        let place = if membership.keep { "in" } else { "among the dropped of" };
        line("snapshots", format!("{place} {}", membership.snapshot));
    }
    for export in exports {
        line("exports", describe_export(export));
    }
    lines.join("\n")
}

fn describe_export(export: &ExportRow) -> String {
    let ExportRow { path, snapshot, format, pixels, sha256, .. } = export;
    let name = sha256.as_ref().map_or("not finished", |sha256| &sha256[..12.min(sha256.len())]);
    format!("in {path}: {format} of {snapshot}, pixels `{pixels}` ({name})")
}

fn describe_copy(copy: &GroupMember) -> String {
    let GroupMember { site, slug, source_url, distance, .. } = copy;
    let kept = match copy.keep {
        Some(true) => "kept",
        Some(false) => "dropped",
        None => "not judged",
    };
    let mirrored = if copy.mirrored { ", mirrored" } else { "" };
    format!("{source_url} of {site}/{slug} ({kept}; {distance} of 64 bits from the group's centre{mirrored})")
}

fn download(origin: &PhotoOrigin) -> String {
    let attempts = origin.attempts.unwrap_or(0);
    match (&origin.sha256, &origin.failure) {
        (Some(sha256), _) => format!("stored as {sha256} after {attempts} request(s)"),
        (None, Some(class)) => {
            format!(
                "failed, {class}: {} ({attempts} requests)",
                origin.detail.as_deref().unwrap_or("no detail")
            )
        }
        (None, None) => "not tried yet".to_owned(),
    }
}

/// The few numbers of a score that decide; `--json` shows all.
fn summarise(kind: &str, value: &Value) -> String {
    let detections = |name: &str| {
        let found = value.as_array().into_iter().flatten().filter_map(|found| found["score"].as_f64());
        let (likely, rest): (Vec<_>, Vec<_>) = found.partition(|&score| score >= SHOWN_SCORE);
        let scores: Vec<_> = likely.iter().map(|score| format!("{score:.2}")).collect();
        let which =
            if scores.is_empty() { format!("no {name}") } else { format!("{name}: {}", scores.join(", ")) };
        if rest.is_empty() { which } else { format!("{which}; {} more below {SHOWN_SCORE}", rest.len()) }
    };
    match kind {
        _ if value.is_null() => "not measured: the photo cannot be read".to_owned(),
        _ if *value == json!(NotAsked::NotMeasured) => {
            "not measured: another score drops the photo (`bolid measure --all` asks every model)".to_owned()
        }
        "faces" => detections("face"),
        "people" => detections("person"),
        "face_embedding" => match value.as_array().map_or(0, Vec::len) {
            0 => "no face to compare".to_owned(),
            faces => format!("the directions of {faces} face(s); how alike they are to others, verdicts say"),
        },
        "watermark" => {
            let regions = value["regions"].as_array();
            let highest = regions.into_iter().flatten().max_by(|a, b| {
                let score = |region: &Value| region[1].as_f64().unwrap_or(0.0);
                score(a).total_cmp(&score(b))
            });
            highest.map_or("no region".to_owned(), |region| {
                format!(
                    "{:.3} at most, in {}",
                    region[1].as_f64().unwrap_or(0.0),
                    region[0].as_str().unwrap_or("?")
                )
            })
        }
        "image" => summarise_image(value),
        _ => value.to_string(),
    }
}

fn summarise_image(value: &Value) -> String {
    if let Some(detail) = value["unreadable"].as_str() {
        return format!("unreadable: {detail}");
    }
    let facts = &value["readable"];
    let number = |name: &str| facts[name].as_f64().unwrap_or(0.0);
    let (width, height, format) =
        (number("width"), number("height"), facts["format"].as_str().unwrap_or("?"));
    let mut text = format!(
        "{width}×{height} px {format}, sharpness {:.0}, brightness {:.2}, perceptual hash {} (inner part {})",
        number("sharpness"),
        number("brightness"),
        facts["perceptual_hash"].as_str().unwrap_or("?"),
        facts["inner_hash"].as_str().unwrap_or("?")
    );
    if let Some(from) = facts["colours"]["converted"].as_str() {
        let _ = write!(text, "; colours converted to sRGB from “{from}”");
    }
    if let Some(why) = facts["colours"]["unusable"].as_str() {
        let _ = write!(text, "; colours taken as sRGB: {why}");
    }
    if facts["lacks_end"].as_bool() == Some(true) {
        text.push_str("; whole, though the file's end marker is missing");
    }
    text
}
