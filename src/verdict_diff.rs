//! `bolid judge --dry-run`: what other thresholds would change.

use std::collections::{BTreeMap, HashMap};

use anyhow::Result;
use catalog::Catalog;
use photo::Verdict;
use serde::Serialize;

use crate::judge::Judged;
use crate::output::Output;

/// A table of more photos than this is no longer read; `--json` lists all of them.
const SHOWN_PHOTOS: usize = 100;

/// What is printed with `--json`, a line each.
#[derive(Serialize)]
#[serde(tag = "change", rename_all = "snake_case")]
enum Line<'a> {
    Totals(Totals),
    Reason { reason: &'a str, before: usize, after: usize },
    Identity { identity: &'a str, kept_before: usize, kept_after: usize, to_dropped: usize, to_kept: usize },
    Photo { identity: &'a str, photo: &'a str, before: &'a Verdict, after: &'a Verdict },
}

/// How many photos change sides.
#[derive(Clone, Copy, Default, Serialize)]
struct Totals {
    kept_before: usize,
    kept_after: usize,
    to_dropped: usize,
    to_kept: usize,
    /// Dropped before and after, for other reasons or scores.
    other_reasons: usize,
    /// Without a stored verdict to compare with.
    not_judged_before: usize,
}

struct Moved<'a> {
    identity: usize,
    photo: &'a str,
    before: Verdict,
    after: &'a Verdict,
}

/// Compares verdicts with the newest stored ones, and shows the totals, each reason, each identity and the photos that
/// change sides.
pub async fn show(catalog: &Catalog, sites: &[String], people: &[Judged], output: Output) -> Result<()> {
    let mut stored: HashMap<i64, Verdict> = catalog.newest_verdicts(sites).await?.into_iter().collect();
    let mut totals = Totals::default();
    let mut reasons: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    let mut of_identity = vec![Totals::default(); people.len()];
    let mut moved = Vec::new();
    let names: Vec<String> = people.iter().map(|judged| judged.identity.key().into()).collect();
    for (identity, judged) in people.iter().enumerate() {
        for (photo, after) in &judged.photos {
            let Some(after) = after else { continue };
            let Some(before) = stored.remove(&photo.row.id) else {
                totals.not_judged_before += 1;
                continue;
            };
            for reason in before.reasons() {
                reasons.entry(reason.name()).or_default().0 += 1;
            }
            for reason in after.reasons() {
                reasons.entry(reason.name()).or_default().1 += 1;
            }
            for totals in [&mut totals, &mut of_identity[identity]] {
                totals.add(&before, after);
            }
            if before.is_keep() != after.is_keep() {
                moved.push(Moved { identity, photo: &photo.row.source_url, before, after });
            }
        }
    }
    reasons.retain(|_, (before, after)| before != after);
    let changed: Vec<usize> = (0..people.len()).filter(|&place| of_identity[place].moved() > 0).collect();
    if output.json {
        let mut lines = vec![Line::Totals(totals)];
        lines.extend(reasons.iter().map(|(reason, &(before, after))| Line::Reason { reason, before, after }));
        lines.extend(changed.iter().map(|&place| {
            let Totals { kept_before, kept_after, to_dropped, to_kept, .. } = of_identity[place];
            Line::Identity { identity: &names[place], kept_before, kept_after, to_dropped, to_kept }
        }));
        lines.extend(moved.iter().map(|moved| {
            let Moved { identity, photo, before, after } = moved;
            Line::Photo { identity: &names[*identity], photo, before, after }
        }));
        return Ok(output.show_all(&lines, &[], |_| Vec::new())?);
    }
    output.remark(&totals.in_words())?;
    if !reasons.is_empty() {
        let rows = reasons.iter().map(|(reason, (before, after))| {
            vec![(*reason).to_owned(), before.to_string(), after.to_string()]
        });
        output.remark(&crate::output::table(&["reason", "before", "after"], rows))?;
    }
    if moved.is_empty() {
        return Ok(());
    }
    let rows = changed.iter().map(|&place| {
        let Totals { kept_before, kept_after, to_dropped, to_kept, .. } = of_identity[place];
        let numbers = [kept_before, kept_after, to_dropped, to_kept].map(|number| number.to_string());
        [names[place].clone()].into_iter().chain(numbers).collect()
    });
    let header = ["identity", "kept before", "after", "kept → dropped", "dropped → kept"];
    output.remark(&crate::output::table(&header, rows))?;
    let rows = moved.iter().take(SHOWN_PHOTOS).map(|moved| {
        let (before, after) = (moved.before.to_string(), moved.after.to_string());
        vec![names[moved.identity].clone(), moved.photo.to_owned(), before, after]
    });
    output.remark(&crate::output::table(&["identity", "photo", "before", "after"], rows))?;
    if moved.len() > SHOWN_PHOTOS {
        output.remark(&format!("… and {} more photos; --json lists all", moved.len() - SHOWN_PHOTOS))?;
    }
    Ok(())
}

impl Totals {
    fn add(&mut self, before: &Verdict, after: &Verdict) {
        self.kept_before += usize::from(before.is_keep());
        self.kept_after += usize::from(after.is_keep());
        match (before.is_keep(), after.is_keep()) {
            (true, false) => self.to_dropped += 1,
            (false, true) => self.to_kept += 1,
            (false, false) => self.other_reasons += usize::from(before != after),
            (true, true) => {}
        }
    }

    fn moved(&self) -> usize {
        self.to_dropped + self.to_kept
    }

    fn in_words(&self) -> String {
        let Self { kept_before, kept_after, to_dropped, to_kept, other_reasons, not_judged_before } = self;
        let mut text = match (self.moved(), other_reasons) {
            (0, 0) => "Nothing would change.".to_owned(),
            _ => format!(
                "kept → dropped: {to_dropped}, dropped → kept: {to_kept} (kept: {kept_before} → {kept_after})\n\
                 {other_reasons} more would be dropped for other reasons or scores than now"
            ),
        };
        if *not_judged_before > 0 {
            text += &format!("\n{not_judged_before} photos have no verdict yet to compare with.");
        }
        text
    }
}
