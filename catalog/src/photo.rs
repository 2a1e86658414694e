//! Photos that sites show.

use photo::{Digest, FailureClass};
use serde::Deserialize;
use sqlx::{FromRow, SqliteConnection};

use crate::column::{Fetched, Unparsed};
use crate::erasure::refuse_photo;
use crate::{Catalog, Error, Result, Tombstones};

/// A photo as a listing shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewPhoto {
    /// The photo page, or the file itself where there is none.
    pub source_url: String,
    /// The full-size file, where the listing links it already.
    pub file_url: Option<String>,
    /// Width and height in pixels, as the gallery states them.
    pub hint: Option<(u32, u32)>,
    /// Alt text, title or sidecar text.
    pub caption: Option<Caption>,
}

/// A text about a photo and where it stood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caption {
    /// The text.
    pub text: String,
    /// `alt`, `title`, `sidecar`, …
    pub source: String,
}

/// A row of `photo`, with what was downloaded for it.
#[derive(Clone, Debug, PartialEq, Eq, FromRow, Deserialize)]
pub struct PhotoRow {
    /// Row number.
    pub id: i64,
    /// The person.
    pub identity_id: i64,
    /// The photo page, or the file itself where there is none.
    pub source_url: String,
    /// The full-size file.
    pub file_url: Option<String>,
    /// Width in pixels as the gallery states it.
    pub hint_width: Option<u32>,
    /// Height in pixels as the gallery states it.
    pub hint_height: Option<u32>,
    /// Alt text, title or sidecar text.
    pub caption: Option<String>,
    /// The bytes, where there are some.
    #[sqlx(skip)]
    pub sha256: Option<Digest>,
    /// Why there are none.
    #[sqlx(skip)]
    pub failure: Option<FailureClass>,
    /// What exactly failed.
    pub detail: Option<String>,
    /// The server's `ETag`; of a local file its length and when it was last written.
    pub etag: Option<String>,
    /// The server's `Last-Modified`.
    pub last_modified: Option<String>,
    /// When, in Unix milliseconds; `None` where no download was tried.
    pub fetched_at: Option<i64>,
}

impl Fetched for PhotoRow {
    fn name(&self) -> String {
        format!("photo {} ({})", self.id, self.source_url)
    }

    fn set(&mut self, sha256: Option<Digest>, failure: Option<FailureClass>) {
        (self.sha256, self.failure) = (sha256, failure);
    }
}

impl Catalog {
    /// Adds photos of a person that are not known yet; brings hints and captions of the others up to date.
    pub async fn add_photos(&self, identity_id: i64, photos: &[NewPhoto]) -> Result<()> {
        let operation = "add photos";
        let mut transaction = self.writer.begin().await.map_err(Error::db(operation))?;
        let tombstones = self.tombstones();
        for photo in photos {
            upsert(&mut transaction, &tombstones, identity_id, photo).await.map_err(Error::db(operation))?;
        }
        transaction.commit().await.map_err(Error::db(operation))
    }

    /// The photos of a person, in the order of their source URLs.
    pub async fn photos(&self, identity_id: i64) -> Result<Vec<PhotoRow>> {
        let rows: Vec<Unparsed<PhotoRow>> = sqlx::query_as(
            "SELECT photo.id, identity_id, source_url, file_url, hint_width, hint_height, caption,
                    sha256, failure, detail, etag, last_modified, fetched_at
             FROM photo LEFT JOIN fetch ON fetch.photo_id = photo.id
             WHERE identity_id = ? ORDER BY source_url",
        )
        .bind(identity_id)
        .fetch_all(&self.reader)
        .await
        .map_err(Error::db("list photos"))?;
        rows.into_iter().map(Unparsed::parse).collect()
    }

    /// The photos that `text` may mean: a row number, a digest or its beginning (8 digits at least), or a URL.
    pub async fn find_photos(&self, text: &str) -> Result<Vec<i64>> {
        let is_digest = text.len() >= 8 && text.len() <= 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
        sqlx::query_scalar(
            "SELECT photo.id FROM photo LEFT JOIN fetch ON fetch.photo_id = photo.id
             WHERE photo.id = ?1 OR source_url = ?2 OR file_url = ?2
                OR photo.id IN (SELECT photo_id FROM fetch WHERE larger_url = ?2)
                OR (?3 AND sha256 >= ?4 AND sha256 < ?4 || 'g')
             ORDER BY photo.id",
        )
        .bind(text.parse::<i64>().ok())
        .bind(text)
        .bind(is_digest)
        .bind(text.to_ascii_lowercase())
        .fetch_all(&self.reader)
        .await
        .map_err(Error::db("find a photo"))
    }
}

pub(crate) async fn upsert(
    connection: &mut SqliteConnection,
    tombstones: &Tombstones,
    identity_id: i64,
    photo: &NewPhoto,
) -> sqlx::Result<()> {
    let mut urls = [Some(&photo.source_url), photo.file_url.as_ref()].into_iter().flatten();
    if let Some(erased) = urls.find(|url| tombstones.has_url(url)) {
        return refuse_photo(connection, identity_id, &tombstones.placeholder(erased)).await;
    }
    let (width, height) = photo.hint.unzip();
    let (text, source) = photo.caption.as_ref().map(|caption| (&caption.text, &caption.source)).unzip();
    sqlx::query(
        "INSERT INTO photo (identity_id, source_url, file_url, hint_width, hint_height, caption, caption_source)
         VALUES (?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (identity_id, source_url) DO UPDATE SET
             file_url = coalesce(excluded.file_url, file_url),
             hint_width = coalesce(excluded.hint_width, hint_width),
             hint_height = coalesce(excluded.hint_height, hint_height),
             caption = coalesce(excluded.caption, caption),
             caption_source = coalesce(excluded.caption_source, caption_source)",
    )
    .bind(identity_id)
    .bind(&photo.source_url)
    .bind(&photo.file_url)
    .bind(width)
    .bind(height)
    .bind(text)
    .bind(source)
    .execute(connection)
    .await
    .map(drop)
}
