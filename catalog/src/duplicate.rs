//! Groups of photos that look the same, kept per rules.

use photo::Digest;
use serde::Serialize;
use sqlx::FromRow;

use crate::measurement::to_json;
use crate::{Catalog, Error, Result};

/// A photo that has a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Duplicate {
    /// The photo's row.
    pub photo_id: i64,
    /// The row of the photo around which the group formed.
    pub centre_id: i64,
    /// In how many bits of 64 the perceptual hashes of the two differ.
    pub distance: u32,
    /// Whether they are near when one is mirrored.
    pub mirrored: bool,
}

/// A photo of a group, with where it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, FromRow)]
pub struct GroupMember {
    /// The photo's row.
    pub photo_id: i64,
    /// The site's name, or the import's.
    pub site: String,
    /// The person's slug.
    pub slug: String,
    /// The photo page, or the file itself where there is none.
    pub source_url: String,
    /// In how many bits of 64 it differs from the group's centre.
    pub distance: i64,
    /// Whether it is near when mirrored.
    pub mirrored: bool,
    /// Whether the rules keep it.
    pub keep: Option<bool>,
}

impl Catalog {
    /// Stores the groups of these rules on photos of the sites, instead of what was stored of them before.
    pub async fn record_duplicates(
        &self,
        rules: Digest,
        sites: &[String],
        duplicates: &[Duplicate],
    ) -> Result<()> {
        let operation = "store duplicates";
        let mut transaction = self.writer.begin().await.map_err(Error::db(operation))?;
        sqlx::query(
            "DELETE FROM duplicate WHERE rules = ?1 AND photo_id IN
                 (SELECT photo.id FROM photo JOIN identity ON identity.id = identity_id
                  WHERE site IN (SELECT value FROM json_each(?2)))",
        )
        .bind(rules.to_string())
        .bind(to_json("sites", &sites)?)
        .execute(&mut *transaction)
        .await
        .map_err(Error::db(operation))?;
        sqlx::query(
            "INSERT OR REPLACE INTO duplicate (photo_id, rules, centre_id, distance, mirrored)
             SELECT value ->> 'photo_id', ?1, value ->> 'centre_id', value ->> 'distance', value ->> 'mirrored'
             FROM json_each(?2)",
        )
        .bind(rules.to_string())
        .bind(to_json("duplicates", &duplicates)?)
        .execute(&mut *transaction)
        .await
        .map_err(Error::db(operation))?;
        transaction.commit().await.map_err(Error::db(operation))
    }

    /// The group that a photo belongs to by these rules, the centre first; empty where it has no copy.
    pub async fn group_of(&self, photo_id: i64, rules: &str) -> Result<Vec<GroupMember>> {
        sqlx::query_as(
            "SELECT other.photo_id, site, slug, source_url, other.distance, other.mirrored, keep
             FROM duplicate AS own
             JOIN duplicate AS other ON other.centre_id = own.centre_id AND other.rules = own.rules
             JOIN photo ON photo.id = other.photo_id JOIN identity ON identity.id = identity_id
             LEFT JOIN verdict ON verdict.photo_id = other.photo_id AND verdict.rules = own.rules
             WHERE own.photo_id = ? AND own.rules = ?
             ORDER BY other.photo_id <> own.centre_id, other.distance, site, slug, source_url",
        )
        .bind(photo_id)
        .bind(rules)
        .fetch_all(&self.reader)
        .await
        .map_err(Error::db("read a photo's copies"))
    }
}
