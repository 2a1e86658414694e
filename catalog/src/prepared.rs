//! What is prepared: photos whose tensors are on disk.

use photo::Digest;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::measurement::{parse_json, to_json};
use crate::{Catalog, Error, Result};

impl Catalog {
    /// Notes that a content's tensors are in place; `value` is what snapshots say of them (joints, affine, box).
    pub async fn record_prepared<T: Serialize>(
        &self,
        sha256: Digest,
        settings: Digest,
        value: &T,
    ) -> Result<()> {
        sqlx::query("INSERT OR REPLACE INTO prepared (sha256, settings, value) VALUES (?, ?, ?)")
            .bind(sha256.to_string())
            .bind(settings.to_string())
            .bind(to_json("prepared", value)?)
            .execute(&self.writer)
            .await
            .map(drop)
            .map_err(Error::db("store a prepared photo"))
    }

    /// What was noted of a content's tensors.
    pub async fn prepared<T: DeserializeOwned>(&self, sha256: Digest, settings: Digest) -> Result<Option<T>> {
        let value: Option<String> =
            sqlx::query_scalar("SELECT value FROM prepared WHERE sha256 = ? AND settings = ?")
                .bind(sha256.to_string())
                .bind(settings.to_string())
                .fetch_optional(&self.reader)
                .await
                .map_err(Error::db("read a prepared photo"))?;
        value.map(|text| parse_json("prepared", &text)).transpose()
    }
}
