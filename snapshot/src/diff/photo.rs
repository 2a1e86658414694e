//! A photo as one snapshot has it, and which photos of two snapshots are the same.

use std::collections::BTreeMap;

use photo::{CaptionSource, Digest, Joints, Reason, Split, Verdict};
use serde::Serialize;

use crate::error::Error;
use crate::row::{Dropped, KeptPhoto, Scores};
use crate::snapshot::Snapshot;

/// What a snapshot says of a photo.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PhotoState {
    /// Whose, `site/slug`.
    pub identity: String,
    /// The file's address.
    pub url: String,
    /// The digest of its bytes, where there are some.
    pub sha256: Option<Digest>,
    /// Keep, or drop with every reason.
    pub verdict: Verdict,
    /// What was measured.
    pub scores: Scores,
    /// Width in pixels, where it is known.
    pub width: Option<u32>,
    /// Height in pixels, likewise.
    pub height: Option<u32>,
    /// What is known of kept photos only.
    pub kept: Option<Kept>,
}

/// What a snapshot says of a kept photo.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Kept {
    /// The side that its person is on.
    pub split: Split,
    /// Whether it is held out of training.
    pub held_out: bool,
    /// What the page says of it, or what a source of captions said.
    pub caption: Option<String>,
    /// The source of the caption, where it is not the photo's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caption_source: Option<CaptionSource>,
    /// The joints in px of the photo.
    pub joints_in_photo: Joints,
}

/// Something in which two snapshots can differ on a photo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Aspect {
    /// One keeps it, the other does not.
    Verdict,
    /// Both drop it, for reasons of other names.
    Reasons,
    /// Other bytes are under its address.
    Bytes,
    /// The same bytes are at another address.
    Address,
    /// It is another person's.
    Identity,
    /// Its caption is another one, or from another source.
    Caption,
    /// Its person is on another side.
    Split,
    /// It is held out by one and trained on by the other.
    HeldOut,
    /// Its joints are others.
    Joints,
    /// A score is another one, or was not measured before.
    Scores,
}

impl PhotoState {
    /// What photos are sorted by.
    pub(super) fn key(&self) -> (&str, &str, Option<Digest>) {
        (&self.identity, &self.url, self.sha256)
    }

    fn of_kept(photo: &KeptPhoto) -> Self {
        let facts = &photo.facts;
        Self {
            identity: photo.identity.clone(),
            url: facts.url.clone(),
            sha256: Some(facts.sha256),
            verdict: Verdict::Keep,
            scores: facts.scores.clone(),
            width: Some(facts.width),
            height: Some(facts.height),
            kept: Some(Kept {
                split: photo.split,
                held_out: photo.held_out,
                caption: facts.caption.clone(),
                caption_source: facts.caption_source,
                joints_in_photo: facts.joints_in_photo,
            }),
        }
    }

    fn of_dropped(photo: Dropped) -> Self {
        let facts = photo.facts;
        Self {
            identity: photo.identity,
            url: facts.url,
            sha256: facts.sha256,
            verdict: Verdict::Drop(facts.reasons),
            scores: facts.scores,
            width: facts.width,
            height: facts.height,
            kept: None,
        }
    }
}

/// All photos of a snapshot, sorted.
pub(super) fn states(snapshot: &Snapshot) -> Result<Vec<PhotoState>, Error> {
    let dropped = snapshot.dropped()?.into_iter().map(PhotoState::of_dropped);
    let mut states: Vec<_> = snapshot.photos().iter().map(PhotoState::of_kept).chain(dropped).collect();
    states.sort_by(|a, b| a.key().cmp(&b.key()));
    Ok(states)
}

/// The photos of two snapshots, side by side.
pub(super) struct Matched {
    /// Photos that both know.
    pub pairs: Vec<(PhotoState, PhotoState)>,
    /// Photos that only the second one knows.
    pub added: Vec<PhotoState>,
    /// Photos that only the first one knows.
    pub removed: Vec<PhotoState>,
}

/// Finds for each photo the same one in the other snapshot: what agrees in more comes first, so that a photo
/// is taken for another one's new bytes, or for one that moved, only where nothing speaks against it.
pub(super) fn matched(old: Vec<PhotoState>, new: Vec<PhotoState>) -> Matched {
    type Key = (Option<String>, Option<String>, Option<Digest>);
    let keys: [fn(&PhotoState) -> Option<Key>; 5] = [
        |photo| Some((Some(photo.identity.clone()), Some(photo.url.clone()), photo.sha256)),
        |photo| Some((Some(photo.identity.clone()), Some(photo.url.clone()), None)),
        |photo| Some((Some(photo.identity.clone()), None, Some(photo.sha256?))),
        |photo| Some((None, None, Some(photo.sha256?))),
        |photo| Some((None, Some(photo.url.clone()), None)),
    ];
    let mut matched = Matched { pairs: Vec::new(), added: new, removed: old };
    for key in keys {
        // Of several with one key (the same bytes at two addresses), those that are kept are paired first.
        let mut by_key: BTreeMap<Key, Vec<PhotoState>> = BTreeMap::new();
        let mut removed = Vec::new();
        for photo in kept_last(matched.removed) {
            match key(&photo) {
                Some(key) => by_key.entry(key).or_default().push(photo),
                None => removed.push(photo),
            }
        }
        let mut added = Vec::new();
        for photo in kept_last(matched.added).into_iter().rev() {
            match key(&photo).and_then(|key| by_key.get_mut(&key)?.pop()) {
                Some(before) => matched.pairs.push((before, photo)),
                None => added.push(photo),
            }
        }
        removed.extend(by_key.into_values().flatten());
        (matched.added, matched.removed) = (added, removed);
    }
    for list in [&mut matched.added, &mut matched.removed] {
        list.sort_by(|a, b| a.key().cmp(&b.key()));
    }
    matched
}

fn kept_last(mut photos: Vec<PhotoState>) -> Vec<PhotoState> {
    photos.sort_by(|a, b| (a.verdict.is_keep(), b.key()).cmp(&(b.verdict.is_keep(), a.key())));
    photos
}

/// In what two states of a photo differ.
pub(super) fn aspects(before: &PhotoState, after: &PhotoState) -> Vec<Aspect> {
    let names = |state: &PhotoState| {
        let mut names: Vec<_> = state.verdict.reasons().iter().map(Reason::name).collect();
        names.sort_unstable();
        names
    };
    let kept = before.kept.as_ref().zip(after.kept.as_ref());
    let of_kept =
        |differs: fn(&Kept, &Kept) -> bool| kept.is_some_and(|(before, after)| differs(before, after));
    let is_same_verdict = before.verdict.is_keep() == after.verdict.is_keep();
    [
        (Aspect::Verdict, !is_same_verdict),
        (Aspect::Reasons, is_same_verdict && names(before) != names(after)),
        (Aspect::Bytes, before.sha256 != after.sha256),
        (Aspect::Address, before.url != after.url),
        (Aspect::Identity, before.identity != after.identity),
        (
            Aspect::Caption,
            of_kept(|before, after| {
                (&before.caption, before.caption_source) != (&after.caption, after.caption_source)
            }),
        ),
        (Aspect::Split, of_kept(|before, after| before.split != after.split)),
        (Aspect::HeldOut, of_kept(|before, after| before.held_out != after.held_out)),
        (Aspect::Joints, of_kept(|before, after| before.joints_in_photo != after.joints_in_photo)),
        (Aspect::Scores, before.scores != after.scores),
    ]
    .into_iter()
    .filter_map(|(aspect, differs)| differs.then_some(aspect))
    .collect()
}

/// How far the joint that moved most did; `None` where no joint is seen in both.
pub(super) fn joints_moved_px(before: &PhotoState, after: &PhotoState) -> Option<f32> {
    let (before, after) = (before.kept.as_ref()?, after.kept.as_ref()?);
    let pairs = before.joints_in_photo.0.into_iter().zip(after.joints_in_photo.0);
    pairs
        .filter(|(a, b)| a.confidence > 0.0 && b.confidence > 0.0)
        .map(|(a, b)| (a.x - b.x).hypot(a.y - b.y))
        .reduce(f32::max)
}
