//! `bolid judge`: scores and rules to verdicts. No inference, so that thresholds can be tried at will.

use std::collections::BTreeMap;

use anyhow::Result;
use catalog::Catalog;
use catalog::identity::Identity;
use catalog::measurement::Probe;
use curate::{Candidate, Demand, judge};
use photo::{Digest, FailureClass, Reason, Rules, Verdict};
use serde::Serialize;

use crate::output::Output;
use crate::scores::{self, Scored};

/// The name under which verdicts are stored: the rules, what measured, and whether every model was asked.
pub fn rules_digest(rules: &Rules, probes: &[Probe], all_asked: bool) -> Digest {
    let probes: Vec<_> = probes.iter().map(|probe| (probe.kind.name(), probe.digest)).collect();
    Digest::of_json(&(rules, probes, all_asked))
}

/// A person with every photo and its verdict; photos that never came and were not left out on purpose have none.
#[derive(Clone, Debug)]
pub struct Judged {
    /// Who.
    pub identity: Identity,
    /// The photos in the order of their source URLs.
    pub photos: Vec<(Scored, Option<Verdict>)>,
}

/// Judges every photo of the sites anew: it takes no time, and near-duplicates depend on which photos there are.
pub async fn judged(
    catalog: &Catalog,
    probes: &[Probe; 4],
    demand: &Demand,
    rules: &Rules,
    sites: &[String],
) -> Result<Vec<Judged>> {
    let mut all = Vec::new();
    for site in sites {
        for identity in catalog.identities(site).await? {
            let photos = scores::of_identity(catalog, probes, demand, &identity).await?;
            let candidates: Vec<_> = photos.iter().filter_map(candidate).collect();
            let mut verdicts = judge(&candidates, rules);
            let verdict =
                |photo: &Scored| verdicts.remove(&photo.row.source_url).or_else(|| without_bytes(photo));
            let verdicts: Vec<_> = photos.iter().map(verdict).collect();
            all.push(Judged { identity, photos: photos.into_iter().zip(verdicts).collect() });
        }
    }
    Ok(all)
}

/// The key is the source URL: it stays the same whatever the order of arrival.
fn candidate(photo: &Scored) -> Option<Candidate<String>> {
    let content = photo.content.as_ref()?;
    let (key, sha256, measured) = (photo.row.source_url.clone(), content.sha256, content.measured.clone());
    Some(Candidate { key, sha256, measured })
}

/// What the download says already of the photo itself, rather than of the network.
fn without_bytes(photo: &Scored) -> Option<Verdict> {
    let class: FailureClass = photo.row.failure.as_deref()?.parse().ok()?;
    let detail = || photo.row.detail.clone().unwrap_or_else(|| class.to_string());
    let reason = match class {
        FailureClass::TooSmall => Reason::TooSmall {
            width: photo.row.hint_width.unwrap_or_default(),
            height: photo.row.hint_height.unwrap_or_default(),
        },
        FailureClass::NotAnImage | FailureClass::Unreadable => Reason::Unreadable { detail: detail() },
        _ => return None,
    };
    Some(Verdict::Drop(vec![reason]))
}

/// How many photos can only be judged once more models were asked.
pub fn not_measured(all: &[Judged]) -> usize {
    let waits = |reason: &Reason| matches!(reason, Reason::NotMeasured { .. });
    let verdicts = all.iter().flat_map(|judged| &judged.photos).filter_map(|(_, verdict)| verdict.as_ref());
    verdicts.filter(|verdict| verdict.reasons().iter().any(waits)).count()
}

/// Stores the verdicts.
pub async fn record(catalog: &Catalog, rules: Digest, all: &[Judged]) -> Result<()> {
    for judged in all {
        let verdicts: Vec<_> = judged
            .photos
            .iter()
            .filter_map(|(photo, verdict)| Some((photo.row.id, verdict.clone()?)))
            .collect();
        catalog.record_verdicts(rules, &verdicts).await?;
    }
    Ok(())
}

#[derive(Serialize)]
struct Change {
    identity: String,
    photo: String,
    before: Verdict,
    after: Verdict,
}

/// Shows how verdicts differ from the newest stored ones.
pub async fn show_changes(catalog: &Catalog, all: &[Judged], output: Output) -> Result<()> {
    let mut changes = Vec::new();
    for judged in all {
        let mut old: BTreeMap<_, _> =
            catalog.newest_verdicts(judged.identity.id).await?.into_iter().collect();
        for (photo, verdict) in &judged.photos {
            if let (Some(before), Some(after)) = (old.remove(&photo.row.id), verdict.clone())
                && before != after
            {
                let (identity, photo) = (judged.identity.key(), photo.row.source_url.clone());
                changes.push(Change { identity, photo, before, after });
            }
        }
    }
    if changes.is_empty() {
        return Ok(output.remark("Nothing would change.")?);
    }
    output.show_all(&changes, &["identity", "photo", "before", "after"], |change| {
        vec![
            change.identity.clone(),
            change.photo.clone(),
            change.before.to_string(),
            change.after.to_string(),
        ]
    })?;
    Ok(())
}
