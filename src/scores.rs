//! What is stored of a photo, put together again for judging, preparing and snapshots.

use std::collections::HashMap;

use anyhow::{Context, Result};
use catalog::Catalog;
use catalog::identity::Identity;
use catalog::measurement::Probe;
use catalog::photo::PhotoRow;
use curate::{Demand, Measurements};
use photo::{Detection, Digest, ImageFacts, Person, WatermarkScore};
use serde::{Deserialize, Serialize};

/// What the decoder said: the stored form of a measurement of kind `image`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decoded {
    /// The facts of its pixels.
    Readable(ImageFacts),
    /// Why there are none.
    Unreadable(String),
}

/// What a model said: the stored form of a measurement of any other kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Answer<T> {
    /// What it found.
    Measured(T),
    /// It was not asked: what was known already drops the photo.
    NotAsked(NotAsked),
    /// The photo cannot be read: `null`.
    Unreadable(()),
}

/// The word that is stored in place of a score.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NotAsked {
    /// For now: other rules may ask.
    #[serde(rename = "not_measured")]
    NotMeasured,
}

impl<T> Answer<T> {
    /// The stored form of a score, or of none.
    pub fn of(score: Option<T>) -> Self {
        score.map_or(Self::NotAsked(NotAsked::NotMeasured), Self::Measured)
    }

    /// The score, where there is one.
    pub fn score(self) -> Option<T> {
        match self {
            Self::Measured(score) => Some(score),
            Self::NotAsked(_) | Self::Unreadable(()) => None,
        }
    }
}

/// A photo of a person with everything that was stored of it.
#[derive(Clone, Debug)]
pub struct Scored {
    /// Where it comes from and what came of its download.
    pub row: PhotoRow,
    /// Its bytes and what was measured, or why it cannot be read; `None` where there are no bytes.
    pub content: Option<Content>,
}

/// The bytes of a photo and what is known of them.
#[derive(Clone, Debug)]
pub struct Content {
    /// Their digest.
    pub sha256: Digest,
    /// The scores, or why the photo cannot be read.
    pub measured: Result<Measurements, String>,
}

/// A person's photos in the order of their source URLs, with the scores that `demand` asks for. `probes` as
/// [`crate::measure::probes`] gives them.
pub async fn of_identity(
    catalog: &Catalog,
    probes: &[Probe; 4],
    demand: &Demand,
    identity: &Identity,
) -> Result<Vec<Scored>> {
    let [image, watermark, faces, people] = *probes;
    let decoded = catalog.measurements::<Decoded>(identity.id, image).await?;
    let mut watermarks =
        by_photo(catalog.measurements::<Answer<WatermarkScore>>(identity.id, watermark).await?);
    let mut faces = by_photo(catalog.measurements::<Answer<Vec<Detection>>>(identity.id, faces).await?);
    let mut people = by_photo(catalog.measurements::<Answer<Vec<Person>>>(identity.id, people).await?);
    let mut contents = HashMap::new();
    for (photo_id, sha256, decoded) in decoded {
        let measured = match decoded {
            Decoded::Unreadable(detail) => Err(detail),
            Decoded::Readable(facts) => {
                let whole = || {
                    Some(Measurements {
                        facts,
                        watermark: watermarks.remove(&photo_id)?.score(),
                        faces: faces.remove(&photo_id)?.score(),
                        people: people.remove(&photo_id)?.score(),
                    })
                };
                let whole =
                    whole().with_context(|| format!("photo {sha256} lacks scores; run `bolid measure`"))?;
                Ok(demand.view(whole))
            }
        };
        contents.insert(photo_id, Content { sha256, measured });
    }
    let rows = catalog.photos(identity.id).await?;
    let scored = |row: PhotoRow| {
        let content = contents.remove(&row.id);
        if let (None, Some(sha256)) = (&content, &row.sha256) {
            anyhow::bail!("photo {sha256} was not measured; run `bolid measure`");
        }
        Ok(Scored { row, content })
    };
    rows.into_iter().map(scored).collect()
}

fn by_photo<T>(values: Vec<(i64, Digest, T)>) -> HashMap<i64, T> {
    values.into_iter().map(|(photo_id, _, value)| (photo_id, value)).collect()
}
