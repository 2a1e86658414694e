//! What is stored of a photo, put together again for judging, preparing and snapshots.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use catalog::Catalog;
use catalog::gallery::{MeasurementLine, Piece};
use catalog::identity::Identity;
use catalog::measurement::{Kind, Probe, Said};
use catalog::photo::PhotoRow;
use curate::{Demand, Measurements};
use photo::{Detection, Digest, FaceEmbedding, ImageFacts, Person, WatermarkScore};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

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
    pub content: Option<Arc<Content>>,
    /// How alike its face is to most faces of the person, from −1 to 1: judging says it, where it compares faces.
    pub similarity: Option<f32>,
}

/// The bytes of a photo and what is known of them.
#[derive(Clone, Debug)]
pub struct Content {
    /// Their digest.
    pub sha256: Digest,
    /// The scores, or why the photo cannot be read.
    pub measured: Result<Measurements, String>,
}

/// The people of the sites with their photos in the order of source URLs, with the scores that `demand` asks for.
/// `probes` as [`crate::measure::probes`] gives them.
pub async fn galleries(
    catalog: &Catalog,
    probes: &[Probe],
    demand: &Demand,
    kept_by_hand: &HashSet<Digest>,
    sites: &[String],
) -> Result<Vec<(Identity, Vec<Scored>)>> {
    let (demand, kept_by_hand) = (demand.clone(), Arc::new(kept_by_hand.clone()));
    let parse = move |piece: &Piece| contents(piece, &demand, &kept_by_hand);
    let (galleries, parsed) =
        tokio::try_join!(catalog.galleries(sites), catalog.measured_in_pieces(sites, probes, parse))?;
    let parsed = parsed.into_iter().collect::<Result<Vec<_>>>()?;
    let contents: HashMap<Digest, Arc<Content>> =
        parsed.into_iter().flatten().map(|content| (content.sha256, content)).collect();
    let scored = |row: PhotoRow| {
        let content = row.sha256.as_ref().map(|sha256| {
            let content = contents.get(&sha256.parse()?).map(Arc::clone);
            content.with_context(|| format!("photo {sha256} was not measured; run `bolid measure`"))
        });
        Ok(Scored { content: content.transpose()?, row, similarity: None })
    };
    let with_scores = |(identity, rows): (Identity, Vec<PhotoRow>)| {
        Ok((identity, rows.into_iter().map(scored).collect::<Result<_>>()?))
    };
    galleries.into_iter().map(with_scores).collect()
}

/// What is stored of one content, as far as it was read.
#[derive(Default)]
struct Stored {
    decoded: Option<Decoded>,
    watermark: Option<Answer<WatermarkScore>>,
    faces: Option<Answer<Vec<Detection>>>,
    people: Option<Answer<Vec<Person>>>,
    face_embedding: Option<Answer<Vec<FaceEmbedding>>>,
}

/// The contents of which a piece of the stored measurements speaks.
fn contents(piece: &Piece, demand: &Demand, kept_by_hand: &HashSet<Digest>) -> Result<Vec<Arc<Content>>> {
    let mut stored: BTreeMap<&str, Stored> = BTreeMap::new();
    for line in piece.lines() {
        let of = stored.entry(line.sha256).or_default();
        match line.kind {
            "image" => of.decoded = Some(parse(&line)?),
            "watermark" => of.watermark = Some(answer(&line)?),
            "faces" => of.faces = Some(answer(&line)?),
            "people" => of.people = Some(answer(&line)?),
            "face_embedding" => of.face_embedding = Some(answer(&line)?),
            _ => {}
        }
    }
    let content = |(sha256, stored): (&str, Stored)| {
        let sha256: Digest = sha256.parse()?;
        let demand = if kept_by_hand.contains(&sha256) { &Demand::Every } else { demand };
        stored.into_content(sha256, demand)
    };
    stored.into_iter().map(content).collect()
}

fn parse<T: DeserializeOwned>(line: &MeasurementLine<'_>) -> Result<T> {
    serde_json::from_str(line.value)
        .with_context(|| format!("read the stored `{}` of photo {}", line.kind, line.sha256))
}

/// As [`Answer`] reads itself, which has to copy the value before it knows what it is: the first character tells.
fn answer<T: DeserializeOwned>(line: &MeasurementLine<'_>) -> Result<Answer<T>> {
    match line.value.as_bytes().first() {
        Some(b'"') => Ok(Answer::NotAsked(parse(line)?)),
        Some(b'n') => Ok(Answer::Unreadable(parse(line)?)),
        _ => Ok(Answer::Measured(parse(line)?)),
    }
}

/// The stored form of what is known of a photo. One that cannot be read has `null` for every model, so that none is asked
/// again.
pub fn said(measured: &Result<Measurements, String>, kind: Kind) -> Said {
    match (measured, kind) {
        (Ok(measured), Kind::Image) => Said::of(&Decoded::Readable(measured.facts.clone())),
        (Ok(measured), Kind::Watermark) => Said::of(&Answer::of(measured.watermark.as_ref())),
        (Ok(measured), Kind::Faces) => Said::of(&Answer::of(measured.faces.as_ref())),
        (Ok(measured), Kind::People) => Said::of(&Answer::of(measured.people.as_ref())),
        (Ok(measured), Kind::FaceEmbedding) => Said::of(&Answer::of(measured.face_embedding.as_ref())),
        (Err(detail), Kind::Image) => Said::of(&Decoded::Unreadable(detail.clone())),
        (Err(_), _) => Said::of(&()),
    }
}

/// Whether a stored value says that its model was not asked.
pub fn is_not_asked(said: &Said) -> bool {
    *said == Said::of(&NotAsked::NotMeasured)
}

/// Numbers beyond this are no measurement: as f32 they would be infinite.
const LARGEST: f64 = 1e12;

/// Whether a value is what its kind stores, in the form in which it is stored.
///
/// # Errors
/// Where it is not: it would fail every later judging.
pub fn check(kind: Kind, said: &Said) -> Result<()> {
    let text = said.text();
    let is_compact = !text.starts_with(char::is_whitespace) && !text.contains(['\n', '\t']);
    ensure!(is_compact, "it is no JSON on one line without blanks before it");
    ensure!(is_finite(&serde_json::from_str(text)?), "it holds a number that nothing measures");
    match kind {
        Kind::Image => said.read::<Decoded>(kind).map(drop)?,
        Kind::Watermark => said.read::<Answer<WatermarkScore>>(kind).map(drop)?,
        Kind::Faces => said.read::<Answer<Vec<Detection>>>(kind).map(drop)?,
        Kind::People => said.read::<Answer<Vec<Person>>>(kind).map(drop)?,
        Kind::FaceEmbedding => said.read::<Answer<Vec<FaceEmbedding>>>(kind).map(drop)?,
    }
    Ok(())
}

fn is_finite(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.as_f64().is_some_and(|number| number.abs() < LARGEST),
        Value::Array(items) => items.iter().all(is_finite),
        Value::Object(map) => map.values().all(is_finite),
        _ => true,
    }
}

impl Stored {
    fn into_content(self, sha256: Digest, demand: &Demand) -> Result<Arc<Content>> {
        let lacking = || format!("photo {sha256} lacks scores; run `bolid measure`");
        let measured = match self.decoded.with_context(lacking)? {
            Decoded::Unreadable(detail) => Err(detail),
            Decoded::Readable(facts) => Ok(demand.view(Measurements {
                facts,
                watermark: self.watermark.with_context(lacking)?.score(),
                faces: self.faces.with_context(lacking)?.score(),
                people: self.people.with_context(lacking)?.score(),
                face_embedding: self.face_embedding.and_then(Answer::score),
            })),
        };
        Ok(Arc::new(Content { sha256, measured }))
    }
}
