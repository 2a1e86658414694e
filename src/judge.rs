//! `bolid judge`: scores and rules to verdicts. No inference, so that thresholds can be tried at will.

use std::collections::{HashMap, HashSet};

use anyhow::{Result, ensure};
use catalog::Catalog;
use catalog::decision::Decision;
use catalog::duplicate::Duplicate;
use catalog::identity::Identity;
use catalog::measurement::Probe;
use curate::{Candidate, Gallery, Judgement, ModelSchedule, NoMajority, judge};
use photo::{Digest, FailureClass, IdentityName, Reason, Rules, Verdict};

use crate::scores::{self, Scored};

/// The name under which verdicts are stored: the rules, what measured, whether every model was asked, and what was
/// decided by hand.
pub fn rules_digest(rules: &Rules, probes: &[Probe], all_asked: bool, decisions: &[Decision]) -> Digest {
    let probes: Vec<_> = probes.iter().map(|probe| (probe.kind.name(), probe.digest)).collect();
    Digest::of_json(&(rules, probes, all_asked, decisions))
}

/// A person with every photo and its verdict; photos that never came and were not left out on purpose have none.
#[derive(Clone, Debug)]
pub struct Judged {
    /// Who.
    pub identity: Identity,
    /// The photos in the order of their source URLs.
    pub photos: Vec<(Scored, Option<Verdict>)>,
}

/// What the rules make of all photos of a recipe.
#[derive(Clone, Debug)]
pub struct AllJudged {
    /// The people in the order of the recipe's sites and of their slugs.
    pub people: Vec<Judged>,
    /// Photos that look the same.
    pub duplicates: Vec<Duplicate>,
    /// What was decided by hand.
    pub decisions: Vec<Decision>,
}

/// Judges every photo of the sites anew: it takes no time, and near-duplicates depend on which photos there are.
///
/// # Errors
/// Also where photos were not measured yet.
pub async fn judged(
    catalog: &Catalog,
    probes: &[Probe],
    schedule: &ModelSchedule,
    rules: &Rules,
    sites: &[String],
) -> Result<AllJudged> {
    let (judged, unmeasured) = judged_so_far(catalog, probes, schedule, rules, sites).await?;
    ensure!(unmeasured == 0, "{unmeasured} photos were not measured yet; run `bolid measure`");
    Ok(judged)
}

/// The same of the photos that were measured so far, with the number of the others: for looking, while more come.
pub async fn judged_so_far(
    catalog: &Catalog,
    probes: &[Probe],
    schedule: &ModelSchedule,
    rules: &Rules,
    sites: &[String],
) -> Result<(AllJudged, usize)> {
    let decisions = catalog.decisions(sites).await?;
    let kept = kept_by_hand(&decisions);
    let (galleries, unmeasured) = scores::galleries(catalog, probes, schedule, &kept, sites).await?;
    let Judgement { verdicts, groups, similarities, without_majority } =
        judge(&candidates(&galleries, &decisions), rules);
    for NoMajority { gallery, faces, largest } in without_majority {
        tracing::warn!(
            identity = galleries[gallery].0.key().as_str(),
            faces,
            alike = largest,
            "the faces are nobody's for the greater part, so nobody is dropped as another person: look through \
             them with `bolid report`"
        );
    }
    // The row of a photo that was judged, from its place among those that were.
    let judged_ids: Vec<Vec<i64>> = galleries
        .iter()
        .map(|(_, photos)| {
            photos.iter().filter(|photo| photo.content.is_some()).map(|photo| photo.row.id).collect()
        })
        .collect();
    let duplicates = groups.iter().flat_map(|group| {
        let id = |member: &curate::Member| judged_ids[member.gallery][member.photo];
        let centre_id = id(&group.members[0]);
        group.members.iter().map(move |member| {
            let (distance, mirrored) = (member.distance, member.mirrored);
            Duplicate { photo_id: id(member), centre_id, distance, mirrored }
        })
    });
    let duplicates = duplicates.collect();
    let judged = galleries.into_iter().zip(verdicts.into_iter().zip(similarities));
    let people = judged.map(|((identity, photos), (verdicts, similarities))| {
        let mut judged = verdicts.into_iter().zip(similarities);
        let photos = photos.into_iter().map(|photo| take_verdict(photo, &mut judged));
        Judged { identity, photos: photos.collect() }
    });
    Ok((AllJudged { people: people.collect(), duplicates, decisions }, unmeasured))
}

/// A photo with its verdict, which is the next of those that were judged where its bytes are known.
fn take_verdict(
    mut photo: Scored,
    judged: &mut impl Iterator<Item = (Verdict, Option<f32>)>,
) -> (Scored, Option<Verdict>) {
    if photo.content.is_none() {
        let verdict = without_bytes(&photo);
        return (photo, verdict);
    }
    let (verdict, similarity) = judged.next().unzip();
    photo.similarity = similarity.flatten();
    (photo, verdict)
}

/// Says how many photos are not among what is shown.
pub fn tell_unmeasured(unmeasured: usize) {
    if unmeasured > 0 {
        eprintln!("bolid: {unmeasured} photos were not measured yet, and are not among these");
    }
}

/// The photos that a person decided to keep: every model is asked of them, whatever the rules say.
pub fn kept_by_hand(decisions: &[Decision]) -> HashSet<Digest> {
    decisions.iter().filter(|decision| decision.keep == Some(true)).map(|decision| decision.sha256).collect()
}

/// The photos that have bytes. The key is the source URL: it stays the same whatever the order of arrival.
fn candidates<'a>(galleries: &'a [(Identity, Vec<Scored>)], decisions: &[Decision]) -> Vec<Gallery<'a>> {
    let mut decided: HashMap<&IdentityName, HashMap<Digest, bool>> = HashMap::new();
    for decision in decisions {
        if let Some(keep) = decision.keep {
            decided.entry(&decision.identity).or_default().insert(decision.sha256, keep);
        }
    }
    let decided = |identity: &Identity| decided.get(&identity.key());
    galleries.iter().map(|(identity, photos)| gather(identity, photos, decided(identity))).collect()
}

fn gather<'a>(
    identity: &'a Identity,
    photos: &'a [Scored],
    decided: Option<&HashMap<Digest, bool>>,
) -> Gallery<'a> {
    let photos = photos.iter().filter_map(|photo| find_candidate(photo, decided)).collect();
    Gallery { site: &identity.site, identity: identity.key().into(), photos }
}

fn find_candidate<'a>(photo: &'a Scored, decided: Option<&HashMap<Digest, bool>>) -> Option<Candidate<'a>> {
    let content = photo.content.as_deref()?;
    Some(Candidate {
        key: &photo.row.source_url,
        sha256: content.sha256,
        measured: content.measured.as_ref().map_err(String::as_str),
        decided: decided.and_then(|decided| decided.get(&content.sha256).copied()),
    })
}

/// What the download says already of the photo itself, rather than of the network.
fn without_bytes(photo: &Scored) -> Option<Verdict> {
    let class = photo.row.failure?;
    let detail = || photo.row.detail.clone().unwrap_or_else(|| class.to_string());
    let reason = match class {
        FailureClass::TooSmall => Reason::TooSmall {
            width: photo.row.hint_width.unwrap_or_default(),
            height: photo.row.hint_height.unwrap_or_default(),
        },
        FailureClass::NotAnImage | FailureClass::Unsupported | FailureClass::Unreadable => {
            Reason::Unreadable { detail: detail() }
        }
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

/// Stores the verdicts and the groups of copies.
pub async fn record(catalog: &Catalog, rules: Digest, sites: &[String], all: &AllJudged) -> Result<()> {
    let photos = all.people.iter().flat_map(|judged| &judged.photos);
    let verdicts: Vec<_> =
        photos.filter_map(|(photo, verdict)| Some((photo.row.id, verdict.as_ref()?))).collect();
    catalog.record_verdicts(rules, &verdicts).await?;
    catalog.record_duplicates(rules, sites, &all.duplicates).await?;
    Ok(())
}
