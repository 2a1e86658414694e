//! What is stored of a photo, put together again for judging, preparing and snapshots.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use catalog::Catalog;
use catalog::gallery::{MeasurementLine, Piece};
use catalog::identity::Identity;
use catalog::measurement::{Kind, Probe, Said};
use catalog::photo::PhotoRow;
use curate::{Measurements, ModelSchedule};
use photo::{Detection, Digest, FaceEmbedding, ImageFacts, Person, WatermarkScore};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use snapshot::MeasurementRow;

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

/// The people of the sites with their photos in the order of source URLs, with the scores that `schedule` runs models for; and how
/// many photos have bytes that were not measured yet, which are here without them. `probes` as [`crate::measure::probes`] gives them.
pub async fn galleries(
    catalog: &Catalog,
    probes: &[Probe],
    schedule: &ModelSchedule,
    kept_by_hand: &HashSet<Digest>,
    sites: &[String],
) -> Result<(Vec<(Identity, Vec<Scored>)>, usize)> {
    let (schedule, kept_by_hand) = (schedule.clone(), Arc::new(kept_by_hand.clone()));
    let is_watermark_off = !probes.iter().any(|probe| probe.kind == Kind::Watermark);
    let parse = move |piece: &Piece| contents(piece, &schedule, &kept_by_hand, is_watermark_off);
    let (galleries, parsed) =
        tokio::try_join!(catalog.galleries(sites), catalog.measured_in_pieces(sites, probes, parse))?;
    let parsed = parsed.into_iter().collect::<Result<Vec<_>>>()?;
    let contents: HashMap<Digest, Arc<Content>> =
        parsed.into_iter().flatten().map(|content| (content.sha256, content)).collect();
    let mut unmeasured = 0;
    let mut scored = |row: PhotoRow| {
        let sha256: Option<Digest> = row.sha256.as_ref().map(|sha256| sha256.parse()).transpose()?;
        let content = sha256.and_then(|sha256| contents.get(&sha256)).map(Arc::clone);
        unmeasured += usize::from(sha256.is_some() && content.is_none());
        Ok(Scored { content, row, similarity: None })
    };
    let with_scores = |(identity, rows): (Identity, Vec<PhotoRow>)| {
        Ok((identity, rows.into_iter().map(&mut scored).collect::<Result<_>>()?))
    };
    let galleries = galleries.into_iter().map(with_scores).collect::<Result<_>>()?;
    Ok((galleries, unmeasured))
}

/// What a snapshot says was measured of each of its photos; of a snapshot without measurements, nothing.
pub fn of_snapshot(rows: &[MeasurementRow]) -> Result<HashMap<Digest, Content>> {
    let mut stored: HashMap<Digest, Stored> = HashMap::new();
    for row in rows {
        let sha256 = row.sha256.to_string();
        let line = MeasurementLine { sha256: &sha256, kind: &row.kind, value: &row.value };
        stored.entry(row.sha256).or_default().add(&line)?;
    }
    let content = |(sha256, of): (Digest, Stored)| {
        let measured = match of.decoded? {
            Decoded::Unreadable(detail) => Err(detail),
            Decoded::Readable(facts) => Ok(Measurements {
                facts,
                watermark: of.watermark.and_then(Answer::score),
                faces: of.faces.and_then(Answer::score),
                people: of.people.and_then(Answer::score),
                face_embedding: None, // snapshots hold none
            }),
        };
        Some((sha256, Content { sha256, measured }))
    };
    Ok(stored.into_iter().filter_map(content).collect())
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
fn contents(
    piece: &Piece,
    schedule: &ModelSchedule,
    kept_by_hand: &HashSet<Digest>,
    is_watermark_off: bool,
) -> Result<Vec<Arc<Content>>> {
    let mut stored: BTreeMap<&str, Stored> = BTreeMap::new();
    for line in piece.lines() {
        stored.entry(line.sha256).or_default().add(&line)?;
    }
    if is_watermark_off {
        let none = || Answer::Measured(WatermarkScore::none());
        stored.values_mut().for_each(|of| of.watermark = Some(none()));
    }
    let content = |(sha256, stored): (&str, Stored)| {
        let sha256: Digest = sha256.parse()?;
        let schedule = if kept_by_hand.contains(&sha256) { &ModelSchedule::All } else { schedule };
        Ok(stored.into_content(sha256, schedule).map(Arc::new))
    };
    stored.into_iter().map(content).filter_map(Result::transpose).collect()
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
    fn add(&mut self, line: &MeasurementLine<'_>) -> Result<()> {
        match line.kind {
            "image" => self.decoded = Some(parse(line)?),
            "watermark" => self.watermark = Some(answer(line)?),
            "faces" => self.faces = Some(answer(line)?),
            "people" => self.people = Some(answer(line)?),
            "face_embedding" => self.face_embedding = Some(answer(line)?),
            _ => {}
        }
        Ok(())
    }

    /// `None` where a model has said nothing yet, not even that it was not asked.
    fn into_content(self, sha256: Digest, schedule: &ModelSchedule) -> Option<Content> {
        let measured = match self.decoded? {
            Decoded::Unreadable(detail) => Err(detail),
            Decoded::Readable(facts) => Ok(schedule.visible(Measurements {
                facts,
                watermark: self.watermark?.score(),
                faces: self.faces?.score(),
                people: self.people?.score(),
                face_embedding: self.face_embedding.and_then(Answer::score),
            })),
        };
        Some(Content { sha256, measured })
    }
}
