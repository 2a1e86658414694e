//! Counts over all tables, for `bolid status` and the summary table of `bolid dataset`; and all that is known
//! of one photo.

use photo::{Digest, FailureClass};
use serde::Serialize;
use sqlx::FromRow;

use crate::column::{Fetched, Unparsed, parse};
use crate::{Catalog, Error, Result};

/// How far a site is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, FromRow)]
pub struct SiteCounts {
    /// The site's name, or the import's.
    pub site: String,
    /// People.
    pub identities: i64,
    /// Photos that the site shows.
    pub photos: i64,
    /// Photos whose bytes are stored.
    pub stored: i64,
    /// Photos not tried yet.
    pub waiting: i64,
    /// Contents with at least one measurement.
    pub measured: i64,
}

/// Where a photo comes from and what came of its download.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, FromRow)]
pub struct PhotoOrigin {
    /// Row number.
    pub id: i64,
    /// The site's name, or the import's.
    pub site: String,
    /// The person's slug.
    pub slug: String,
    /// The person's name.
    pub identity: String,
    /// The gallery's first page.
    pub gallery_url: Option<String>,
    /// The photo page, or the file itself where there is none.
    pub source_url: String,
    /// The full-size file.
    pub file_url: Option<String>,
    /// Width in pixels as the gallery states it.
    pub hint_width: Option<i64>,
    /// Height in pixels as the gallery states it.
    pub hint_height: Option<i64>,
    /// Alt text, title or sidecar text.
    pub caption: Option<String>,
    /// The bytes.
    #[sqlx(skip)]
    pub sha256: Option<Digest>,
    /// Why there are none.
    #[sqlx(skip)]
    pub failure: Option<FailureClass>,
    /// What exactly failed.
    pub detail: Option<String>,
    /// The last HTTP status.
    pub http_status: Option<i64>,
    /// How many requests were made.
    pub attempts: Option<i64>,
    /// When, in Unix milliseconds.
    pub fetched_at: Option<i64>,
}

impl Fetched for PhotoOrigin {
    fn name(&self) -> String {
        format!("photo {} ({})", self.id, self.source_url)
    }

    fn set(&mut self, sha256: Option<Digest>, failure: Option<FailureClass>) {
        (self.sha256, self.failure) = (sha256, failure);
    }
}

/// Failure classes of a site with their numbers, from text.
fn classes(site: &str, counts: Vec<(String, i64)>) -> Result<Vec<(FailureClass, i64)>> {
    let parsed = |(class, count): (String, i64)| {
        Ok((parse("failure", &class, || format!("a photo or page of {site}"))?, count))
    };
    counts.into_iter().map(parsed).collect()
}

impl Catalog {
    /// How far every site is, in the order of their names.
    pub async fn site_counts(&self) -> Result<Vec<SiteCounts>> {
        sqlx::query_as(
            "SELECT site, count(DISTINCT identity.id) AS identities, count(photo.id) AS photos,
                    count(fetch.sha256) AS stored,
                    count(photo.id) - count(fetch.photo_id) AS waiting,
                    count(DISTINCT CASE WHEN EXISTS
                        (SELECT 1 FROM measurement WHERE measurement.sha256 = fetch.sha256)
                        THEN fetch.sha256 END) AS measured
             FROM identity LEFT JOIN photo ON photo.identity_id = identity.id
             LEFT JOIN fetch ON fetch.photo_id = photo.id GROUP BY site ORDER BY site",
        )
        .fetch_all(&self.reader)
        .await
        .map_err(Error::db("count photos"))
    }

    /// How many downloads of a site failed, by class.
    pub async fn failure_counts(&self, site: &str) -> Result<Vec<(FailureClass, i64)>> {
        let counts = sqlx::query_as(
            "SELECT failure, count(*) FROM fetch JOIN photo ON photo.id = photo_id
             JOIN identity ON identity.id = identity_id
             WHERE site = ? AND failure IS NOT NULL GROUP BY failure ORDER BY failure",
        )
        .bind(site)
        .fetch_all(&self.reader)
        .await
        .map_err(Error::db("count failures"))?;
        classes(site, counts)
    }

    /// How many pages of a site could not be read, by class.
    pub async fn page_failure_counts(&self, site: &str) -> Result<Vec<(FailureClass, i64)>> {
        let counts = sqlx::query_as(
            "SELECT failure, count(*) FROM page WHERE site = ? AND failure IS NOT NULL GROUP BY failure ORDER \
             BY failure",
        )
        .bind(site)
        .fetch_all(&self.reader)
        .await
        .map_err(Error::db("count failed pages"))?;
        classes(site, counts)
    }

    /// Where a photo comes from.
    pub async fn origin(&self, photo_id: i64) -> Result<Option<PhotoOrigin>> {
        let row: Option<Unparsed<PhotoOrigin>> = sqlx::query_as(
            "SELECT photo.id, site, slug, name AS identity, page_url AS gallery_url, source_url, file_url,
                    hint_width, hint_height, caption, sha256, failure, detail, http_status, attempts, fetched_at
             FROM photo JOIN identity ON identity.id = identity_id
             LEFT JOIN fetch ON fetch.photo_id = photo.id WHERE photo.id = ?",
        )
        .bind(photo_id)
        .fetch_optional(&self.reader)
        .await
        .map_err(Error::db("read a photo's origin"))?;
        row.map(Unparsed::parse).transpose()
    }

    /// Everything measured of a content: kind, probe, JSON.
    pub async fn measurements_of(&self, sha256: Digest) -> Result<Vec<(String, String, String)>> {
        sqlx::query_as("SELECT kind, probe, value FROM measurement WHERE sha256 = ? ORDER BY kind, probe")
            .bind(sha256.to_string())
            .fetch_all(&self.reader)
            .await
            .map_err(Error::db("read a photo's measurements"))
    }
}
