//! What is different between two snapshots.

use std::collections::BTreeMap;

use photo::{Digest, Reason, Verdict};
use serde::Serialize;

use crate::error::Error;
use crate::snapshot::Snapshot;

/// The photos in which two snapshots differ, each list sorted by identity, address and digest.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Diff {
    /// Photos that only the second one knows, kept or dropped.
    pub added: Vec<Known>,
    /// Photos that only the first one knows.
    pub removed: Vec<Known>,
    /// Photos that both know and judge differently.
    pub changed: Vec<Changed>,
}

/// Which photo: new bytes under an old address are another photo.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct PhotoKey {
    /// Whose.
    pub identity: String,
    /// The file's address.
    pub url: String,
    /// The digest of its bytes, where there are some.
    pub sha256: Option<Digest>,
}

/// A photo that one of the snapshots knows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Known {
    /// Which photo.
    pub photo: PhotoKey,
    /// What that snapshot made of it.
    pub verdict: Verdict,
}

/// A photo that both snapshots know.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Changed {
    /// Which photo.
    pub photo: PhotoKey,
    /// What the first one made of it.
    pub before: Verdict,
    /// What the second one made of it.
    pub after: Verdict,
}

/// Compares what two snapshots made of their photos. Verdicts are different if one keeps what the other drops, or the
/// names of the reasons differ; a score that moved and changed nothing does not count.
pub fn diff(before: &Snapshot, after: &Snapshot) -> Result<Diff, Error> {
    let mut old = verdicts(before)?;
    let mut diff = Diff::default();
    for (photo, after) in verdicts(after)? {
        match old.remove(&photo) {
            None => diff.added.push(Known { photo, verdict: after }),
            Some(before) if names(&before) != names(&after) => {
                diff.changed.push(Changed { photo, before, after });
            }
            Some(_) => {}
        }
    }
    diff.removed = old.into_iter().map(|(photo, verdict)| Known { photo, verdict }).collect();
    Ok(diff)
}

fn verdicts(snapshot: &Snapshot) -> Result<BTreeMap<PhotoKey, Verdict>, Error> {
    let key = |identity: &str, url: &str, sha256| PhotoKey {
        identity: identity.to_owned(),
        url: url.to_owned(),
        sha256,
    };
    let kept = snapshot
        .photos()
        .iter()
        .map(|photo| (key(&photo.identity, &photo.facts.url, Some(photo.facts.sha256)), Verdict::Keep));
    let dropped = snapshot.dropped()?.into_iter().map(|photo| {
        (key(&photo.identity, &photo.facts.url, photo.facts.sha256), Verdict::Drop(photo.facts.reasons))
    });
    Ok(kept.chain(dropped).collect())
}

fn names(verdict: &Verdict) -> Vec<&'static str> {
    verdict.reasons().iter().map(Reason::name).collect()
}
