//! What is different between two snapshots, and why.
//!
//! | module | what |
//! |---|---|
//! | [`setting`] | keys of recipe, rules and settings that changed; models |
//! | [`person`] | people who came, went or have other photos |
//! | [`photo`](mod@photo) | a photo as one snapshot has it; which photos of two are the same |
//! | [`behind`] | the scores and limits behind a verdict that changed |
//! | [`decision`] | what people decided over the rules |

pub mod behind;
pub mod decision;
pub mod person;
pub mod photo;
pub mod setting;

use ::photo::Digest;
use serde::Serialize;

use crate::error::Error;
use crate::manifest::Counts;
use crate::snapshot::Snapshot;
use behind::Behind;
use decision::DecisionChange;
use person::PersonChange;
pub use photo::Aspect;
use photo::PhotoState;
use setting::{ModelChange, SettingChange};

/// The differences between two snapshots. Photos are sorted by identity, address and digest.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Diff {
    /// The first one.
    pub before: Side,
    /// The second one.
    pub after: Side,
    /// Keys of the recipe, the rules, the settings and versions that differ, sorted.
    pub settings: Vec<SettingChange>,
    /// Models that differ, by role.
    pub models: Vec<ModelChange>,
    /// People who came, went, changed sides or have other numbers of photos, sorted.
    pub people: Vec<PersonChange>,
    /// Photos that only the second one knows, kept or dropped.
    pub added: Vec<PhotoState>,
    /// Photos that only the first one knows.
    pub removed: Vec<PhotoState>,
    /// Photos that stand under another person.
    pub moved: Vec<Changed>,
    /// Photos of which the two say something else.
    pub changed: Vec<Changed>,
    /// How many photos are the same in everything.
    pub unchanged: usize,
}

/// One of the two snapshots.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Side {
    /// The first 12 hex digits of the manifest's digest.
    pub id: String,
    /// The dataset's name.
    pub name: String,
    /// The digest of the spec and of all rows.
    pub inputs: Digest,
    /// How many of what.
    pub counts: Counts,
}

/// A photo that both snapshots know.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Changed {
    /// In what they differ, at least one thing.
    pub what: Vec<Aspect>,
    /// How the first one has it.
    pub before: PhotoState,
    /// How the second one has it.
    pub after: PhotoState,
    /// What is behind each reason that came or went.
    pub behind: Vec<Behind>,
    /// What people decided of it, where that differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided: Option<DecisionChange>,
    /// How far the joint that moved most did, in px of the photo, of the joints that both see.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub joints_moved_px: Option<f32>,
}

impl Changed {
    /// Whether a person would call it a change: not one that only follows from the person's changing sides, and not a
    /// score that moved without consequences.
    pub fn is_notable(&self) -> bool {
        self.what.iter().any(|what| !matches!(what, Aspect::Split | Aspect::HeldOut | Aspect::Scores))
    }
}

/// Compares two snapshots.
///
/// # Errors
/// Where a table of one of them cannot be read.
pub fn diff(before: &Snapshot, after: &Snapshot) -> Result<Diff, Error> {
    let (old, new) = (photo::states(before)?, photo::states(after)?);
    let people = person::changes(&old, &new);
    let [of_before, of_after] = [before, after].map(|snapshot| &snapshot.manifest().spec);
    let limits = behind::Limits::new([&of_before.rules, &of_after.rules], [&old, &new]);
    let [decided_before, decided_after] = [of_before, of_after].map(|spec| decision::of(&spec.recipe));
    let matched = photo::matched(old, new);
    let (mut moved, mut changed, mut unchanged) = (Vec::new(), Vec::new(), 0);
    for (before, after) in matched.pairs {
        let what = photo::aspects(&before, &after);
        if what.is_empty() {
            unchanged += 1;
            continue;
        }
        let joints_moved_px = what.contains(&Aspect::Joints).then(|| photo::joints_moved_px(&before, &after));
        let behind = limits.behind(&before, &after);
        let decided = decision::change(decided_before.get(&before), decided_after.get(&after));
        let is_moved = what.contains(&Aspect::Identity);
        let one =
            Changed { what, before, after, behind, decided, joints_moved_px: joints_moved_px.flatten() };
        if is_moved { moved.push(one) } else { changed.push(one) }
    }
    for list in [&mut moved, &mut changed] {
        list.sort_by(|a, b| a.before.key().cmp(&b.before.key()));
    }
    Ok(Diff {
        before: side(before),
        after: side(after),
        settings: setting::changes(before.manifest(), after.manifest()),
        models: setting::model_changes(&of_before.models, &of_after.models),
        people,
        added: matched.added,
        removed: matched.removed,
        moved,
        changed,
        unchanged,
    })
}

fn side(snapshot: &Snapshot) -> Side {
    let manifest = snapshot.manifest();
    Side {
        id: snapshot.id(),
        name: manifest.spec.name.clone(),
        inputs: manifest.inputs,
        counts: manifest.counts.clone(),
    }
}
