//! Which exports were written, and which photos are in them.

use photo::Digest;
use serde::Serialize;
use sqlx::{FromRow, SqliteConnection};

use crate::catalog::now_ms;
use crate::measurement::to_json;
use crate::{Catalog, Error, Result};

/// A row of `export`.
#[derive(Clone, Debug, PartialEq, Eq, FromRow, Serialize)]
pub struct ExportRow {
    /// Row number.
    pub id: i64,
    /// The folder, absolute.
    pub path: String,
    /// The snapshot's name and id.
    pub snapshot: String,
    /// `webdataset`, `imagefolder`, …
    pub format: String,
    /// `photo`, `image` or `weighted`.
    pub pixels: String,
    /// The digest of its `export.json`; `None` while it is not whole.
    pub sha256: Option<String>,
    /// How many photos in it were erased since.
    pub erased_photos: i64,
}

/// An export that is about to be written.
#[derive(Clone, Copy, Debug)]
pub struct NewExport<'a> {
    /// The folder, absolute.
    pub path: &'a str,
    /// The snapshot's name and id.
    pub snapshot: &'a str,
    /// `webdataset`, `imagefolder`, …
    pub format: &'a str,
    /// `photo`, `image` or `weighted`.
    pub pixels: &'a str,
}

impl Catalog {
    /// Notes an export with its photos, each by its person (`site/slug`) and bytes, and gives its row number.
    /// The same export again stays as it is; another one takes the place of what was in that folder.
    pub async fn begin_export(&self, export: NewExport<'_>, photos: &[(&str, Digest)]) -> Result<i64> {
        let operation = "note an export";
        let mut transaction = self.writer.begin().await.map_err(Error::db(operation))?;
        let NewExport { path, snapshot, format, pixels } = export;
        sqlx::query("DELETE FROM export WHERE path = ? AND (snapshot, format, pixels) <> (?, ?, ?)")
            .bind(path)
            .bind(snapshot)
            .bind(format)
            .bind(pixels)
            .execute(&mut *transaction)
            .await
            .map_err(Error::db(operation))?;
        sqlx::query(
            "INSERT INTO export (path, snapshot, format, pixels, started_at) VALUES (?, ?, ?, ?, ?) ON \
             CONFLICT DO NOTHING",
        )
        .bind(path)
        .bind(snapshot)
        .bind(format)
        .bind(pixels)
        .bind(now_ms())
        .execute(&mut *transaction)
        .await
        .map_err(Error::db(operation))?;
        let id: i64 = sqlx::query_scalar("SELECT id FROM export WHERE path = ?")
            .bind(path)
            .fetch_one(&mut *transaction)
            .await
            .map_err(Error::db(operation))?;
        // Bytes that an address has given before count too: a snapshot may be older than what is there now.
        sqlx::query(
            "WITH wanted AS (SELECT value ->> 0 AS person, value ->> 1 AS sha256 FROM json_each(?2)),
                  held AS (SELECT photo_id, person FROM wanted JOIN fetch ON fetch.sha256 = wanted.sha256
                           UNION SELECT photo_id, person FROM wanted
                                 JOIN photo_version ON photo_version.sha256 = wanted.sha256)
             INSERT OR IGNORE INTO export_photo (export_id, photo_id)
             SELECT ?1, photo.id FROM held JOIN photo ON photo.id = photo_id JOIN identity ON identity.id = identity_id
             WHERE site || '/' || slug = person",
        )
        .bind(id)
        .bind(to_json("photos", &photos)?)
        .execute(&mut *transaction)
        .await
        .map_err(Error::db(operation))?;
        transaction.commit().await.map_err(Error::db(operation))?;
        Ok(id)
    }

    /// Notes that an export is whole.
    pub async fn finish_export(&self, id: i64, sha256: Digest) -> Result<()> {
        sqlx::query("UPDATE export SET sha256 = ? WHERE id = ?")
            .bind(sha256.to_string())
            .bind(id)
            .execute(&self.writer)
            .await
            .map(drop)
            .map_err(Error::db("note that an export is whole"))
    }

    /// The exports that a photo is in.
    pub async fn exports_with(&self, photo_id: i64) -> Result<Vec<ExportRow>> {
        sqlx::query_as(
            "SELECT id, path, snapshot, format, pixels, sha256, erased_photos FROM export
             JOIN export_photo ON export_id = id WHERE photo_id = ? ORDER BY started_at, id",
        )
        .bind(photo_id)
        .fetch_all(&self.reader)
        .await
        .map_err(Error::db("list a photo's exports"))
    }

    /// The exports that hold photos which were erased.
    pub async fn exports_with_erased(&self) -> Result<Vec<ExportRow>> {
        sqlx::query_as(
            "SELECT id, path, snapshot, format, pixels, sha256, erased_photos FROM export
             WHERE erased_photos > 0 ORDER BY path",
        )
        .fetch_all(&self.reader)
        .await
        .map_err(Error::db("list exports"))
    }

    /// Forgets an export that is not there any more.
    pub async fn forget_export(&self, id: i64) -> Result<()> {
        sqlx::query("DELETE FROM export WHERE id = ?")
            .bind(id)
            .execute(&self.writer)
            .await
            .map(drop)
            .map_err(Error::db("forget an export"))
    }
}

/// Counts the photos of each export that are about to be erased. A photo that is in it counts once, however
/// many addresses it has.
pub(crate) async fn count_erased(connection: &mut SqliteConnection, photo_ids: &str) -> sqlx::Result<()> {
    sqlx::query(
        "UPDATE export SET erased_photos = erased_photos +
             (SELECT count(DISTINCT coalesce(sha256, photo_id)) FROM export_photo LEFT JOIN fetch USING (photo_id)
              WHERE export_id = export.id AND photo_id IN (SELECT value FROM json_each(?)))",
    )
    .bind(photo_ids)
    .execute(connection)
    .await
    .map(drop)
}
