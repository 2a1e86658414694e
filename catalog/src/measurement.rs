//! Scores, kept per content and probe: what was once computed is never computed again.

use std::collections::BTreeMap;

use photo::measurement::Kind;
use photo::{Digest, Measurement};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::column::parse;
use crate::{Catalog, Error, Result};

/// A probe: what is measured, and by which model and preprocessing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// What.
    pub kind: Kind,
    /// By which model and preprocessing.
    pub digest: Digest,
}

/// What a probe said, as the text that is stored ([`photo::measurement`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said(String);

impl Said {
    /// The stored form of a value.
    pub fn of(value: &Measurement) -> Self {
        Self(value.text())
    }

    /// A value that was stored elsewhere, as its text.
    pub fn from_text(text: String) -> Self {
        Self(text)
    }

    /// The text that is stored.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// The value.
    ///
    /// # Errors
    /// Where the text is not what `kind` stores.
    pub fn read(&self, kind: Kind) -> Result<Measurement> {
        let Self(text) = self;
        Measurement::read(kind, text).map_err(|error| unreadable(kind.name(), text, &error))
    }
}

/// A stored value and its name: which bytes, and what measured them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredMeasurement {
    /// The digest of the photo's bytes.
    pub sha256: Digest,
    /// What measured, and by which model and preprocessing.
    pub probe: Probe,
    /// What it said.
    pub said: Said,
}

/// What became of a value from elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Adoption {
    /// There was none; it is stored now.
    Added,
    /// The same value was stored already.
    Same,
    /// Another value is stored, and stays.
    Differs(Said),
    /// No photo here has these bytes.
    NoSuchPhoto,
}

impl Catalog {
    /// Into how many parts [`stored_part`](Self::stored_part) divides all measurements, by the first byte of the
    /// contents' digests.
    pub const PARTS: u16 = 256;

    /// One part of everything that is stored, in the order of contents, kinds and probes.
    pub async fn stored_part(&self, part: u16) -> Result<Vec<StoredMeasurement>> {
        let bound = |part: u16| if part == Self::PARTS { "g".to_owned() } else { format!("{part:02x}") };
        let rows: Vec<(String, String, String, String)> = sqlx::query_as(
            "SELECT sha256, kind, probe, value FROM measurement WHERE sha256 >= ? AND sha256 < ?
             ORDER BY sha256, kind, probe",
        )
        .bind(bound(part))
        .bind(bound(part + 1))
        .fetch_all(&self.reader)
        .await
        .map_err(Error::db("read measurements"))?;
        rows.into_iter().filter_map(parse_stored).collect()
    }

    /// Stores values from elsewhere of which none is stored yet, in one transaction; says what became of each.
    /// With `dry_run` it only says so.
    pub async fn adopt_measurements(
        &self,
        values: &[StoredMeasurement],
        dry_run: bool,
    ) -> Result<Vec<Adoption>> {
        let failed = || Error::db("take over measurements");
        let mut transaction = self.writer.begin().await.map_err(failed())?;
        let mut adoptions = Vec::with_capacity(values.len());
        for StoredMeasurement { sha256, probe, said: Said(value) } in values {
            let (sha256, digest) = (sha256.to_string(), probe.digest.to_string());
            let found: Option<(Option<String>,)> = sqlx::query_as(
                "SELECT (SELECT value FROM measurement WHERE sha256 = blob.sha256 AND kind = ? AND probe = ?)
                 FROM blob WHERE sha256 = ?",
            )
            .bind(probe.kind.name())
            .bind(&digest)
            .bind(&sha256)
            .fetch_optional(&mut *transaction)
            .await
            .map_err(failed())?;
            adoptions.push(match found {
                None => Adoption::NoSuchPhoto,
                Some((Some(stored),)) if stored == *value => Adoption::Same,
                Some((Some(stored),)) => Adoption::Differs(Said(stored)),
                Some((None,)) => {
                    sqlx::query("INSERT INTO measurement (sha256, kind, probe, value) VALUES (?, ?, ?, ?)")
                        .bind(&sha256)
                        .bind(probe.kind.name())
                        .bind(&digest)
                        .bind(value)
                        .execute(&mut *transaction)
                        .await
                        .map_err(failed())?;
                    Adoption::Added
                }
            });
        }
        if dry_run {
            transaction.rollback().await.map_err(failed())?;
        } else {
            transaction.commit().await.map_err(failed())?;
        }
        Ok(adoptions)
    }

    /// Forgets everything that was measured, so that it is measured anew.
    pub async fn forget_measurements(&self) -> Result<()> {
        let forgotten = sqlx::query("DELETE FROM measurement").execute(&self.writer).await;
        forgotten.map(drop).map_err(Error::db("forget measurements"))
    }

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
                    let probes = missing.entry(of_site(&row, site)?).or_default();
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
                    found.entry(of_site(&row, site)?).or_default();
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

/// A row; none of a kind that only a newer version knows.
fn parse_stored(
    (sha256, kind, probe, value): (String, String, String, String),
) -> Option<Result<StoredMeasurement>> {
    let kind = Kind::of_name(&kind)?;
    let row = || format!("the `{}` of photo {sha256} by {probe}", kind.name());
    let names = parse("sha256", &sha256, row).and_then(|of| Ok((of, parse("probe", &probe, row)?)));
    Some(names.map(|(sha256, digest)| StoredMeasurement {
        sha256,
        probe: Probe { kind, digest },
        said: Said(value),
    }))
}

fn of_site(sha256: &str, site: &str) -> Result<Digest> {
    parse("sha256", sha256, || format!("a photo of {site}"))
}

/// Of a value that cannot be read, an error shows the beginning: some texts hold thousands of rows.
const SHOWN_CHARACTERS: usize = 200;

pub(crate) fn parse_json<T: DeserializeOwned>(what: &str, text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| unreadable(what, text, &error))
}

fn unreadable(what: &str, text: &str, error: &serde_json::Error) -> Error {
    let shown: String = text.chars().take(SHOWN_CHARACTERS).collect();
    Error::corrupt(format!("{what} `{shown}`"), error)
}

pub(crate) fn to_json<T: Serialize>(what: &str, value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::corrupt(what, &error))
}
