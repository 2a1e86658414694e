//! Which caption a photo has: that of the first source that has a text, of which the rules leave something.

use std::collections::{BTreeSet, HashMap};

use anyhow::Result;
use caption::{Change, Names};
use catalog::Catalog;
use catalog::caption::CaptionResult;
use photo::{CaptionFailure, CaptionSource, Digest};

use super::plan::{CaptionPlan, How};
use crate::judge::Judged;

/// What all sources have said so far.
pub struct Texts<'p> {
    plan: &'p CaptionPlan,
    /// By source, in their order; of a source that is not asked, nothing.
    said: Vec<HashMap<Digest, CaptionResult>>,
}

/// The caption of a photo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// There is one.
    Caption(CaptionSource, String),
    /// The source at this place is to be asked first.
    Due(usize),
    /// No source has one; why the last one that failed did.
    None(Option<CaptionFailure>),
}

/// A choice, and what the rules did on the way to it.
pub struct Chosen {
    /// The caption.
    pub choice: Choice,
    /// What was changed, also of texts that were not taken.
    pub changes: Vec<Change>,
}

impl<'p> Texts<'p> {
    /// Reads what is stored.
    pub async fn read(catalog: &Catalog, plan: &'p CaptionPlan) -> Result<Self> {
        let mut said = Vec::new();
        for source in &plan.sources {
            said.push(match source.how {
                How::Stored => HashMap::new(),
                How::Server(_) | How::Model(..) => catalog.captions_by(source.digest).await?,
            });
        }
        Ok(Self { plan, said })
    }

    /// The caption of a photo with these bytes and this text of its own. A photo that one source is yet to be asked
    /// about is left to it: which source a caption is from does not depend on what was asked first.
    pub fn choose(&self, sha256: Digest, own: Option<&str>, names: &Names) -> Chosen {
        let mut changes = Vec::new();
        let mut failed = None;
        for (place, source) in self.plan.sources.iter().enumerate() {
            let said = match &source.how {
                How::Stored => own,
                How::Server(_) | How::Model(..) => match self.said[place].get(&sha256) {
                    Some(Ok(text)) => Some(text.as_str()),
                    Some(Err((class, _))) if !class.stays_due() => {
                        failed = Some(*class);
                        None
                    }
                    Some(Err(_)) | None => return Chosen { choice: Choice::Due(place), changes },
                },
            };
            let Some(text) = said.filter(|text| !text.trim().is_empty()) else { continue };
            let cleaned = self.plan.clean(text, names);
            changes.extend(cleaned.changes);
            if let Some(text) = cleaned.text {
                return Chosen { choice: Choice::Caption(source.source, text), changes };
            }
        }
        Chosen { choice: Choice::None(failed), changes }
    }

    /// Each kept photo's choice, in the order of the people.
    pub fn of_kept<'j>(&'j self, people: &'j [Judged]) -> impl Iterator<Item = (Digest, Chosen)> + 'j {
        people.iter().flat_map(move |judged| {
            let names = names(judged);
            kept(judged).map(move |(sha256, own)| (sha256, self.choose(sha256, own, &names)))
        })
    }

    /// The kept photos that the source at this place is to be asked about: each content once.
    pub fn due(&self, people: &[Judged], place: usize) -> Vec<Digest> {
        let due =
            |(sha256, chosen): (Digest, Chosen)| (chosen.choice == Choice::Due(place)).then_some(sha256);
        let all: BTreeSet<Digest> = self.of_kept(people).filter_map(due).collect();
        all.into_iter().collect()
    }
}

/// What texts may call a person.
pub fn names(judged: &Judged) -> Names {
    Names::of(&judged.identity.name, &judged.identity.slug)
}

/// The person's kept photos: bytes, and the text of their own.
fn kept(judged: &Judged) -> impl Iterator<Item = (Digest, Option<&str>)> {
    judged.photos.iter().filter_map(|(photo, verdict)| {
        let content =
            photo.content.as_ref().filter(|_| verdict.as_ref().is_some_and(photo::Verdict::is_keep))?;
        Some((content.sha256, photo.row.caption.as_deref()))
    })
}
