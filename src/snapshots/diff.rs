//! `bolid snapshot diff`: a summary, then what changed in the settings, of people and of photos, with what is
//! behind it.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;
use snapshot::Diff;
use snapshot::diff::behind::Behind;
use snapshot::diff::person::{PersonChange, PersonState};
use snapshot::diff::photo::PhotoState;
use snapshot::diff::setting::{ModelChange, SettingChange, as_written};
use snapshot::diff::{Aspect, Changed};

use super::width::{COLUMNS, beginning, end};
use crate::output::Output;

/// Shows what came, went, moved or changed between two snapshots, and why.
pub fn diff(folder: &Path, from: &str, to: &str, limit: Option<usize>, output: Output) -> Result<()> {
    let open = |wanted: &str| -> Result<snapshot::Snapshot> {
        let path = snapshot::find(folder, wanted)?;
        snapshot::Snapshot::open(&path).with_context(|| format!("open snapshot `{wanted}`"))
    };
    let diff = snapshot::diff(&open(from)?, &open(to)?)?;
    output.show(&diff, |diff| text(diff, limit))?;
    Ok(())
}

/// Where lines about a photo begin.
const INDENT: &str = "      ";

/// So many lines of each list; with `None` all, and nothing is cut to 80 columns.
fn text(diff: &Diff, limit: Option<usize>) -> String {
    let mut text = summary(diff);
    let page = Page { limit };
    page.list(&mut text, "settings", &diff.settings, setting);
    page.list(&mut text, "models", &diff.models, model);
    page.list(&mut text, "people", &diff.people, person);
    page.list(&mut text, "photos that came", &diff.added, |photo| known('+', photo));
    page.list(&mut text, "photos that went", &diff.removed, |photo| known('-', photo));
    page.list(&mut text, "photos under another person", &diff.moved, changed);
    let (notable, others): (Vec<&Changed>, Vec<&Changed>) =
        diff.changed.iter().partition(|photo| limit.is_none() || photo.is_notable());
    page.list(&mut text, "photos that changed", &notable, |photo| changed(photo));
    if !others.is_empty() {
        let _ = write!(
            text,
            "\n{} more differ only in scores, or by their person's split (--full)\n",
            others.len()
        );
    }
    text.truncate(text.trim_end().len());
    text
}

fn summary(diff: &Diff) -> String {
    let (before, after) = (&diff.before, &diff.after);
    let mut text = format!("{}-{} → {}-{}\n", before.name, before.id, after.name, after.id);
    if before.id == after.id {
        text.push_str("the same snapshot\n");
        return text;
    }
    if before.inputs == after.inputs {
        text.push_str("made from the same rows by the same spec\n");
    }
    let people = |counts: &snapshot::Counts| {
        let of = |side: &str| counts.splits.get(side).map_or(0, |side| side.identities);
        format!("{}/{}/{}", of("train"), of("validation"), of("test"))
    };
    let notable = diff.changed.iter().filter(|photo| photo.is_notable()).count();
    let _ = writeln!(text, "\n{:<30} {:>12} {:>12}", "", "before", "after");
    let (old, new) = (&before.counts, &after.counts);
    for (what, before, after) in [
        ("people", old.identities.to_string(), new.identities.to_string()),
        ("in train/validation/test", people(old), people(new)),
        ("photos kept", old.photos.to_string(), new.photos.to_string()),
        ("photos dropped", old.dropped.to_string(), new.dropped.to_string()),
    ] {
        let _ = writeln!(text, "{what:<30} {before:>12} {after:>12}");
    }
    let _ = writeln!(
        text,
        "\nphotos: {} came, {} went, {} moved, {notable} changed, {} as before",
        diff.added.len(),
        diff.removed.len(),
        diff.moved.len(),
        diff.unchanged + diff.changed.len() - notable
    );
    text
}

struct Page {
    limit: Option<usize>,
}

impl Page {
    /// A heading and the first items, each of one line or more; nothing of an empty list.
    fn list<T>(&self, text: &mut String, title: &str, items: &[T], lines: impl Fn(&T) -> Vec<Line>) {
        if items.is_empty() {
            return;
        }
        let _ = writeln!(text, "\n{title} ({})", items.len());
        let shown = self.limit.unwrap_or(items.len()).min(items.len());
        for line in items[..shown].iter().flat_map(lines) {
            let line = if self.limit.is_none() { line.whole() } else { line.cut() };
            let _ = writeln!(text, "{line}");
        }
        if shown < items.len() {
            let _ = writeln!(text, "  … and {} more (--limit N, --full)", items.len() - shown);
        }
    }
}

/// A line whose last part may be cut: an address at its beginning, other text at its end.
struct Line {
    head: String,
    tail: String,
    is_address: bool,
}

impl Line {
    fn new(head: impl Into<String>, tail: impl Into<String>) -> Self {
        Self { head: head.into(), tail: tail.into(), is_address: false }
    }

    /// Names and captions of strangers may hold what moves a terminal's cursor.
    fn whole(self) -> String {
        (self.head + &self.tail).replace(char::is_control, " ")
    }

    fn cut(self) -> String {
        // An address keeps a third of the line, however long the name before it.
        let head = beginning(&self.head, COLUMNS - COLUMNS / 3);
        let room = COLUMNS - head.chars().count();
        let tail = if self.is_address { end(&self.tail, room) } else { beginning(&self.tail, room) };
        head + &tail
    }
}

fn setting(change: &SettingChange) -> Vec<Line> {
    let value = |value: &Option<Value>| value.as_ref().map(plain);
    let text = match (value(&change.before), value(&change.after)) {
        (Some(before), Some(after)) => format!("{before} → {after}"),
        (None, Some(after)) => format!("+ {after}"),
        (Some(before), None) => format!("- {before}"),
        (None, None) => String::new(),
    };
    vec![Line::new(format!("  {}  ", change.key), text)]
}

fn model(change: &ModelChange) -> Vec<Line> {
    let named = |model: &snapshot::ModelRef| format!("{} {}", model.name, model.sha256.short());
    let text = match (&change.before, &change.after) {
        (Some(before), Some(after)) => format!("{} → {}", named(before), named(after)),
        (None, Some(after)) => format!("+ {}", named(after)),
        (Some(before), None) => format!("- {}", named(before)),
        (None, None) => String::new(),
    };
    vec![Line::new(format!("  {}  ", change.role), text)]
}

fn person(change: &PersonChange) -> Vec<Line> {
    let split = |state: &PersonState| state.split.map_or("nothing kept", |split| split.name());
    let alone =
        |state: &PersonState| format!("{}, {} kept, {} dropped", split(state), state.kept, state.dropped);
    let (sign, text) = match (&change.before, &change.after) {
        (Some(before), Some(after)) => {
            let split = both(split(before), split(after));
            let [kept, dropped] = [(before.kept, after.kept), (before.dropped, after.dropped)]
                .map(|(before, after)| both(&before.to_string(), &after.to_string()));
            ('~', format!("{split}, {kept} kept, {dropped} dropped"))
        }
        (None, Some(after)) => ('+', alone(after)),
        (Some(before), None) => ('-', alone(before)),
        (None, None) => (' ', String::new()),
    };
    vec![Line::new(format!("  {sign} {}  ", change.identity), text)]
}

fn known(sign: char, photo: &PhotoState) -> Vec<Line> {
    vec![of_photo(sign, photo), Line::new(INDENT, photo.verdict.to_string())]
}

fn changed(photo: &Changed) -> Vec<Line> {
    let (before, after) = (&photo.before, &photo.after);
    let mut lines = vec![of_photo('~', after)];
    let mut say = |head: &str, tail: String| lines.push(Line::new(format!("{INDENT}{head}"), tail));
    for what in &photo.what {
        match what {
            Aspect::Verdict | Aspect::Reasons => {
                say("before: ", before.verdict.to_string());
                say("after:  ", after.verdict.to_string());
            }
            Aspect::Bytes => say("bytes: ", both(&short(before), &short(after))),
            Aspect::Address => say("address before: ", before.url.clone()),
            Aspect::Identity => say("person: ", both(&before.identity, &after.identity)),
            Aspect::Caption => {
                say("caption before: ", caption(before));
                say("caption after:  ", caption(after));
            }
            Aspect::Split => {
                let split = |state: &PhotoState| state.kept.as_ref().map_or("", |kept| kept.split.name());
                say("split: ", both(split(before), split(after)));
            }
            Aspect::HeldOut => {
                let is_held = after.kept.as_ref().is_some_and(|kept| kept.held_out);
                say("", if is_held { "held out now" } else { "no longer held out" }.to_owned());
            }
            Aspect::Joints => say(
                "joints: ",
                photo.joints_moved_px.map_or_else(
                    || "none is seen in both".to_owned(),
                    |moved| format!("moved by up to {moved:.1} px of the photo"),
                ),
            ),
            // Of a verdict that changed, the scores behind it follow; the others were only not asked any more.
            Aspect::Scores if photo.what.contains(&Aspect::Verdict) => {}
            Aspect::Scores => say("scores: ", scores(before, after)),
        }
    }
    if let Some(decided) = &photo.decided {
        let word = |decision| match decision {
            Some(true) => "keep",
            Some(false) => "drop",
            None => "nothing",
        };
        say("decided by hand: ", both(word(decided.before), word(decided.after)));
    }
    for behind in &photo.behind {
        for line in side_by_side(&causes(behind), COLUMNS - INDENT.len()) {
            say("", line);
        }
    }
    lines
}

/// The caption, and where it is from unless it is the photo's own.
fn caption(state: &PhotoState) -> String {
    let kept = state.kept.as_ref();
    let Some(text) = kept.and_then(|kept| kept.caption.clone()) else { return "none".to_owned() };
    match kept.and_then(|kept| kept.caption_source) {
        Some(source) => format!("{text} (by {source})"),
        None => text,
    }
}

fn of_photo(sign: char, photo: &PhotoState) -> Line {
    Line { head: format!("  {sign} {}  ", photo.identity), tail: photo.url.clone(), is_address: true }
}

/// What is behind a reason that came or went, a line for the score and one per limit.
fn causes(behind: &Behind) -> Vec<String> {
    let score = behind.score.iter().map(|score| {
        let number =
            |of: Option<f64>| of.map_or_else(|| "not measured".to_owned(), |number| number.to_string());
        format!("{} {}", score.name, both(&number(score.before), &number(score.after)))
    });
    let limits = behind
        .limits
        .iter()
        .filter(|limit| !(limit.before.is_null() && limit.after.is_null()))
        .map(|limit| format!("{} {}", limit.key, both(&plain(&limit.before), &plain(&limit.after))));
    score.chain(limits).collect()
}

/// As many parts in a line as there is room for.
fn side_by_side(parts: &[String], width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for part in parts {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 2 + part.chars().count() <= width => {
                line.push_str(", ");
                line.push_str(part);
            }
            _ => lines.push(part.clone()),
        }
    }
    lines
}

/// The scores that differ.
fn scores(before: &PhotoState, after: &PhotoState) -> String {
    let (before, mut after) = (read_scores(before), read_scores(after));
    let mut changes = Vec::new();
    for (name, old) in before {
        let new = after.remove(&name).unwrap_or(Value::Null);
        if old != new {
            changes.push(format!("{name} {}", both(&plain(&old), &plain(&new))));
        }
    }
    changes.extend(after.into_iter().map(|(name, new)| format!("{name} {}", both("none", &plain(&new)))));
    changes.join(", ")
}

fn read_scores(state: &PhotoState) -> serde_json::Map<String, Value> {
    match serde_json::to_value(&state.scores) {
        Ok(Value::Object(fields)) => {
            fields.into_iter().map(|(name, score)| (name, as_written(score))).collect()
        }
        _ => serde_json::Map::new(),
    }
}

fn short(photo: &PhotoState) -> String {
    photo.sha256.map_or_else(|| "none".to_owned(), |digest| digest.short())
}

/// Both values, or the one that they are.
fn both(before: &str, after: &str) -> String {
    if before == after { after.to_owned() } else { format!("{before} → {after}") }
}

/// A value without the quotes of JSON.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "none".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_stand_side_by_side_while_there_is_room() {
        let parts = ["aaaa", "bbbb", "cccc"].map(str::to_owned);
        assert_eq!(side_by_side(&parts, 10), ["aaaa, bbbb", "cccc"]);
    }

    #[test]
    fn a_line_is_cut_to_80_columns_where_it_says_least() {
        let line = |is_address| Line { head: "h".repeat(70), tail: "0123456789".repeat(9), is_address };
        for is_address in [true, false] {
            assert_eq!(line(is_address).cut().chars().count(), COLUMNS);
        }
        assert!(line(true).cut().ends_with("56789") && line(false).cut().contains("0123"));
        assert_eq!(line(true).whole().len(), 160);
    }
}
