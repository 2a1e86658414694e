//! `bolid explain`: one photo's whole way, from its URL to the snapshots it stands in.

use std::fmt::Write;

use anyhow::{Result, bail};
use catalog::Catalog;
use catalog::caption::StoredCaption;
use catalog::duplicate::GroupMember;
use catalog::export::ExportRow;
use catalog::summary::PhotoOrigin;
use photo::measurement::{Answer, Decoded, Kind};
use photo::redact::redacted;
use photo::{Colours, IdentityName, ImageFacts, Measurement, Verdict};
use serde::Serialize;
use serde_json::Value;

use crate::captions::shown::name_of;
use crate::output::Output;
use crate::plan::{LoadedRecipe, Plan};

/// Detections below are only counted in the text; `--json` has them all.
const SHOWN_SCORE: f64 = 0.25;

#[derive(Serialize)]
struct Explanation {
    origin: PhotoOrigin,
    scores: Vec<Score>,
    /// What a person decided: whether it is kept.
    decision: Option<bool>,
    /// What sources of captions said, before any rule.
    captions: Vec<StoredCaption>,
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
    /// `None` where it is of another version.
    #[serde(skip)]
    measurement: Option<Measurement>,
}

impl Score {
    fn new(kind: String, probe: String, text: &str) -> serde_json::Result<Self> {
        let value = serde_json::from_str(text)?;
        let measurement = Kind::of_name(&kind).and_then(|kind| Measurement::read(kind, text).ok());
        Ok(Self { kind, probe, value, measurement })
    }
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

/// Shows every photo that `text` may mean. `loaded`: the recipe whose verdict is the current one, where
/// it is usable.
pub async fn run(catalog: &Catalog, text: &str, loaded: Option<LoadedRecipe>, output: Output) -> Result<()> {
    let mut decisions = Vec::new();
    let mut current_rules = None;
    if let Some(loaded) = loaded {
        decisions = catalog.decisions(&loaded.site_names()).await?;
        current_rules = Plan::of(loaded).ok().map(|plan| plan.rules_digest(&decisions).to_string());
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
        let (mut scores, mut captions) = (Vec::new(), Vec::new());
        if let Some(sha256) = origin.sha256 {
            captions = catalog.captions_of(sha256).await?;
            for (kind, probe, value) in catalog.measurements_of(sha256).await? {
                scores.push(Score::new(kind, probe, &value)?);
            }
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
        let identity = IdentityName::new(&origin.site, &origin.slug);
        let decided = decisions
            .iter()
            .find(|decision| decision.identity == identity && origin.sha256 == Some(decision.sha256));
        let decision = decided.and_then(|decision| decision.keep);
        let exports = catalog.exports_with(id).await?;
        let explanation =
            Explanation { origin, scores, decision, captions, verdicts, copies, snapshots, exports };
        output.show(&explanation, describe)?;
    }
    Ok(())
}

fn describe(explanation: &Explanation) -> String {
    let Explanation { origin, scores, decision, captions, verdicts, copies, snapshots, exports } =
        explanation;
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
    for caption in captions {
        line("caption", describe_caption(caption));
    }
    line("download", download(origin));
    if scores.is_empty() {
        line("scores", "none yet".to_owned());
    }
    for score in scores {
        line(&score.kind, summarise(score));
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

fn describe_caption(caption: &StoredCaption) -> String {
    let StoredCaption { about, text, failure, detail, requests, .. } = caption;
    let by = name_of(about);
    match (text, failure) {
        (Some(text), _) => format!("{text}   (by {by})"),
        (None, Some(class)) => {
            format!(
                "none by {by}: {class}, {} ({requests} requests)",
                detail.as_deref().unwrap_or("no detail")
            )
        }
        (None, None) => format!("none by {by}"),
    }
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
fn summarise(score: &Score) -> String {
    match &score.measurement {
        Some(Measurement::Image(Decoded::Unreadable(detail))) => format!("unreadable: {detail}"),
        Some(Measurement::Image(Decoded::Readable(facts))) => summarise_facts(facts),
        Some(Measurement::Watermark(answer)) => summarise_answer(answer, |score| match score.highest() {
            Some((region, score)) => format!("{:.3} at most, in {}", decimal(score), region.name()),
            None => "no region".to_owned(),
        }),
        Some(Measurement::Faces(answer)) => {
            summarise_answer(answer, |faces| detections("face", faces.iter().map(|face| face.score)))
        }
        Some(Measurement::People(answer)) => {
            summarise_answer(answer, |people| detections("person", people.iter().map(|person| person.score)))
        }
        Some(Measurement::FaceEmbedding(answer)) => summarise_answer(answer, |faces| match faces.len() {
            0 => "no face to compare".to_owned(),
            faces => format!("the directions of {faces} face(s); how alike they are to others, verdicts say"),
        }),
        None => score.value.to_string(),
    }
}

fn summarise_answer<T>(answer: &Answer<T>, summarise: impl Fn(&T) -> String) -> String {
    match answer {
        Answer::Measured(score) => summarise(score),
        Answer::Unreadable => "not measured: the photo cannot be read".to_owned(),
        Answer::NotMeasured => {
            "not measured: another score drops the photo (`bolid measure --all` asks every model)".to_owned()
        }
    }
}

fn detections(name: &str, scores: impl Iterator<Item = f32>) -> String {
    let (likely, rest): (Vec<_>, Vec<_>) = scores.map(decimal).partition(|&score| score >= SHOWN_SCORE);
    let scores: Vec<_> = likely.iter().map(|score| format!("{score:.2}")).collect();
    let which =
        if scores.is_empty() { format!("no {name}") } else { format!("{name}: {}", scores.join(", ")) };
    if rest.is_empty() { which } else { format!("{which}; {} more below {SHOWN_SCORE}", rest.len()) }
}

fn summarise_facts(facts: &ImageFacts) -> String {
    let ImageFacts { width, height, format, perceptual_hash, inner_hash, .. } = facts;
    let (sharpness, brightness) = (decimal(facts.sharpness), decimal(facts.brightness));
    let mut text = format!(
        "{width}×{height} px {format}, sharpness {sharpness:.0}, brightness {brightness:.2}, perceptual hash \
         {perceptual_hash} (inner part {inner_hash})"
    );
    match &facts.colours {
        Some(Colours::Converted(from)) => {
            let _ = write!(text, "; colours converted to sRGB from “{from}”");
        }
        Some(Colours::Unusable(why)) => {
            let _ = write!(text, "; colours taken as sRGB: {why}");
        }
        None => {}
    }
    if facts.lacks_end {
        text.push_str("; whole, though the file's end marker is missing");
    }
    text
}

/// A number as its stored digits say it: the f32 next to 0.615 is a little more, and would be shown as 0.62.
fn decimal(number: f32) -> f64 {
    number.to_string().parse().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(kind: &str, value: &str) -> String {
        summarise(&Score::new(kind.to_owned(), "probe".to_owned(), value).expect("JSON"))
    }

    #[test]
    fn each_kind_is_told_by_the_numbers_that_decide() {
        let facts = concat!(
            r#"{"readable":{"format":"jpeg","width":1103,"height":1423,"orientation":1,"#,
            r#""file_bytes":135317,"sharpness":44.5,"brightness":0.615,"#,
            r#""perceptual_hash":"8695d2090af33f05","inner_hash":"c685d2090af3bf05","#,
            r#""colours":{"converted":"Display P3"},"lacks_end":true}}"#,
        );
        assert_eq!(
            shown("image", facts),
            "1103×1423 px jpeg, sharpness 44, brightness 0.61, perceptual hash 8695d2090af33f05 (inner part \
             c685d2090af3bf05); colours converted to sRGB from “Display P3”; whole, though the file's end marker \
             is missing"
        );
        assert_eq!(shown("image", r#"{"unreadable":"it is cut off"}"#), "unreadable: it is cut off");
        let watermark = r#"{"regions":[["frame",0.0005],["top_right",0.0024],["bottom_left",0.0001]]}"#;
        assert_eq!(shown("watermark", watermark), "0.002 at most, in top_right");
        assert_eq!(shown("watermark", r#"{"regions":[]}"#), "no region");
        let face =
            |score: &str| format!(r#"{{"bbox":{{"x0":1.0,"y0":1.0,"x1":2.0,"y1":2.0}},"score":{score}}}"#);
        let faces = format!("[{},{},{}]", face("0.872"), face("0.25"), face("0.2499"));
        assert_eq!(shown("faces", &faces), "face: 0.87, 0.25; 1 more below 0.25");
        assert_eq!(shown("people", "[]"), "no person");
        assert_eq!(shown("face_embedding", "[]"), "no face to compare");
        assert_eq!(shown("people", "null"), "not measured: the photo cannot be read");
        let not_measured = shown("watermark", "\"not_measured\"");
        assert!(not_measured.contains("another score drops the photo"), "{not_measured}");
    }

    #[test]
    fn what_another_version_stored_is_shown_as_it_stands() {
        assert_eq!(shown("mood", r#"{"sad":0.5}"#), r#"{"sad":0.5}"#);
        assert_eq!(shown("faces", r#"{"count":2}"#), r#"{"count":2}"#);
    }
}
