//! Which snapshots were written, and which photos stand in them.

use sqlx::FromRow;

use crate::catalog::now_ms;
use crate::{Catalog, Error, Result};

/// A row of `snapshot`.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct SnapshotRow {
    /// The first 12 hex digits of the manifest's digest.
    pub id: String,
    /// The recipe's name for it.
    pub name: String,
    /// Its folder.
    pub path: String,
    /// When it was first written, in Unix milliseconds.
    pub created_at: i64,
}

impl Catalog {
    /// Notes a snapshot and its photos (`true`: kept, `false`: dropped). The same id again changes nothing.
    pub async fn record_snapshot(
        &self,
        id: &str,
        name: &str,
        path: &str,
        photos: &[(i64, bool)],
    ) -> Result<()> {
        let operation = "store a snapshot's photos";
        let mut transaction = self.writer.begin().await.map_err(Error::db(operation))?;
        sqlx::query(
            "INSERT INTO snapshot (id, name, path, created_at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
        )
        .bind(id)
        .bind(name)
        .bind(path)
        .bind(now_ms())
        .execute(&mut *transaction)
        .await
        .map_err(Error::db(operation))?;
        for (photo_id, keep) in photos {
            sqlx::query(
                "INSERT OR REPLACE INTO snapshot_photo (snapshot_id, photo_id, keep) VALUES (?, ?, ?)",
            )
            .bind(id)
            .bind(photo_id)
            .bind(keep)
            .execute(&mut *transaction)
            .await
            .map_err(Error::db(operation))?;
        }
        transaction.commit().await.map_err(Error::db(operation))
    }

    /// The snapshots that speak of a photo, and whether it is kept in them.
    pub async fn snapshots_with(&self, photo_id: i64) -> Result<Vec<(SnapshotRow, bool)>> {
        let rows: Vec<(String, String, String, i64, bool)> = sqlx::query_as(
            "SELECT id, name, path, created_at, keep FROM snapshot
             JOIN snapshot_photo ON snapshot_id = id WHERE photo_id = ? ORDER BY created_at, id",
        )
        .bind(photo_id)
        .fetch_all(&self.reader)
        .await
        .map_err(Error::db("list a photo's snapshots"))?;
        let row = |(id, name, path, created_at, keep)| (SnapshotRow { id, name, path, created_at }, keep);
        Ok(rows.into_iter().map(row).collect())
    }
}
