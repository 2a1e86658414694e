//! What is stored of a photo, put together again for judging, preparing and snapshots.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use catalog::Catalog;
use catalog::gallery::{MeasurementLine, Piece};
use catalog::identity::Identity;
use catalog::measurement::{Probe, Said};
use catalog::photo::PhotoRow;
use curate::{Measurements, ModelSchedule};
use photo::measurement::{Answer, Decoded, Kind, NOT_MEASURED};
use photo::{Detection, Digest, FaceEmbedding, ImageFacts, Measurement, Person, WatermarkScore};
use serde_json::Value;
use snapshot::MeasurementRow;

/// A photo of a person with everything that was stored of it.
#[derive(Clone, Debug)]
pub struct Scored {
    /// Where it comes from and what came of its download.
    pub row: PhotoRow,
    /// Its bytes and what was measured, or why it cannot be read; `None` where there are no bytes.
    pub content: Option<Arc<Content>>,
    /// How alike its face is to most faces of the person, from −1 to 1: judging says it, where it
    /// compares faces.
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

/// The people of the sites with their photos in the order of source URLs, with the scores that
/// `schedule` runs models for; and how many photos have bytes that were not measured yet, which are
/// here without them. `probes` as a plan has them.
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
        let content = row.sha256.and_then(|sha256| contents.get(&sha256)).map(Arc::clone);
        unmeasured += usize::from(row.sha256.is_some() && content.is_none());
        Scored { content, row, similarity: None }
    };
    let with_scores =
        |(identity, rows): (Identity, Vec<PhotoRow>)| (identity, rows.into_iter().map(&mut scored).collect());
    let galleries = galleries.into_iter().map(with_scores).collect();
    Ok((galleries, unmeasured))
}

/// What a snapshot says was measured of each of its photos; of a snapshot without measurements, nothing.
pub fn of_snapshot(rows: &[MeasurementRow]) -> Result<HashMap<Digest, Content>> {
    let mut stored: HashMap<Digest, Answers> = HashMap::new();
    for row in rows {
        let sha256 = row.sha256.to_string();
        let line = MeasurementLine { sha256: &sha256, kind: &row.kind, value: &row.value };
        stored.entry(row.sha256).or_default().add(&line)?;
    }
    let content = |(sha256, stored): (Digest, Answers)| {
        let stored = Answers { face_embedding: None, ..stored }; // snapshots hold none
        Some((sha256, Content { sha256, measured: stored.known()? }))
    };
    Ok(stored.into_iter().filter_map(content).collect())
}

/// What the decoder and the models said of one content, as far as it was read.
#[derive(Default)]
pub struct Answers {
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
    let mut stored: BTreeMap<&str, Answers> = BTreeMap::new();
    for line in piece.lines() {
        stored.entry(line.sha256).or_default().add(&line)?;
    }
    if is_watermark_off {
        let none = || Answer::Measured(WatermarkScore::none());
        stored.values_mut().for_each(|of| of.watermark = Some(none()));
    }
    let content = |(sha256, stored): (&str, Answers)| {
        let sha256: Digest = sha256.parse()?;
        let schedule = if kept_by_hand.contains(&sha256) { &ModelSchedule::All } else { schedule };
        Ok(stored.into_content(sha256, schedule).map(Arc::new))
    };
    stored.into_iter().map(content).filter_map(Result::transpose).collect()
}

/// The stored form of what is known of a photo. One that cannot be read has `null` for every model, so
/// that none is asked again.
pub fn said(measured: &Result<Measurements, String>, kind: Kind) -> Said {
    Said::of(&match (measured, kind) {
        (Ok(measured), Kind::Image) => Measurement::Image(Decoded::Readable(measured.facts.clone())),
        (Err(detail), Kind::Image) => Measurement::Image(Decoded::Unreadable(detail.clone())),
        (measured, Kind::Watermark) => Measurement::Watermark(answer(measured, |of| of.watermark.clone())),
        (measured, Kind::Faces) => Measurement::Faces(answer(measured, |of| of.faces.clone())),
        (measured, Kind::People) => Measurement::People(answer(measured, |of| of.people.clone())),
        (measured, Kind::FaceEmbedding) => {
            Measurement::FaceEmbedding(answer(measured, |of| of.face_embedding.clone()))
        }
    })
}

fn answer<T>(
    measured: &Result<Measurements, String>,
    score: impl Fn(&Measurements) -> Option<T>,
) -> Answer<T> {
    measured.as_ref().map_or(Answer::Unreadable, |measured| Answer::of(score(measured)))
}

/// Whether a stored value says that its model was not asked.
pub fn is_not_asked(said: &Said) -> bool {
    said.text() == NOT_MEASURED
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
    said.read(kind)?;
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

impl Answers {
    /// What probes stored of one content.
    ///
    /// # Errors
    /// Where a text is not what its kind stores.
    pub fn of(values: &[(Probe, Said)]) -> Result<Self> {
        let mut stored = Self::default();
        for (probe, said) in values {
            stored.set(said.read(probe.kind)?);
        }
        Ok(stored)
    }

    /// A kind that only a newer version knows is left out.
    fn add(&mut self, line: &MeasurementLine<'_>) -> Result<()> {
        let MeasurementLine { sha256, kind: name, value } = line;
        if let Some(kind) = Kind::of_name(name) {
            let read = Measurement::read(kind, value);
            self.set(read.with_context(|| format!("read the stored `{name}` of photo {sha256}"))?);
        }
        Ok(())
    }

    fn set(&mut self, measurement: Measurement) {
        match measurement {
            Measurement::Image(decoded) => self.decoded = Some(decoded),
            Measurement::Watermark(answer) => self.watermark = Some(answer),
            Measurement::Faces(answer) => self.faces = Some(answer),
            Measurement::People(answer) => self.people = Some(answer),
            Measurement::FaceEmbedding(answer) => self.face_embedding = Some(answer),
        }
    }

    /// What is known of the photo, or why it cannot be read; `None` where it was not decoded yet.
    pub fn known(mut self) -> Option<Result<Measurements, String>> {
        Some(match self.decoded.take()? {
            Decoded::Readable(facts) => Ok(self.with_facts(facts)),
            Decoded::Unreadable(detail) => Err(detail),
        })
    }

    /// The photo's facts, and what models have said of it.
    pub fn with_facts(self, facts: ImageFacts) -> Measurements {
        Measurements {
            facts,
            watermark: self.watermark.and_then(Answer::score),
            faces: self.faces.and_then(Answer::score),
            people: self.people.and_then(Answer::score),
            face_embedding: self.face_embedding.and_then(Answer::score),
        }
    }

    /// `None` where a model has said nothing yet, not even that it was not asked.
    fn into_content(self, sha256: Digest, schedule: &ModelSchedule) -> Option<Content> {
        let is_readable = matches!(self.decoded, Some(Decoded::Readable(_)));
        let is_whole = self.watermark.is_some() && self.faces.is_some() && self.people.is_some();
        if is_readable && !is_whole {
            return None;
        }
        let measured = self.known()?.map(|measured| schedule.visible(measured));
        Some(Content { sha256, measured })
    }
}
