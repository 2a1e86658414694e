//! What is shown of captions: the table at the end of the stage, what rules change, how far sources are.

use std::collections::BTreeMap;
use std::io;

use caption::Rule;
use catalog::caption::CaptionCounts;
use photo::{CaptionFailure, CaptionSource, Digest};
use serde::Serialize;
use serde_json::Value;

use super::plan::CaptionPlan;
use super::report::{Report, StopReason};
use super::texts::{Choice, Chosen};
use crate::output::{Output, table};

/// Examples of each rule; more are no longer read.
const EXAMPLES: usize = 3;

/// A line of the stage's table.
#[derive(Serialize)]
struct Line {
    source: &'static str,
    /// Kept photos whose caption is from here.
    photos: usize,
    /// What this run asked.
    captioned: u64,
    failed: u64,
    requests: u64,
    /// Kept photos that it is yet to be asked about.
    waiting: usize,
    failures: BTreeMap<CaptionFailure, u64>,
}

/// Photos without a caption, by the class of what failed.
pub type Failed = BTreeMap<CaptionFailure, u64>;

/// Shows a row per source, and one of the photos that have no caption. `reports` as many as there are sources.
pub fn show(
    plan: &CaptionPlan,
    reports: &[Report],
    chosen: impl Iterator<Item = (Digest, Chosen)>,
    output: Output,
) -> io::Result<Failed> {
    let mut lines: Vec<Line> =
        plan.sources.iter().zip(reports).map(|(source, of)| line(source.source, of)).collect();
    let mut none = Line::named("none");
    for (_, Chosen { choice, .. }) in chosen {
        match choice {
            Choice::Caption(source, _) => {
                lines
                    .iter_mut()
                    .filter(|line| line.source == source.name())
                    .for_each(|line| line.photos += 1);
            }
            Choice::Due(place) => lines[place].waiting += 1,
            Choice::None(failed) => {
                none.photos += 1;
                if let Some(class) = failed {
                    *none.failures.entry(class).or_default() += 1;
                }
            }
        }
    }
    let failed = none.failures.clone();
    lines.push(none);
    let header = ["caption from", "photos", "asked now", "failed now", "requests", "waiting", "why not"];
    output.show_all(&lines, &header, |line| {
        let numbers = [line.photos as u64, line.captioned + line.failed, line.failed, line.requests];
        let failures = line.failures.iter().map(|(class, count)| format!("{count} {class}"));
        let mut cells = vec![line.source.to_owned()];
        cells.extend(numbers.map(|number| number.to_string()));
        cells.extend([line.waiting.to_string(), failures.collect::<Vec<_>>().join(", ")]);
        cells
    })?;
    Ok(failed)
}

fn line(source: CaptionSource, report: &Report) -> Line {
    Line {
        captioned: report.captioned,
        failed: report.failures.values().sum(),
        requests: report.requests,
        failures: report.failures.clone(),
        ..Line::named(source.name())
    }
}

impl Line {
    fn named(source: &'static str) -> Self {
        let failures = BTreeMap::new();
        Self { source, photos: 0, captioned: 0, failed: 0, requests: 0, waiting: 0, failures }
    }
}

/// Says which photos have no caption, and the command that tries again.
pub fn tell_failed(failed: &Failed) {
    let (photos, classes): (u64, Vec<&str>) =
        (failed.values().sum(), failed.keys().map(|class| class.name()).collect());
    if photos > 0 {
        let each: Vec<_> = failed.iter().map(|(class, count)| format!("{count} {class}")).collect();
        let (each, classes) = (each.join(", "), classes.join(","));
        eprintln!(
            "bolid: {photos} photos have no caption ({each}); `bolid caption --retry {classes}` tries again"
        );
    }
}

/// Why a source was not asked about all photos, and what to do about it.
pub fn tell_stopped(why: &StopReason) {
    match why {
        StopReason::BudgetSpent => {
            eprintln!("bolid: as many requests were made as `max_requests` allows; the same command goes on");
        }
        StopReason::Failing(why) => {
            eprintln!("bolid: the captions' server is not asked any more: {why}; the same command goes on");
        }
        StopReason::Refused(_) => {} // an error
    }
}

/// What a rule does to captions.
#[derive(Default, Serialize)]
struct Effect {
    /// How many it changes.
    captions: usize,
    /// Of how many it leaves nothing that may be used.
    refused: usize,
    /// Before and after.
    examples: Vec<(String, Option<String>)>,
}

/// What is printed of the rules with `--json`, a line each.
#[derive(Serialize)]
#[serde(tag = "change", rename = "caption_rule")]
struct RuleLine<'a> {
    rule: Rule,
    #[serde(flatten)]
    effect: &'a Effect,
}

/// Shows what each rule changes, with examples.
pub fn show_rules(chosen: impl Iterator<Item = (Digest, Chosen)>, output: Output) -> io::Result<()> {
    let mut all = 0;
    let mut rules: BTreeMap<Rule, Effect> = BTreeMap::new();
    for (_, Chosen { choice, changes }) in chosen {
        all += usize::from(matches!(choice, Choice::Caption(..)));
        for change in changes {
            let effect = rules.entry(change.rule).or_default();
            effect.captions += 1;
            effect.refused += usize::from(change.after.is_none());
            if effect.examples.len() < EXAMPLES {
                effect.examples.push((change.before, change.after));
            }
        }
    }
    if output.json {
        let lines: Vec<_> = rules.iter().map(|(&rule, effect)| RuleLine { rule, effect }).collect();
        return output.show_all(&lines, &[], |_| Vec::new());
    }
    if rules.is_empty() {
        return output.remark(&format!("The rules on captions change nothing of {all} captions."));
    }
    let rows = rules.iter().flat_map(|(rule, effect)| rows_of(*rule, effect));
    output.remark(&table(&["rule on captions", "changed", "not used", "before", "after"], rows))
}

/// A row for each example; the first has the numbers.
fn rows_of(rule: Rule, effect: &Effect) -> impl Iterator<Item = Vec<String>> {
    effect.examples.iter().enumerate().map(move |(place, (before, after))| {
        let mut row = match place {
            0 => vec![rule.name().to_owned(), effect.captions.to_string(), effect.refused.to_string()],
            _ => vec![String::new(); 3],
        };
        row.extend([before.clone(), after.clone().unwrap_or_else(|| "not used".to_owned())]);
        row
    })
}

/// A line of `bolid status`.
#[derive(Serialize)]
struct SourceStatus<'a> {
    caption_source: String,
    captioned: i64,
    failed: i64,
    requests: i64,
    failures: &'a [(CaptionFailure, i64)],
}

/// Shows how far the sources are that were asked.
pub fn show_counts(counts: &[CaptionCounts], output: Output) -> io::Result<()> {
    if counts.is_empty() {
        return Ok(());
    }
    let lines: Vec<SourceStatus<'_>> = counts
        .iter()
        .map(|of| SourceStatus {
            caption_source: name_of(&of.about),
            captioned: of.captioned,
            failed: of.failures.iter().map(|(_, count)| count).sum(),
            requests: of.requests,
            failures: &of.failures,
        })
        .collect();
    let header = ["captions by", "captioned", "failed", "requests", "why not"];
    output.show_all(&lines, &header, |line| {
        let numbers = [line.captioned, line.failed, line.requests].map(|number| number.to_string());
        let failures = line.failures.iter().map(|(class, count)| format!("{count} {class}"));
        let why = failures.collect::<Vec<_>>().join(", ");
        [line.caption_source.clone()].into_iter().chain(numbers).chain([why]).collect()
    })
}

/// A source in words: `server qwen2.5-vl`, `model 1a2b3c4d5e6f`.
pub fn name_of(about: &Value) -> String {
    let text = |key: &str| about[key].as_str().unwrap_or_default();
    let model = text("model");
    // A model on this machine is called by the digest of its files.
    let model =
        if text("source") == CaptionSource::Model.name() { model.get(..12).unwrap_or(model) } else { model };
    format!("{} {model}", text("source")).trim_end().to_owned()
}
