//! Downloads of photos: which are due, and how they ended.

use std::fs;

use photo::{Digest, FailureClass};
use sqlx::{FromRow, SqliteConnection};

use crate::blob::Stored;
use crate::catalog::now_ms;
use crate::column::{Fetched, Unparsed};
use crate::measurement::to_json;
use crate::{Catalog, Error, Result};

/// A photo to download, or to ask whether it changed.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct DuePhoto {
    /// Row number of the photo.
    pub id: i64,
    /// The person.
    pub identity_id: i64,
    /// The photo page, or the file itself where there is none.
    pub source_url: String,
    /// The full-size file, where it is known.
    pub file_url: Option<String>,
    /// Width in pixels as the gallery states it.
    pub hint_width: Option<u32>,
    /// Height in pixels as the gallery states it.
    pub hint_height: Option<u32>,
    /// The bytes of the last answer.
    #[sqlx(skip)]
    pub sha256: Option<Digest>,
    /// The validator of the last answer.
    pub etag: Option<String>,
    /// The `Last-Modified` of the last answer.
    pub last_modified: Option<String>,
    /// The validator of the photo page.
    pub page_etag: Option<String>,
    /// The `Last-Modified` of the photo page.
    pub page_last_modified: Option<String>,
    /// The page behind the photo page that shows the photo larger.
    pub larger_url: Option<String>,
    /// Its validator.
    pub larger_etag: Option<String>,
    /// Its `Last-Modified`.
    pub larger_last_modified: Option<String>,
    /// The rules that the photo page was read by.
    pub page_read_by: Option<String>,
    /// Why there are no bytes.
    #[sqlx(skip)]
    pub failure: Option<FailureClass>,
    /// What exactly failed.
    pub detail: Option<String>,
    /// The rules or limits that refused what the validators stand for.
    pub refused_by: Option<String>,
    /// The text that allowed it.
    pub permission: Option<String>,
}

/// What a file gave for another photo.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct FileFetch {
    /// The photo that it was fetched for.
    pub photo_id: i64,
    /// The bytes.
    #[sqlx(skip)]
    pub sha256: Option<Digest>,
    /// Why there are none.
    #[sqlx(skip)]
    pub failure: Option<FailureClass>,
    /// What exactly failed.
    pub detail: Option<String>,
    /// The last HTTP status.
    pub http_status: Option<u16>,
    /// The answer's `ETag`.
    pub etag: Option<String>,
    /// The answer's `Last-Modified`.
    pub last_modified: Option<String>,
    /// The text that allowed it.
    pub permission: Option<String>,
}

impl Fetched for DuePhoto {
    fn name(&self) -> String {
        format!("photo {} ({})", self.id, self.source_url)
    }

    fn set(&mut self, sha256: Option<Digest>, failure: Option<FailureClass>) {
        (self.sha256, self.failure) = (sha256, failure);
    }
}

impl Fetched for FileFetch {
    fn name(&self) -> String {
        format!("photo {}", self.photo_id)
    }

    fn set(&mut self, sha256: Option<Digest>, failure: Option<FailureClass>) {
        (self.sha256, self.failure) = (sha256, failure);
    }
}

/// How a download ended.
#[derive(Clone, Debug, PartialEq)]
pub struct FetchRecord {
    /// The bytes, already in the blob store, or why there are none.
    pub result: std::result::Result<Stored, (FailureClass, String)>,
    /// The full-size file that was asked for.
    pub file_url: Option<String>,
    /// The last HTTP status.
    pub http_status: Option<u16>,
    /// The answer's `ETag`.
    pub etag: Option<String>,
    /// The answer's `Last-Modified`.
    pub last_modified: Option<String>,
    /// The photo page's `ETag`.
    pub page_etag: Option<String>,
    /// The photo page's `Last-Modified`.
    pub page_last_modified: Option<String>,
    /// The page behind the photo page that shows the photo larger.
    pub larger_url: Option<String>,
    /// Its `ETag`.
    pub larger_etag: Option<String>,
    /// Its `Last-Modified`.
    pub larger_last_modified: Option<String>,
    /// The rules that the photo page was read by: under others, a 304 says nothing of what the page leads to.
    pub page_read_by: Option<String>,
    /// The rules that refused the page, or the limits that refused the file: as long as they are the same, a 304 to the
    /// validators means that it is refused as before.
    pub refused_by: Option<String>,
    /// The text that allowed or forbade it: a robots rule, an `X-Robots-Tag`, a meta element.
    pub permission: Option<String>,
    /// How many requests were made.
    pub attempts: u32,
    /// The bytes lie on this machine, so that whatever is wrong with them is no server's word.
    pub is_local: bool,
}

impl FetchRecord {
    /// What is known without any request: the result alone.
    pub fn new(result: std::result::Result<Stored, (FailureClass, String)>) -> Self {
        Self {
            result,
            file_url: None,
            http_status: None,
            etag: None,
            last_modified: None,
            page_etag: None,
            page_last_modified: None,
            larger_url: None,
            larger_etag: None,
            larger_last_modified: None,
            page_read_by: None,
            refused_by: None,
            permission: None,
            attempts: 0,
            is_local: false,
        }
    }

    /// Whether the failure lets go of the bytes of an earlier success: it says of this file that it is gone,
    /// or that it must not be used. A 403, a login page, a challenge or a page without the link may be a wall
    /// before the whole site (a block, a new layout), which says nothing of the file.
    pub fn forgets_bytes(&self) -> bool {
        let Err((class, _)) = &self.result else { return false };
        match class {
            FailureClass::Http4xx => matches!(self.http_status, Some(404 | 410 | 451)),
            FailureClass::NotAnImage
            | FailureClass::Unsupported
            | FailureClass::Private
            | FailureClass::RedirectRefused
            | FailureClass::NoLink
            | FailureClass::Protocol
            | FailureClass::Tls => self.is_local,
            class => !class.is_transient(),
        }
    }
}

/// `CROSS JOIN` keeps SQLite to this order, by rows of `photo` from the last batch on. Left to itself it
/// begins with the site's people, and sorts all that is due for every batch: minutes for 160,000 photos, and
/// four times as long for twice as many.
pub(crate) const DUE_PHOTOS: &str = "
    SELECT photo.id, identity_id, source_url, file_url, hint_width, hint_height,
           sha256, etag, last_modified, page_etag, page_last_modified,
           larger_url, larger_etag, larger_last_modified, page_read_by,
           failure, detail, refused_by, permission
    FROM photo CROSS JOIN identity ON identity.id = identity_id LEFT JOIN fetch ON fetch.photo_id = photo.id
    WHERE site = ? AND photo.id > ?
          AND (fetched_at IS NULL OR fetched_at < ? OR failure IN ('dns', 'connect', 'tls', 'private'))
          AND source_url NOT GLOB 'file:*' -- those come from a disk
          AND source_url NOT GLOB 'erased:*'
    ORDER BY photo.id LIMIT ?";

impl Catalog {
    /// Photos of the site without a download, or with one before `cutoff` (Unix milliseconds), or whose host was not
    /// reached: the next `limit` ones after the row `after`.
    pub async fn due_photos(&self, site: &str, cutoff: i64, after: i64, limit: u32) -> Result<Vec<DuePhoto>> {
        let rows: Vec<Unparsed<DuePhoto>> = sqlx::query_as(DUE_PHOTOS)
            .bind(site)
            .bind(after)
            .bind(cutoff)
            .bind(limit)
            .fetch_all(&self.reader)
            .await
            .map_err(Error::db("list due photos"))?;
        rows.into_iter().map(Unparsed::parse).collect()
    }

    /// How many photos [`due_photos`](Self::due_photos) would list in all.
    pub async fn count_due_photos(&self, site: &str, cutoff: i64) -> Result<u64> {
        let count: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM photo JOIN identity ON identity.id = identity_id
             LEFT JOIN fetch ON fetch.photo_id = photo.id
             WHERE site = ?
                   AND (fetched_at IS NULL OR fetched_at < ?
                        OR failure IN ('dns', 'connect', 'tls', 'private'))
                   AND source_url NOT GLOB 'file:*'
                   AND source_url NOT GLOB 'erased:*'",
        )
        .bind(site)
        .bind(cutoff)
        .fetch_one(&self.reader)
        .await
        .map_err(Error::db("count due photos"))?;
        Ok(count.unsigned_abs())
    }

    /// The photos of a person that no size hint shows to be smaller than `min_side`, in the order of their source URLs.
    pub async fn photos_of_size(&self, identity_id: i64, min_side: u32) -> Result<Vec<i64>> {
        sqlx::query_scalar(
            "SELECT id FROM photo WHERE identity_id = ?1 AND coalesce(min(hint_width, hint_height), ?2) >= ?2
             ORDER BY source_url",
        )
        .bind(identity_id)
        .bind(min_side)
        .fetch_all(&self.reader)
        .await
        .map_err(Error::db("list photos of a size"))
    }

    /// What the file at this address gave for any photo of the site since `cutoff` (Unix milliseconds): its bytes, or
    /// why the limits `refused_by` refused it. `None`: it has to be asked for.
    pub async fn file_fetch(
        &self,
        site: &str,
        file_url: &str,
        cutoff: i64,
        refused_by: &str,
    ) -> Result<Option<FileFetch>> {
        let row: Option<Unparsed<FileFetch>> = sqlx::query_as(
            "SELECT photo_id, sha256, failure, detail, http_status, etag, last_modified, permission
             FROM photo JOIN identity ON identity.id = identity_id JOIN fetch ON fetch.photo_id = photo.id
             WHERE file_url = ? AND site = ? AND fetched_at >= ?
                   AND ((sha256 IS NOT NULL AND detail IS NULL) OR refused_by = ?)
             ORDER BY fetched_at DESC LIMIT 1",
        )
        .bind(file_url)
        .bind(site)
        .bind(cutoff)
        .bind(refused_by)
        .fetch_optional(&self.reader)
        .await
        .map_err(Error::db("look for a file that was fetched"))?;
        row.map(Unparsed::parse).transpose()
    }

    /// Stores how downloads ended, in one transaction. The bytes of an earlier success are forgotten only where
    /// [`FetchRecord::forgets_bytes`] says so.
    pub async fn record_fetches(&self, records: &[(i64, FetchRecord)]) -> Result<()> {
        let operation = "store how downloads ended";
        if records.is_empty() {
            return Ok(());
        }
        let mut transaction = self.writer.begin().await.map_err(Error::db(operation))?;
        for (photo_id, record) in records {
            write(&mut transaction, *photo_id, record).await.map_err(Error::db(operation))?;
        }
        transaction.commit().await.map_err(Error::db(operation))
    }

    /// Lets bytes pass that were just stored, or removes them where they were erased on request.
    pub fn refuse_erased(
        &self,
        stored: Stored,
    ) -> Result<std::result::Result<Stored, (FailureClass, String)>> {
        if !self.tombstones().has_bytes(stored.sha256) {
            return Ok(Ok(stored));
        }
        let path = self.blobs().path(stored.sha256);
        fs::remove_file(&path).map_err(Error::io("remove", &path))?;
        Ok(Err((FailureClass::Erased, "these bytes were erased on request".to_owned())))
    }

    /// Notes that the server was asked and the bytes are still the same (304).
    pub async fn record_unchanged(&self, photo_ids: &[i64]) -> Result<()> {
        let operation = "store unchanged photos";
        if photo_ids.is_empty() {
            return Ok(());
        }
        let mut transaction = self.writer.begin().await.map_err(Error::db(operation))?;
        for id in photo_ids {
            sqlx::query("UPDATE fetch SET fetched_at = ? WHERE photo_id = ?")
                .bind(now_ms())
                .bind(id)
                .execute(&mut *transaction)
                .await
                .map_err(Error::db(operation))?;
        }
        transaction.commit().await.map_err(Error::db(operation))
    }

    /// What the photo's address gave before: digest, when it was last seen there, and `changed` or the class of the
    /// failure that ended it; the newest first.
    pub async fn former_versions(&self, photo_id: i64) -> Result<Vec<(String, i64, String)>> {
        sqlx::query_as(
            "SELECT sha256, fetched_at, end FROM photo_version WHERE photo_id = ? ORDER BY ended_at DESC",
        )
        .bind(photo_id)
        .fetch_all(&self.reader)
        .await
        .map_err(Error::db("list former versions of a photo"))
    }

    /// The sites with failed downloads or pages of these classes, in the order of their names.
    pub async fn sites_with_failures(&self, classes: &[FailureClass]) -> Result<Vec<String>> {
        let classes: Vec<_> = classes.iter().map(|class| class.name()).collect();
        sqlx::query_scalar(
            "SELECT site FROM fetch JOIN photo ON photo.id = photo_id JOIN identity ON identity.id = identity_id
                 WHERE failure IN (SELECT value FROM json_each(?1)) AND source_url NOT GLOB 'erased:*'
             UNION SELECT site FROM page WHERE failure IN (SELECT value FROM json_each(?1)) ORDER BY site",
        )
        .bind(to_json("classes", &classes)?)
        .fetch_all(&self.reader)
        .await
        .map_err(Error::db("look for failures"))
    }

    /// Forgets failed downloads and pages of a site of these classes, so that they are due again; gives their number.
    pub async fn forget_failures(&self, site: &str, classes: &[FailureClass]) -> Result<u64> {
        let operation = "forget failures";
        let mut forgotten = 0;
        let mut transaction = self.writer.begin().await.map_err(Error::db(operation))?;
        for class in classes {
            for statement in [
                "DELETE FROM fetch WHERE failure = ?2 AND photo_id IN
                     (SELECT photo.id FROM photo JOIN identity ON identity.id = identity_id
                      WHERE site = ?1 AND source_url NOT GLOB 'erased:*')",
                "UPDATE page SET fetched_at = NULL, failure = NULL, detail = NULL, refused_by = NULL, etag = NULL,
                                 last_modified = NULL
                     WHERE site = ?1 AND failure = ?2",
            ] {
                let done = sqlx::query(statement)
                    .bind(site)
                    .bind(class.name())
                    .execute(&mut *transaction)
                    .await
                    .map_err(Error::db(operation))?;
                forgotten += done.rows_affected();
            }
        }
        transaction.commit().await.map_err(Error::db(operation))?;
        Ok(forgotten)
    }
}

async fn write(connection: &mut SqliteConnection, photo_id: i64, record: &FetchRecord) -> sqlx::Result<()> {
    if let Some(file_url) = &record.file_url {
        sqlx::query("UPDATE photo SET file_url = ? WHERE id = ?")
            .bind(file_url)
            .bind(photo_id)
            .execute(&mut *connection)
            .await?;
    }
    if let Err((class, detail)) = &record.result
        && !record.forgets_bytes()
    {
        // What was refused stays refused, with its validators, where its server was only out of order.
        let kept = sqlx::query(
            "UPDATE fetch SET fetched_at = ?, detail = CASE WHEN sha256 IS NULL THEN detail
                                                            ELSE 'last check failed, ' || ? || ': ' || ? END
             WHERE photo_id = ? AND (sha256 IS NOT NULL OR (refused_by IS NOT NULL AND ?))",
        )
        .bind(now_ms())
        .bind(class.name())
        .bind(detail)
        .bind(photo_id)
        .bind(class.is_transient())
        .execute(&mut *connection)
        .await?;
        if kept.rows_affected() > 0 {
            return Ok(());
        }
    }
    let (sha256, failure, detail): (Option<Digest>, _, _) = match &record.result {
        Ok(stored) => {
            sqlx::query(
                "INSERT INTO blob (sha256, bytes, stored_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            )
            .bind(stored.sha256.to_string())
            .bind(stored.bytes as i64)
            .bind(now_ms())
            .execute(&mut *connection)
            .await?;
            (Some(stored.sha256), None, None)
        }
        Err((class, detail)) => (None, Some(class), Some(detail)),
    };
    sqlx::query(
        "INSERT OR REPLACE INTO photo_version (photo_id, sha256, fetched_at, ended_at, end)
         SELECT photo_id, sha256, fetched_at, ?, coalesce(?, 'changed') FROM fetch
         WHERE photo_id = ? AND sha256 IS NOT NULL AND sha256 IS NOT ?",
    )
    .bind(now_ms())
    .bind(failure.map(|class| class.name()))
    .bind(photo_id)
    .bind(sha256.map(|digest| digest.to_string()))
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "INSERT INTO fetch (photo_id, sha256, failure, detail, http_status, etag, last_modified,
                            page_etag, page_last_modified, larger_url, larger_etag, larger_last_modified,
                            page_read_by, refused_by, permission, attempts, fetched_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (photo_id) DO UPDATE SET
             sha256 = excluded.sha256, failure = excluded.failure, detail = excluded.detail,
             http_status = excluded.http_status, etag = excluded.etag, last_modified = excluded.last_modified,
             page_etag = excluded.page_etag, page_last_modified = excluded.page_last_modified,
             larger_url = excluded.larger_url, larger_etag = excluded.larger_etag,
             larger_last_modified = excluded.larger_last_modified,
             page_read_by = excluded.page_read_by, refused_by = excluded.refused_by,
             permission = excluded.permission, attempts = excluded.attempts, fetched_at = excluded.fetched_at",
    )
    .bind(photo_id)
    .bind(sha256.map(|digest| digest.to_string()))
    .bind(failure.map(|class| class.name()))
    .bind(detail)
    .bind(record.http_status)
    .bind(&record.etag)
    .bind(&record.last_modified)
    .bind(&record.page_etag)
    .bind(&record.page_last_modified)
    .bind(&record.larger_url)
    .bind(&record.larger_etag)
    .bind(&record.larger_last_modified)
    .bind(&record.page_read_by)
    .bind(&record.refused_by)
    .bind(&record.permission)
    .bind(record.attempts)
    .bind(now_ms())
    .execute(connection)
    .await
    .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_said_of_the_file_itself_forgets_its_bytes() {
        let forgets = |class: FailureClass, http_status: Option<u16>, is_local: bool| {
            let failed = FetchRecord::new(Err((class, String::new())));
            FetchRecord { http_status, is_local, ..failed }.forgets_bytes()
        };
        for status in [404, 410, 451] {
            assert!(forgets(FailureClass::Http4xx, Some(status), false), "{status}");
        }
        for status in [401, 403, 407, 418] {
            assert!(!forgets(FailureClass::Http4xx, Some(status), false), "{status}");
        }
        for class in [FailureClass::NotAnImage, FailureClass::NoLink, FailureClass::RedirectRefused] {
            assert!(!forgets(class, Some(200), false), "{class}: a login page, a new layout");
        }
        assert!(forgets(FailureClass::NotAnImage, None, true), "a file that was overwritten");
        for class in [FailureClass::OptOut, FailureClass::Robots, FailureClass::Erased, FailureClass::Gone] {
            assert!(forgets(class, None, false), "{class}");
        }
        assert!(!forgets(FailureClass::Timeout, None, false));
    }
}
