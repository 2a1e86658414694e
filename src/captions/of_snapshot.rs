//! The captions that a snapshot gets, and what it says of them.

use photo::{CaptionSource, Digest};
use serde_json::Value;

use super::plan::CaptionPlan;
use super::texts::{Choice, Texts, names};
use crate::judge::Judged;
use crate::plan::RecordedCaptions;

/// Where a snapshot's captions are from.
pub enum SnapshotCaptions<'a> {
    /// They are the photos' own, as they stand.
    Own,
    /// They are what sources and rules make of it.
    Chosen(&'a CaptionPlan, Texts<'a>),
    /// They are those of another snapshot, which is built once more: the photos' own have become what it says.
    Recorded(&'a RecordedCaptions),
}

impl<'s> SnapshotCaptions<'s> {
    /// What the snapshot's recipe says of captions; nothing where they are the photos' own.
    pub fn about(&self) -> Option<&Value> {
        match self {
            Self::Own => None,
            Self::Chosen(plan, _) => Some(plan.about()),
            Self::Recorded(recorded) => Some(&recorded.about),
        }
    }

    /// The captions of a person's photos.
    pub fn of<'p>(
        &'p self,
        judged: &Judged,
    ) -> impl Fn(Digest, Option<&str>) -> (Option<String>, Option<CaptionSource>) + use<'p, 's> {
        let (names, identity) = (names(judged), judged.identity.key());
        move |sha256, own| match self {
            Self::Own => (own.map(str::to_owned), None),
            Self::Chosen(_, texts) => match texts.choose(sha256, own, &names).choice {
                Choice::Caption(CaptionSource::Own, text) => (Some(text), None),
                Choice::Caption(source, text) => (Some(text), Some(source)),
                Choice::Due(_) | Choice::None(_) => (None, None),
            },
            Self::Recorded(recorded) => {
                (own.map(str::to_owned), recorded.sources.get(&(identity.clone(), sha256)).copied())
            }
        }
    }
}
