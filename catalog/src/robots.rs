//! robots.txt as hosts last answered.

use sqlx::FromRow;

use crate::catalog::now_ms;
use crate::{Catalog, Error, Result};

/// A row of `robots`.
#[derive(Clone, Debug, Default, PartialEq, Eq, FromRow)]
pub struct RobotsRow {
    /// The HTTP status.
    pub status: u16,
    /// The text, empty where there is none.
    pub body: String,
    /// The answer's `ETag`.
    pub etag: Option<String>,
    /// The answer's `Last-Modified`.
    pub last_modified: Option<String>,
    /// When, in Unix milliseconds.
    pub fetched_at: i64,
}

impl Catalog {
    /// What a host (`scheme://host:port`) last answered.
    pub async fn robots(&self, authority: &str) -> Result<Option<RobotsRow>> {
        sqlx::query_as("SELECT status, body, etag, last_modified, fetched_at FROM robots WHERE authority = ?")
            .bind(authority)
            .fetch_optional(&self.reader)
            .await
            .map_err(Error::db("read a stored robots.txt"))
    }

    /// Stores an answer; its `fetched_at` is set to now.
    pub async fn record_robots(&self, authority: &str, row: &RobotsRow) -> Result<()> {
        sqlx::query(
            "INSERT OR REPLACE INTO robots (authority, status, body, etag, last_modified, fetched_at)
             VALUES (?, ?, ?, ?, ?, ?)",
        )
        .bind(authority)
        .bind(row.status)
        .bind(&row.body)
        .bind(&row.etag)
        .bind(&row.last_modified)
        .bind(now_ms())
        .execute(&self.writer)
        .await
        .map(drop)
        .map_err(Error::db("store robots.txt"))
    }
}
