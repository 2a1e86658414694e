//! Erasing people and photos for good. The rows go and the tombstones come in one transaction; what is left on disk is
//! then found by the tombstones, so that an erasure which was interrupted can be finished at any time.

use std::collections::BTreeSet;
use std::fs;

use photo::{Digest, FailureClass, IdentityName};
use sqlx::{FromRow, SqliteConnection};

use crate::catalog::now_ms;
use crate::column::parse;
use crate::export::count_erased;
use crate::measurement::to_json;
use crate::tombstone::{Erased, Tombstones};
use crate::{Catalog, Error, Result};

const OPERATION: &str = "erase";

/// What is to be erased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A person with every photo.
    Identity(IdentityName),
    /// The photo at an address, its page's or its file's.
    Url(String),
    /// These bytes, wherever they stand.
    Bytes(Digest),
}

/// What was erased from the catalog.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// People.
    pub identities: usize,
    /// Photos.
    pub photos: usize,
    /// Contents that nobody else has.
    pub contents: usize,
    /// Contents that stay, since they stand under somebody else as well.
    pub shared: usize,
}

#[derive(FromRow)]
struct PhotoToErase {
    id: i64,
    source_url: String,
    file_url: Option<String>,
    larger_url: Option<String>,
}

impl Catalog {
    /// Erases the rows of a target and leaves tombstones; `None` where there is nothing of it. The files are
    /// still to be removed: [`finish_erasure`](Self::finish_erasure) is called when they are.
    pub async fn erase(&self, target: &Target) -> Result<Option<Removed>> {
        let mut transaction = self.writer.begin().await.map_err(Error::db(OPERATION))?;
        let removed = erase(&mut transaction, target).await?;
        transaction.commit().await.map_err(Error::db(OPERATION))?;
        self.reload_tombstones().await?;
        Ok(removed)
    }

    /// What [`erase`](Self::erase) would remove; nothing is.
    pub async fn would_erase(&self, target: &Target) -> Result<Option<Removed>> {
        let mut transaction = self.writer.begin().await.map_err(Error::db(OPERATION))?;
        let removed = erase(&mut transaction, target).await?;
        transaction.rollback().await.map_err(Error::db(OPERATION))?;
        Ok(removed)
    }

    /// Whether a target was erased before.
    pub fn is_erased(&self, target: &Target) -> bool {
        let tombstones = self.tombstones();
        match target {
            Target::Identity(name) => tombstones.has_identity_key(name.as_str()),
            Target::Url(url) => tombstones.has_url(url),
            Target::Bytes(sha256) => tombstones.has_bytes(*sha256),
        }
    }

    /// Whether an erasure was begun and not finished.
    pub async fn has_unfinished_erasure(&self) -> Result<bool> {
        sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM tombstone WHERE swept_at IS NULL)")
            .fetch_one(&self.reader)
            .await
            .map_err(Error::db("look for unfinished erasures"))
    }

    /// Removes erased bytes from the disk; gives the number of files.
    pub fn remove_erased_blobs(&self) -> Result<usize> {
        let tombstones = self.tombstones();
        let mut removed = 0;
        for (sha256, path) in self.blobs().files()? {
            if tombstones.has_bytes(sha256) {
                fs::remove_file(&path).map_err(Error::io("remove", &path))?;
                removed += 1;
            }
        }
        // Unfinished downloads may be of any photo.
        self.blobs().clear_unfinished()?;
        Ok(removed)
    }

    /// Forgets snapshots that were withdrawn.
    pub async fn forget_snapshots(&self, ids: &[String]) -> Result<()> {
        sqlx::query("DELETE FROM snapshot WHERE id IN (SELECT value FROM json_each(?))")
            .bind(to_json("snapshots", &ids)?)
            .execute(&self.writer)
            .await
            .map(drop)
            .map_err(Error::db("forget snapshots"))
    }

    /// Ends an erasure once all files are gone: rewrites the database without its free pages, which may hold what was
    /// deleted by versions that did not overwrite it, and empties the write-ahead log.
    pub async fn finish_erasure(&self) -> Result<()> {
        let fold = "PRAGMA wal_checkpoint(TRUNCATE)";
        for statement in ["VACUUM", fold, "UPDATE tombstone SET swept_at = coalesce(swept_at, ?)", fold] {
            let mut query = sqlx::query(statement);
            if statement.starts_with("UPDATE") {
                query = query.bind(now_ms());
            }
            query.execute(&self.writer).await.map_err(Error::db("finish an erasure"))?;
        }
        Ok(())
    }
}

async fn erase(connection: &mut SqliteConnection, target: &Target) -> Result<Option<Removed>> {
    let identity_ids = identities(connection, target).await?;
    let photos_to_erase = photos(connection, target).await?;
    if photos_to_erase.is_empty() && identity_ids.is_empty() {
        return Ok(None);
    }
    let photo_ids: Vec<i64> = photos_to_erase.iter().map(|photo| photo.id).collect();
    let photo_ids = to_json("photos", &photo_ids)?;
    let (alone, shared) = contents(connection, &photo_ids).await?;
    let mut urls: BTreeSet<String> = pages(connection, &identity_ids).await?.into_iter().collect();
    urls.extend(
        photos_to_erase
            .iter()
            .flat_map(|photo| {
                [Some(photo.source_url.clone()), photo.file_url.clone(), photo.larger_url.clone()]
            })
            .flatten(),
    );
    let still_used = still_used(connection, &photo_ids, &urls).await?;
    // A file's name is no address: another import may have another photo of that name. Its bytes are known again.
    urls.retain(|url| !still_used.contains(url) && !url.starts_with("file:"));
    let key = match target {
        Target::Identity(name) => Some(name.to_string()),
        _ => None,
    };

    let alone_json = to_json("contents", &alone)?;
    let names: Vec<String> = alone.iter().map(ToString::to_string).chain(key.clone()).collect();
    let names = to_json("names", &names)?;
    let statements: [(&str, String); 5] = [
        // Verdicts on other photos may name an erased one; judging makes them anew.
        (
            "DELETE FROM verdict WHERE EXISTS (SELECT 1 FROM json_each(reasons) AS reason
                 WHERE reason.value ->> 'of' IN (SELECT value FROM json_each(?1))
                    OR reason.value ->> 'identity' IN (SELECT value FROM json_each(?1)))",
            names.clone(),
        ),
        (
            "DELETE FROM decision WHERE sha256 IN (SELECT value FROM json_each(?1))
                 OR identity IN (SELECT value FROM json_each(?1))",
            names,
        ),
        ("DELETE FROM photo WHERE id IN (SELECT value FROM json_each(?1))", photo_ids.clone()),
        (
            "DELETE FROM identity WHERE id IN (SELECT value FROM json_each(?1))",
            to_json("identities", &identity_ids)?,
        ),
        ("DELETE FROM blob WHERE sha256 IN (SELECT value FROM json_each(?1))", alone_json),
    ];
    count_erased(connection, &photo_ids).await.map_err(Error::db(OPERATION))?;
    for (statement, bound) in statements {
        sqlx::query(statement).bind(bound).execute(&mut *connection).await.map_err(Error::db(OPERATION))?;
    }
    let erased = key.iter().map(|key| Erased::Identity(key));
    let erased = erased.chain(urls.iter().map(|url| Erased::Url(url)));
    let erased: Vec<Erased<'_>> = erased.chain(alone.iter().map(|sha256| Erased::Bytes(*sha256))).collect();
    insert_tombstones(connection, &erased).await?;
    Ok(Some(Removed {
        identities: identity_ids.len(),
        photos: photos_to_erase.len(),
        contents: alone.len(),
        shared: shared.len(),
    }))
}

async fn insert_tombstones(connection: &mut SqliteConnection, erased: &[Erased<'_>]) -> Result<()> {
    sqlx::query(
        "INSERT INTO tombstone_salt (salt) SELECT hex(randomblob(32)) WHERE NOT EXISTS (SELECT 1 FROM tombstone_salt)",
    )
    .execute(&mut *connection)
    .await
    .map_err(Error::db(OPERATION))?;
    let tombstones = Tombstones::load(connection).await?;
    for one in erased {
        sqlx::query(
            "INSERT INTO tombstone (digest, kind, erased_at) VALUES (?, ?, ?)
             ON CONFLICT DO UPDATE SET swept_at = NULL",
        )
        .bind(tombstones.digest(*one).to_string())
        .bind(one.kind())
        .bind(now_ms())
        .execute(&mut *connection)
        .await
        .map_err(Error::db(OPERATION))?;
    }
    Ok(())
}

async fn identities(connection: &mut SqliteConnection, target: &Target) -> Result<Vec<i64>> {
    let Target::Identity(name) = target else { return Ok(Vec::new()) };
    sqlx::query_scalar("SELECT id FROM identity WHERE site = ? AND slug = ?")
        .bind(name.site())
        .bind(name.slug())
        .fetch_all(connection)
        .await
        .map_err(Error::db(OPERATION))
}

/// The photos of a target. With an address go the same person's photos of the same bytes.
async fn photos(connection: &mut SqliteConnection, target: &Target) -> Result<Vec<PhotoToErase>> {
    let query = match target {
        Target::Identity(name) => sqlx::query_as(
            "SELECT photo.id, source_url, file_url, larger_url FROM photo
             JOIN identity ON identity.id = identity_id LEFT JOIN fetch ON fetch.photo_id = photo.id
             WHERE site = ? AND slug = ?",
        )
        .bind(name.site())
        .bind(name.slug()),
        Target::Url(url) => sqlx::query_as(
            "WITH named AS (SELECT photo.id, identity_id, sha256 FROM photo
                            LEFT JOIN fetch ON fetch.photo_id = photo.id WHERE source_url = ?1 OR file_url = ?1
                               OR photo.id IN (SELECT photo_id FROM fetch WHERE larger_url = ?1))
             SELECT photo.id, source_url, file_url, larger_url FROM photo LEFT JOIN fetch ON fetch.photo_id = photo.id
             WHERE photo.id IN (SELECT id FROM named)
                OR (identity_id, sha256) IN (SELECT identity_id, sha256 FROM named WHERE sha256 IS NOT NULL)",
        )
        .bind(url),
        Target::Bytes(sha256) => sqlx::query_as(
            "SELECT photo.id, source_url, file_url, larger_url FROM photo
             LEFT JOIN fetch ON fetch.photo_id = photo.id WHERE photo.id IN
                 (SELECT photo_id FROM fetch WHERE sha256 = ?1
                  UNION SELECT photo_id FROM photo_version WHERE sha256 = ?1)",
        )
        .bind(sha256.to_string()),
    };
    query.fetch_all(connection).await.map_err(Error::db(OPERATION))
}

/// The bytes of photos, now and before: those that no other photo has, and the others.
async fn contents(connection: &mut SqliteConnection, photo_ids: &str) -> Result<(Vec<Digest>, Vec<Digest>)> {
    let rows: Vec<(String, bool)> = sqlx::query_as(
        "WITH photos_to_erase AS (SELECT value AS id FROM json_each(?1)),
              held AS (SELECT photo_id, sha256 FROM fetch WHERE sha256 IS NOT NULL
                       UNION SELECT photo_id, sha256 FROM photo_version)
         SELECT DISTINCT sha256, EXISTS (SELECT 1 FROM held AS other WHERE other.sha256 = held.sha256
                                         AND other.photo_id NOT IN (SELECT id FROM photos_to_erase))
         FROM held WHERE photo_id IN (SELECT id FROM photos_to_erase)",
    )
    .bind(photo_ids)
    .fetch_all(connection)
    .await
    .map_err(Error::db(OPERATION))?;
    let (mut alone, mut shared) = (Vec::new(), Vec::new());
    for (sha256, is_shared) in rows {
        let list = if is_shared { &mut shared } else { &mut alone };
        list.push(parse("sha256", &sha256, || "a photo that is to be erased".to_owned())?);
    }
    Ok((alone, shared))
}

/// The pages of people.
async fn pages(connection: &mut SqliteConnection, identity_ids: &[i64]) -> Result<Vec<String>> {
    sqlx::query_scalar(
        "WITH people_to_erase AS (SELECT value AS id FROM json_each(?1))
         SELECT url FROM page WHERE identity_id IN (SELECT id FROM people_to_erase)
         UNION SELECT page_url FROM identity WHERE id IN (SELECT id FROM people_to_erase) AND page_url IS NOT NULL",
    )
    .bind(to_json("identities", &identity_ids)?)
    .fetch_all(connection)
    .await
    .map_err(Error::db(OPERATION))
}

/// Those of the addresses under which photos stand that stay.
async fn still_used(
    connection: &mut SqliteConnection,
    photo_ids: &str,
    urls: &BTreeSet<String>,
) -> Result<BTreeSet<String>> {
    let used: Vec<String> = sqlx::query_scalar(
        "SELECT value FROM json_each(?2) WHERE EXISTS
             (SELECT 1 FROM photo WHERE (source_url = value OR file_url = value)
                                    AND photo.id NOT IN (SELECT value FROM json_each(?1)))
             OR EXISTS (SELECT 1 FROM fetch WHERE larger_url = value
                                    AND photo_id NOT IN (SELECT value FROM json_each(?1)))",
    )
    .bind(photo_ids)
    .bind(to_json("addresses", &urls)?)
    .fetch_all(connection)
    .await
    .map_err(Error::db(OPERATION))?;
    Ok(used.into_iter().collect())
}

/// Stands in for a photo that a listing shows again after it was erased: without its address, so that it is counted.
pub(crate) async fn refuse_photo(
    connection: &mut SqliteConnection,
    identity_id: i64,
    placeholder: &str,
) -> sqlx::Result<()> {
    sqlx::query("INSERT INTO photo (identity_id, source_url) VALUES (?, ?) ON CONFLICT DO NOTHING")
        .bind(identity_id)
        .bind(placeholder)
        .execute(&mut *connection)
        .await?;
    sqlx::query(
        "INSERT INTO fetch (photo_id, failure, detail, attempts, fetched_at)
         SELECT id, ?, 'erased on request', 0, ? FROM photo WHERE identity_id = ? AND source_url = ?
         ON CONFLICT DO NOTHING",
    )
    .bind(FailureClass::Erased.name())
    .bind(now_ms())
    .bind(identity_id)
    .bind(placeholder)
    .execute(connection)
    .await
    .map(drop)
}
