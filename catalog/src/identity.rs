//! People on sites.

use photo::Digest;
use sqlx::{FromRow, SqliteConnection};

use crate::{Catalog, Error, Result, Tombstones};

/// A row of `identity`.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Identity {
    /// Row number.
    pub id: i64,
    /// The site's name, or the import's.
    pub site: String,
    /// Unique within the site; safe as part of a file name.
    pub slug: String,
    /// As shown to people.
    pub name: String,
    /// Where the gallery starts.
    pub page_url: Option<String>,
}

impl Identity {
    /// `site/slug`: the identity's name in snapshots and splits.
    pub fn key(&self) -> String {
        format!("{}/{}", self.site, self.slug)
    }
}

/// A person as a site shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewIdentity {
    /// Unique within the site.
    pub slug: String,
    /// As shown to people.
    pub name: String,
    /// Where the gallery starts.
    pub page_url: Option<String>,
    /// Whether the slug alone says who it is, as where a site's profile has a rule for it. If not, the same slug at
    /// another address is another person.
    pub is_slug_certain: bool,
}

impl NewIdentity {
    /// Whether the person, or the gallery's address, was erased on request.
    pub(crate) fn is_erased(&self, site: &str, tombstones: &Tombstones) -> bool {
        tombstones.has_identity(site, &self.slug)
            || self.page_url.as_ref().is_some_and(|url| tombstones.has_url(url))
    }
}

impl Catalog {
    /// Adds a person, or brings the name and page up to date; gives the row number. `None`: the person was erased on
    /// request, and is not taken in again.
    pub async fn add_identity(&self, site: &str, identity: &NewIdentity) -> Result<Option<i64>> {
        if identity.is_erased(site, &self.tombstones()) {
            return Ok(None);
        }
        let operation = "add an identity";
        let mut connection = self.writer.acquire().await.map_err(Error::db(operation))?;
        upsert(&mut connection, site, identity).await.map(Some).map_err(Error::db(operation))
    }

    /// The people of a site, in the order of their slugs.
    pub async fn identities(&self, site: &str) -> Result<Vec<Identity>> {
        sqlx::query_as("SELECT id, site, slug, name, page_url FROM identity WHERE site = ? ORDER BY slug")
            .bind(site)
            .fetch_all(&self.reader)
            .await
            .map_err(Error::db("list identities"))
    }
}

pub(crate) async fn upsert(
    connection: &mut SqliteConnection,
    site: &str,
    identity: &NewIdentity,
) -> sqlx::Result<i64> {
    let slug = match &identity.page_url {
        Some(url) if !identity.is_slug_certain => slug_at(connection, site, &identity.slug, url).await?,
        _ => identity.slug.clone(),
    };
    sqlx::query_scalar(
        "INSERT INTO identity (site, slug, name, page_url) VALUES (?, ?, ?, ?)
         ON CONFLICT (site, slug) DO UPDATE SET name = excluded.name, page_url = excluded.page_url
         RETURNING id",
    )
    .bind(site)
    .bind(slug)
    .bind(&identity.name)
    .bind(&identity.page_url)
    .fetch_one(connection)
    .await
}

/// The slug of the person at `url`: the one that the address has already, else `slug`, or where that is somebody's at
/// another address, `slug` and a digest of the address.
async fn slug_at(
    connection: &mut SqliteConnection,
    site: &str,
    slug: &str,
    url: &str,
) -> sqlx::Result<String> {
    let known: Vec<(String, Option<String>)> = sqlx::query_as(
        "SELECT slug, page_url FROM identity WHERE site = ?1 AND (slug = ?2 OR page_url = ?3)",
    )
    .bind(site)
    .bind(slug)
    .bind(url)
    .fetch_all(connection)
    .await?;
    let is_here = |(_, page_url): &&(String, Option<String>)| page_url.as_deref() == Some(url);
    if let Some((known, _)) = known.iter().find(is_here) {
        return Ok(known.clone());
    }
    let is_taken = known.iter().any(|(_, page_url)| page_url.is_some());
    Ok(if is_taken { format!("{slug}-{}", &Digest::of(url).short()[..8]) } else { slug.to_owned() })
}
