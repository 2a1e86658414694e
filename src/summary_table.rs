//! The summary table at the end of a run: what happened to how many photos.

use std::collections::BTreeMap;
use std::io;

use photo::unread::UNREAD;
use photo::{Reason, Unread, Verdict};
use serde::Serialize;
use snapshot::{SnapshotRef, Verified};

use crate::judge::Judged;
use crate::output::Output;

#[derive(Serialize)]
struct IdentityLine {
    identity: String,
    photos: usize,
    kept: usize,
    dropped: usize,
    /// On purpose: robots.txt, opt-outs, what is gone or erased.
    left_out: usize,
    /// Not asked for yet: `max_photos`, or a host that was left.
    waiting: usize,
    failed: usize,
    reasons: BTreeMap<&'static str, usize>,
    failures: BTreeMap<&'static str, usize>,
}

impl IdentityLine {
    fn of(judged: &Judged) -> Self {
        let mut line = Self::named(judged.identity.key().into());
        for (photo, verdict) in &judged.photos {
            line.photos += 1;
            match verdict {
                Some(Verdict::Keep) => line.kept += 1,
                Some(Verdict::Drop(reasons)) => {
                    line.dropped += 1;
                    for reason in reasons {
                        *line.reasons.entry(reason.name()).or_default() += 1;
                    }
                }
                None => match photo.row.failure {
                    None => line.waiting += 1,
                    Some(class) => {
                        *if class.is_failure() { &mut line.failed } else { &mut line.left_out } += 1;
                        *line.failures.entry(class.name()).or_default() += 1;
                    }
                },
            }
        }
        line
    }

    fn named(identity: String) -> Self {
        let (reasons, failures) = (BTreeMap::new(), BTreeMap::new());
        let [photos, kept, dropped, left_out, waiting, failed] = [0; 6];
        Self { identity, photos, kept, dropped, left_out, waiting, failed, reasons, failures }
    }

    fn add(&mut self, other: &Self) {
        self.photos += other.photos;
        self.kept += other.kept;
        self.dropped += other.dropped;
        self.left_out += other.left_out;
        self.waiting += other.waiting;
        self.failed += other.failed;
        for (reason, count) in &other.reasons {
            *self.reasons.entry(reason).or_default() += count;
        }
        for (class, count) in &other.failures {
            *self.failures.entry(class).or_default() += count;
        }
    }

    /// The counts by their names. What only some runs have is shown where there is any.
    fn counts(&self) -> [(&'static str, usize, bool); 6] {
        [
            ("photos", self.photos, true),
            ("kept", self.kept, true),
            ("dropped", self.dropped, true),
            ("left out", self.left_out, false),
            ("waiting", self.waiting, false),
            ("failed", self.failed, true),
        ]
    }

    fn cells(&self, shown: &[&str]) -> Vec<String> {
        let reasons = self.reasons.iter().map(|(reason, count)| format!("{count} {reason}"));
        let failures = self.failures.iter().map(|(class, count)| format!("{count} {class}"));
        let counts = self.counts().into_iter().filter(|(name, ..)| shown.contains(name));
        let numbers = counts.map(|(_, count, _)| count.to_string());
        let why: Vec<_> = reasons.chain(failures).collect();
        [self.identity.clone()].into_iter().chain(numbers).chain([why.join(", ")]).collect()
    }
}

/// What to say where photos came and none of them is kept: the rule that took most, and how to try another value.
pub fn nothing_kept(all: &[Judged]) -> Option<String> {
    let verdicts =
        || all.iter().flat_map(|judged| &judged.photos).filter_map(|(_, verdict)| verdict.as_ref());
    let judged = verdicts().count();
    if judged == 0 || verdicts().any(Verdict::is_keep) {
        return None;
    }
    let mut counts: BTreeMap<&'static str, usize> = BTreeMap::new();
    // A photo with two reasons counts under both.
    for name in verdicts().flat_map(Verdict::reasons).map(Reason::name) {
        *counts.entry(name).or_default() += 1;
    }
    let (most, count) = counts.into_iter().max_by_key(|(_, count)| *count)?;
    let advice = match rule_of(most) {
        Some(rule) => format!("try another value with `bolid judge --dry-run --set {rule}=…`"),
        None => "`bolid explain PHOTO` shows one photo's way".to_owned(),
    };
    Some(format!("none of {judged} photos is kept: {count} of them are {most}; {advice}"))
}

/// The setting that a reason comes from, where another value may keep the photo.
fn rule_of(reason: &str) -> Option<&'static str> {
    Some(match reason {
        "too_small" => "rules.min_side",
        "watermark" => "rules.watermark.max_score",
        "no_person" | "several_people" => "rules.people.min_score",
        "no_face" => "rules.faces.min_score",
        "no_visible_joint" => "rules.joints.min_score",
        "other_person" => "rules.identity.min_similarity",
        "near_duplicate" => "rules.duplicates.max_distance",
        "two_identities" => "rules.duplicates.across_identities",
        "too_few_photos" => "rules.min_photos",
        _ => return None,
    })
}

/// Shows a row per person and one for all. A photo with two reasons counts under both.
pub fn show(all: &[Judged], output: Output) -> io::Result<()> {
    let mut lines: Vec<_> = all.iter().map(IdentityLine::of).collect();
    let mut total = IdentityLine::named("all".to_owned());
    for line in &lines {
        total.add(line);
    }
    let shown = total.counts().into_iter().filter(|(_, count, is_always)| *is_always || *count > 0);
    let header: Vec<&str> =
        ["identity"].into_iter().chain(shown.map(|(name, ..)| name)).chain(["why"]).collect();
    lines.push(total);
    output.show_all(&lines, &header, |line| line.cells(&header))?;
    for (kind, count) in
        unread(all.iter().flat_map(|judged| &judged.photos).filter_map(|(_, verdict)| verdict.as_ref()))
    {
        output.remark(&format!("{count} photo(s) of a kind that is left out: {kind}"))?;
    }
    Ok(())
}

/// How many photos there are of each kind that is not read.
fn unread<'a>(verdicts: impl Iterator<Item = &'a Verdict>) -> BTreeMap<Unread, usize> {
    let sentences = UNREAD.map(|kind| (kind, kind.to_string()));
    let mut counts = BTreeMap::new();
    for reason in verdicts.flat_map(Verdict::reasons) {
        let Reason::Unreadable { detail } = reason else { continue };
        for (kind, _) in sentences.iter().filter(|(_, sentence)| sentence == detail) {
            *counts.entry(*kind).or_default() += 1;
        }
    }
    counts
}

#[derive(Serialize)]
struct SnapshotLine<'a> {
    snapshot: String,
    id: &'a str,
    identities: usize,
    photos: usize,
    dropped: usize,
    path: String,
    verified_files: usize,
}

/// Shows where the snapshot is, and what its verification read.
pub fn show_snapshot(snapshot: &SnapshotRef, verified: &Verified, output: Output) -> io::Result<()> {
    let line = SnapshotLine {
        snapshot: format!("{}-{}", snapshot.name, snapshot.id),
        id: &snapshot.id,
        identities: snapshot.counts.identities,
        photos: snapshot.counts.photos,
        dropped: snapshot.counts.dropped,
        path: snapshot.path.display().to_string(),
        verified_files: verified.files,
    };
    output.show(&line, |line| {
        format!(
            "snapshot {}: {} photos of {} people, {} dropped; every byte verified\n  {}\n  look at {}/report.html",
            line.snapshot, line.photos, line.identities, line.dropped, line.path, line.path
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn photos_of_kinds_that_are_not_read_are_counted_by_kind() {
        let unreadable = |detail: String| Verdict::Drop(vec![Reason::Unreadable { detail }]);
        let verdicts = [
            unreadable(Unread::Heic.to_string()),
            unreadable("jpeg is truncated: the end-of-image marker is missing".to_owned()),
            unreadable(Unread::Avif.to_string()),
            Verdict::Keep,
            unreadable(Unread::Heic.to_string()),
        ];
        assert_eq!(unread(verdicts.iter()), BTreeMap::from([(Unread::Heic, 2), (Unread::Avif, 1)]));
    }
}
