//! What sources of captions said of contents, or why they said nothing.

use std::collections::HashMap;

use photo::{CaptionFailure, Digest};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::catalog::now_ms;
use crate::column::parse;
use crate::measurement::{parse_json, to_json};
use crate::{Catalog, Error, Result};

/// Captions that are read in one text: a row of SQLite for each would take longer than reading them.
const ROWS_AT_ONCE: i64 = 10_000;

/// What a source said of a content: its words, or why there are none and what exactly went wrong.
pub type CaptionResult = std::result::Result<String, (CaptionFailure, String)>;

/// A stored answer of some source, with what is known of the source.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StoredCaption {
    /// The digest of what decides the source's words.
    pub source: Digest,
    /// What that is of.
    pub about: Value,
    /// The words, before any rule.
    pub text: Option<String>,
    /// Why there are none.
    pub failure: Option<CaptionFailure>,
    /// What exactly went wrong.
    pub detail: Option<String>,
    /// How many requests it took.
    pub requests: i64,
}

/// How far a source is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CaptionCounts {
    /// What its digest is of.
    pub about: Value,
    /// Contents of which it said something.
    pub captioned: i64,
    /// Contents of which it did not, by class.
    pub failures: Vec<(CaptionFailure, i64)>,
    /// Requests that this took.
    pub requests: i64,
}

impl Catalog {
    /// Notes what a source's digest is of, before its first answer.
    pub async fn record_caption_source(&self, digest: Digest, about: &Value) -> Result<()> {
        sqlx::query("INSERT OR IGNORE INTO caption_source (digest, about) VALUES (?, ?)")
            .bind(digest.to_string())
            .bind(to_json("a source of captions", about)?)
            .execute(&self.writer)
            .await
            .map(drop)
            .map_err(Error::db("store a source of captions"))
    }

    /// Stores what a source said of a content, over what it said before.
    pub async fn record_caption(
        &self,
        sha256: Digest,
        source: Digest,
        said: &CaptionResult,
        requests: u32,
    ) -> Result<()> {
        let (text, failure) = (said.as_ref().ok(), said.as_ref().err());
        sqlx::query(
            "INSERT OR REPLACE INTO caption (sha256, source, text, failure, detail, requests, asked_at)
             VALUES (?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(sha256.to_string())
        .bind(source.to_string())
        .bind(text)
        .bind(failure.map(|(class, _)| class.name()))
        .bind(failure.map(|(_, detail)| detail))
        .bind(requests)
        .bind(now_ms())
        .execute(&self.writer)
        .await
        .map(drop)
        .map_err(Error::db("store a caption"))
    }

    /// All that a source said, by content.
    pub async fn captions_by(&self, source: Digest) -> Result<HashMap<Digest, CaptionResult>> {
        #[derive(Deserialize)]
        struct Row(Digest, Option<String>, Option<CaptionFailure>, Option<String>);
        let texts: Vec<String> = sqlx::query_scalar(
            "SELECT json_group_array(json_array(sha256, text, failure, detail)) FROM (
                 SELECT row_number() OVER () / ?2 AS part, sha256, text, failure, detail FROM caption WHERE source = ?1)
             GROUP BY part",
        )
        .bind(source.to_string())
        .bind(ROWS_AT_ONCE)
        .fetch_all(&self.reader)
        .await
        .map_err(Error::db("read captions"))?;
        let mut all = HashMap::new();
        for text in texts {
            for Row(sha256, text, failure, detail) in parse_json::<Vec<Row>>("captions", &text)? {
                let said = match (text, failure) {
                    (Some(text), _) => Ok(text),
                    (None, Some(class)) => Err((class, detail.unwrap_or_default())),
                    (None, None) => continue,
                };
                all.insert(sha256, said);
            }
        }
        Ok(all)
    }

    /// Forgets failures of these classes, so that their photos are due again; gives their number.
    pub async fn forget_caption_failures(&self, source: Digest, classes: &[CaptionFailure]) -> Result<u64> {
        sqlx::query("DELETE FROM caption WHERE source = ? AND failure IN (SELECT value FROM json_each(?))")
            .bind(source.to_string())
            .bind(to_json("classes", &classes)?)
            .execute(&self.writer)
            .await
            .map(|done| done.rows_affected())
            .map_err(Error::db("forget failures of captions"))
    }

    /// What all sources said of a content.
    pub async fn captions_of(&self, sha256: Digest) -> Result<Vec<StoredCaption>> {
        type Row = (String, String, Option<String>, Option<String>, Option<String>, i64);
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT source, about, text, failure, detail, requests FROM caption
             JOIN caption_source ON digest = source WHERE sha256 = ? ORDER BY asked_at, source",
        )
        .bind(sha256.to_string())
        .fetch_all(&self.reader)
        .await
        .map_err(Error::db("read a photo's captions"))?;
        let stored = |(source, about, text, failure, detail, requests): Row| {
            let row = || format!("a caption of photo {sha256}");
            let failure = failure.map(|class| parse("failure", &class, row)).transpose()?;
            let (source, about) =
                (parse("source", &source, row)?, parse_json("a source of captions", &about)?);
            Ok(StoredCaption { source, about, text, failure, detail, requests })
        };
        rows.into_iter().map(stored).collect()
    }

    /// How far every source is, in the order of their digests.
    pub async fn caption_counts(&self) -> Result<Vec<CaptionCounts>> {
        let rows: Vec<(String, String, Option<String>, i64, i64)> = sqlx::query_as(
            "SELECT digest, about, failure, count(*), sum(requests) FROM caption
             JOIN caption_source ON digest = source GROUP BY digest, failure ORDER BY digest, failure",
        )
        .fetch_all(&self.reader)
        .await
        .map_err(Error::db("count captions"))?;
        let mut counts: Vec<(String, CaptionCounts)> = Vec::new();
        for (digest, about, failure, count, requests) in rows {
            if counts.last().is_none_or(|(last, _)| *last != digest) {
                let about = parse_json("a source of captions", &about)?;
                let new = CaptionCounts { about, captioned: 0, failures: Vec::new(), requests: 0 };
                counts.push((digest, new));
            }
            let Some((_, of)) = counts.last_mut() else { continue };
            of.requests += requests;
            match failure {
                Some(class) => {
                    let class = parse("failure", &class, || "a caption".to_owned())?;
                    of.failures.push((class, count));
                }
                None => of.captioned += count,
            }
        }
        Ok(counts.into_iter().map(|(_, of)| of).collect())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::blob::Stored;
    use crate::fetch::FetchRecord;
    use crate::identity::NewIdentity;
    use crate::photo::NewPhoto;

    async fn with_photos(folder: &std::path::Path, count: usize) -> (Catalog, Vec<Digest>) {
        let catalog = Catalog::open(folder).await.unwrap();
        let (slug, name) = ("ada".to_owned(), "Ada".to_owned());
        let person = NewIdentity { slug, name, page_url: None, is_slug_certain: true };
        let identity = catalog.add_identity("site", &person).await.unwrap().unwrap();
        let url =
            |i: usize| NewPhoto { source_url: format!("http://a.example/{i}.jpg"), ..NewPhoto::default() };
        catalog.add_photos(identity, &(0..count).map(url).collect::<Vec<_>>()).await.unwrap();
        let mut digests = Vec::new();
        for row in catalog.photos(identity).await.unwrap() {
            let sha256 = Digest::of(&row.source_url);
            catalog
                .record_fetches(&[(row.id, FetchRecord::new(Ok(Stored { sha256, bytes: 1 })))])
                .await
                .unwrap();
            digests.push(sha256);
        }
        (catalog, digests)
    }

    #[tokio::test]
    async fn what_a_source_said_is_kept_by_content_and_source_and_goes_with_the_photo() {
        let folder = tempfile::tempdir().unwrap();
        let (catalog, photos) = with_photos(folder.path(), 3).await;
        let [one, other] = ["one", "other"].map(Digest::of);
        for (digest, name) in [(one, "one"), (other, "other")] {
            catalog.record_caption_source(digest, &json!({ "source": name })).await.unwrap();
        }
        let failed = |class| Err((class, "why".to_owned()));
        let said: CaptionResult = Ok("a \"red\" dress\tand".to_owned());
        catalog.record_caption(photos[0], one, &said, 2).await.unwrap();
        catalog.record_caption(photos[1], one, &failed(CaptionFailure::Timeout), 4).await.unwrap();
        catalog.record_caption(photos[2], one, &failed(CaptionFailure::Cut), 1).await.unwrap();
        catalog.record_caption(photos[0], other, &failed(CaptionFailure::Empty), 1).await.unwrap();

        let all = catalog.captions_by(one).await.unwrap();
        assert_eq!(all.len(), 3);
        assert_eq!(all[&photos[0]], said);
        assert_eq!(all[&photos[1]], failed(CaptionFailure::Timeout));
        let of_one = catalog.captions_of(photos[0]).await.unwrap();
        let names: Vec<_> = of_one.iter().map(|row| row.about["source"].as_str().unwrap()).collect();
        assert!(names.contains(&"one") && names.contains(&"other") && names.len() == 2, "{names:?}");
        let counts = catalog.caption_counts().await.unwrap();
        let of = counts.iter().find(|of| of.about["source"] == "one").unwrap();
        assert_eq!((of.captioned, of.requests, of.failures.len()), (1, 7, 2));

        let forgotten = catalog.forget_caption_failures(one, &[CaptionFailure::Timeout]).await.unwrap();
        assert_eq!(forgotten, 1);
        assert_eq!(catalog.captions_by(one).await.unwrap().len(), 2);
        let erased = crate::erasure::Target::Bytes(photos[0]);
        catalog.erase(&erased).await.unwrap().expect("it was there");
        assert!(!catalog.captions_by(one).await.unwrap().contains_key(&photos[0]));
        assert!(catalog.captions_by(other).await.unwrap().is_empty());
    }
}
