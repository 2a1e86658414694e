//! Everything that judging needs of many photos, read in bulk: a row of SQLite for each photo and score would take longer
//! than judging them.

use std::collections::HashMap;

use photo::Digest;
use serde::Deserialize;
use serde_json::Value;
use sqlx::sqlite::SqlitePool;

use crate::catalog::READERS;
use crate::identity::Identity;
use crate::measurement::{Probe, parse_json};
use crate::photo::PhotoRow;
use crate::{Catalog, Error, Result};

/// Measurements are read in pieces, one for each first byte of their contents' digests: few enough that a query costs
/// nothing beside its rows, many enough to be read and parsed side by side, and to hold few of them at once.
const PIECES: u32 = 256;

/// Between the fields of a line, and between lines: JSON escapes both within texts.
const FIELD: char = '\t';
const LINE: char = '\n';

/// Measurements as they are stored, many in one text.
#[derive(Debug)]
pub struct Piece(String);

/// One stored measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MeasurementLine<'a> {
    /// The content, as 64 hex digits.
    pub sha256: &'a str,
    /// The name of what was measured.
    pub kind: &'a str,
    /// JSON.
    pub value: &'a str,
}

impl Piece {
    /// The measurements; those of one content follow each other.
    pub fn lines(&self) -> impl Iterator<Item = MeasurementLine<'_>> {
        self.0.split(LINE).filter_map(|line| {
            let (sha256, rest) = line.split_once(FIELD)?;
            let (kind, value) = rest.split_once(FIELD)?;
            Some(MeasurementLine { sha256, kind, value })
        })
    }
}

impl Catalog {
    /// The people of the sites, in the order of the sites and of their slugs, with their photos in the order of source
    /// URLs.
    pub async fn galleries(&self, sites: &[String]) -> Result<Vec<(Identity, Vec<PhotoRow>)>> {
        let mut galleries = Vec::new();
        for site in sites {
            let people = self.identities(site).await?;
            let texts: Vec<(i64, String)> = sqlx::query_as(
                "SELECT identity_id, json_group_array(json_object(
                     'id', photo.id, 'identity_id', identity_id, 'source_url', source_url, 'file_url', file_url,
                     'hint_width', hint_width, 'hint_height', hint_height, 'caption', caption, 'sha256', sha256,
                     'failure', failure, 'detail', detail, 'etag', etag, 'last_modified', last_modified,
                     'fetched_at', fetched_at))
                 FROM identity JOIN photo ON identity_id = identity.id LEFT JOIN fetch ON fetch.photo_id = photo.id
                 WHERE site = ? GROUP BY identity_id",
            )
            .bind(site)
            .fetch_all(&self.reader)
            .await
            .map_err(Error::db("list photos"))?;
            let photos_of = |(identity, text): (i64, String)| {
                let mut photos = parse_photos(&text)?;
                photos.sort_by(|a, b| a.source_url.cmp(&b.source_url));
                Ok((identity, photos))
            };
            let mut photos: HashMap<i64, Vec<PhotoRow>> =
                texts.into_iter().map(photos_of).collect::<Result<_>>()?;
            galleries.extend(people.into_iter().map(|person| {
                let photos = photos.remove(&person.id).unwrap_or_default();
                (person, photos)
            }));
        }
        Ok(galleries)
    }

    /// What `parse` makes of each piece of what the probes said of the contents of the sites' photos. It is called while
    /// other pieces are read, and its text is let go of then, so that no more is held than is being read.
    pub async fn measured_in_pieces<T: Send + 'static>(
        &self,
        sites: &[String],
        probes: &[Probe],
        parse: impl Fn(&Piece) -> T + Clone + Send + 'static,
    ) -> Result<Vec<T>> {
        let sites = crate::measurement::to_json("sites", &sites)?;
        let probes: Vec<Digest> = probes.iter().map(|probe| probe.digest).collect();
        let probes = crate::measurement::to_json("probes", &probes)?;
        let readers = (0..READERS).map(|first| {
            let (reader, sites, probes, parse) =
                (self.reader.clone(), sites.clone(), probes.clone(), parse.clone());
            tokio::spawn(async move {
                let mut parsed = Vec::new();
                for piece in (first..PIECES).step_by(READERS as usize) {
                    if let Some(text) = read_piece(&reader, piece, &sites, &probes).await? {
                        let (parse, piece) = (parse.clone(), Piece(text));
                        let made = tokio::task::spawn_blocking(move || parse(&piece));
                        parsed.push(made.await.expect("parsing does not panic"));
                    }
                }
                sqlx::Result::Ok(parsed)
            })
        });
        let mut parsed = Vec::new();
        for reader in readers.collect::<Vec<_>>() {
            let read = reader.await.expect("reading does not panic");
            parsed.extend(read.map_err(Error::db("read measurements"))?);
        }
        Ok(parsed)
    }
}

/// Photos from JSON; where it cannot be parsed, the photo is looked for that is the reason.
fn parse_photos(text: &str) -> Result<Vec<PhotoRow>> {
    serde_json::from_str(text).or_else(|error| {
        for row in parse_json::<Vec<Value>>("photos", text)? {
            PhotoRow::deserialize(&row).map_err(|error| {
                Error::corrupt(format!("photo {} ({})", row["id"], row["source_url"]), &error)
            })?;
        }
        Err(Error::corrupt("photos", &error))
    })
}

/// One text, or none where the sites have no such content: without groups, SQLite has nothing to sort. `CROSS JOIN`
/// keeps it from beginning with all photos of the sites for every piece.
async fn read_piece(
    reader: &SqlitePool,
    piece: u32,
    sites: &str,
    probes: &str,
) -> sqlx::Result<Option<String>> {
    let bound = |piece: u32| if piece == PIECES { "g".to_owned() } else { format!("{piece:02x}") };
    sqlx::query_scalar(
        "SELECT group_concat(sha256 || char(9) || kind || char(9) || value, char(10)) FROM measurement
         WHERE sha256 IN (SELECT sha256 FROM fetch CROSS JOIN photo ON photo.id = photo_id
                          CROSS JOIN identity ON identity.id = identity_id
                          WHERE site IN (SELECT value FROM json_each(?1)) AND sha256 >= ?3 AND sha256 < ?4)
           AND probe IN (SELECT value FROM json_each(?2))",
    )
    .bind(sites)
    .bind(probes)
    .bind(bound(piece))
    .bind(bound(piece + 1))
    .fetch_one(reader)
    .await
}
