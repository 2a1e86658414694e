//! Scores, kept per content and probe: what was once computed is never computed again.

use std::collections::BTreeMap;

use photo::Digest;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Catalog, Error, Result};

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Decoding: format, size, sharpness, perceptual hash; or why it cannot be read.
    Image,
    /// The watermark model.
    Watermark,
    /// The face model.
    Faces,
    /// The pose model.
    People,
    /// The face embedding model.
    FaceEmbedding,
}

impl Kind {
    /// The name in the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Watermark => "watermark",
            Self::Faces => "faces",
            Self::People => "people",
            Self::FaceEmbedding => "face_embedding",
        }
    }
}

/// A probe: what is measured, and by which model and preprocessing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// What.
    pub kind: Kind,
    /// By which model and preprocessing.
    pub digest: Digest,
}

/// What a probe said, as it is stored: JSON text. A [`serde_json::Value`] would hold f64, and write the f32 0.1 with 17
/// digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said(String);

impl Said {
    /// The stored form of a value.
    ///
    /// # Panics
    /// Where a value cannot be written as JSON, as maps with keys of other types than text.
    pub fn of(value: &impl Serialize) -> Self {
        Self(serde_json::to_string(value).expect("scores can be written as JSON"))
    }

    /// The value.
    ///
    /// # Errors
    /// Where the text is not what `kind` stores.
    pub fn read<T: DeserializeOwned>(&self, kind: Kind) -> Result<T> {
        parse_json(kind.name(), &self.0)
    }
}

impl Catalog {
    /// Contents of the sites' photos that lack a measurement by one of the probes, each with the probes it lacks,
    /// in the order of their digests.
    pub async fn unmeasured(
        &self,
        sites: &[String],
        probes: &[Probe],
    ) -> Result<BTreeMap<Digest, Vec<Probe>>> {
        let mut missing: BTreeMap<Digest, Vec<Probe>> = BTreeMap::new();
        for site in sites {
            for probe in probes {
                let rows: Vec<String> = sqlx::query_scalar(
                    "SELECT DISTINCT fetch.sha256 FROM fetch
                     JOIN photo ON photo.id = photo_id JOIN identity ON identity.id = identity_id
                     LEFT JOIN measurement ON measurement.sha256 = fetch.sha256 AND kind = ? AND probe = ?
                     WHERE site = ? AND fetch.sha256 IS NOT NULL AND measurement.sha256 IS NULL",
                )
                .bind(probe.kind.name())
                .bind(probe.digest.to_string())
                .bind(site)
                .fetch_all(&self.reader)
                .await
                .map_err(Error::db("list unmeasured photos"))?;
                for row in rows {
                    let probes = missing.entry(parse_digest(&row)?).or_default();
                    if !probes.contains(probe) {
                        probes.push(*probe);
                    }
                }
            }
        }
        Ok(missing)
    }

    /// Contents of the sites' photos of which some probe stored `value`, in the order of their digests, each with all
    /// that the probes stored of it.
    pub async fn measured_as(
        &self,
        sites: &[String],
        probes: &[Probe],
        Said(value): &Said,
    ) -> Result<BTreeMap<Digest, Vec<(Probe, Said)>>> {
        let mut found: BTreeMap<Digest, Vec<(Probe, Said)>> = BTreeMap::new();
        for site in sites {
            for probe in probes {
                // The length is asked first: it stands in a row's header, while long values lie on pages of their own.
                let rows: Vec<String> = sqlx::query_scalar(
                    "SELECT DISTINCT fetch.sha256 FROM fetch
                     JOIN photo ON photo.id = photo_id JOIN identity ON identity.id = identity_id
                     JOIN measurement ON measurement.sha256 = fetch.sha256 AND kind = ? AND probe = ?
                     WHERE site = ? AND octet_length(value) = ? AND value = ?",
                )
                .bind(probe.kind.name())
                .bind(probe.digest.to_string())
                .bind(site)
                .bind(value.len() as i64)
                .bind(value)
                .fetch_all(&self.reader)
                .await
                .map_err(Error::db("list photos by what was measured"))?;
                for row in rows {
                    found.entry(parse_digest(&row)?).or_default();
                }
            }
        }
        for (sha256, values) in &mut found {
            *values = self.measured(*sha256, probes).await?;
        }
        Ok(found)
    }

    /// What the probes stored of a content.
    pub async fn measured(&self, sha256: Digest, probes: &[Probe]) -> Result<Vec<(Probe, Said)>> {
        let mut values = Vec::new();
        for probe in probes {
            if let Some(said) = self.said(sha256, *probe).await? {
                values.push((*probe, said));
            }
        }
        Ok(values)
    }

    /// Stores all that was measured of one content, in one transaction.
    pub async fn add_measurements(&self, sha256: Digest, values: &[(Probe, Said)]) -> Result<()> {
        self.add_measurements_of([(sha256, values)]).await
    }

    /// Stores all that was measured of several contents, in one transaction: a commit costs as much as some ten rows.
    pub async fn add_measurements_of<'v>(
        &self,
        contents: impl IntoIterator<Item = (Digest, &'v [(Probe, Said)])>,
    ) -> Result<()> {
        let operation = "store measurements";
        let mut transaction = self.writer.begin().await.map_err(Error::db(operation))?;
        for (sha256, values) in contents {
            for (probe, Said(value)) in values {
                sqlx::query(
                    "INSERT OR REPLACE INTO measurement (sha256, kind, probe, value) VALUES (?, ?, ?, ?)",
                )
                .bind(sha256.to_string())
                .bind(probe.kind.name())
                .bind(probe.digest.to_string())
                .bind(value)
                .execute(&mut *transaction)
                .await
                .map_err(Error::db(operation))?;
            }
        }
        transaction.commit().await.map_err(Error::db(operation))
    }

    /// What a probe said of a content.
    pub async fn measurement<T: DeserializeOwned>(&self, sha256: Digest, probe: Probe) -> Result<Option<T>> {
        self.said(sha256, probe).await?.map(|said| said.read(probe.kind)).transpose()
    }

    async fn said(&self, sha256: Digest, probe: Probe) -> Result<Option<Said>> {
        let value: Option<String> =
            sqlx::query_scalar("SELECT value FROM measurement WHERE sha256 = ? AND kind = ? AND probe = ?")
                .bind(sha256.to_string())
                .bind(probe.kind.name())
                .bind(probe.digest.to_string())
                .fetch_optional(&self.reader)
                .await
                .map_err(Error::db("read a measurement"))?;
        Ok(value.map(Said))
    }
}

pub(crate) fn parse_digest(text: &str) -> Result<Digest> {
    text.parse().map_err(|error| Error::corrupt("a digest", &error))
}

/// Of a value that cannot be read, an error shows the beginning: some texts hold thousands of rows.
const SHOWN_CHARACTERS: usize = 200;

pub(crate) fn parse_json<T: DeserializeOwned>(what: &str, text: &str) -> Result<T> {
    let shown = || text.chars().take(SHOWN_CHARACTERS).collect::<String>();
    serde_json::from_str(text).map_err(|error| Error::corrupt(format!("{what} `{}`", shown()), &error))
}

pub(crate) fn to_json<T: Serialize>(what: &str, value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::corrupt(what, &error))
}
