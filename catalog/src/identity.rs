//! People on sites.

use photo::{Digest, IdentityName};
use sqlx::{FromRow, SqliteConnection};

use crate::spelling::spellings;
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
    pub fn key(&self) -> IdentityName {
        IdentityName::new(&self.site, &self.slug)
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
            || self
                .page_url
                .as_ref()
                .is_some_and(|url| spellings(url).iter().any(|url| tombstones.has_url(url)))
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

/// Who has a slug, or an address under one of its spellings. With `OR` in one condition, SQLite would read all people
/// of the site.
const KNOWN: &str = "
    SELECT slug, page_url FROM identity WHERE site = ?1 AND slug = ?2
    UNION SELECT slug, page_url FROM identity WHERE site = ?1 AND page_url IN (?3, ?4, ?5, ?6)";

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

/// The slug of the person at `url`: the one that the address has already, however it is spelled, else `slug`, or where
/// that is somebody's at another address, `slug` and a digest of the address.
async fn slug_at(
    connection: &mut SqliteConnection,
    site: &str,
    slug: &str,
    url: &str,
) -> sqlx::Result<String> {
    let spellings = spellings(url);
    let [plain, slash, query, both] = &spellings;
    let known: Vec<(String, Option<String>)> = sqlx::query_as(KNOWN)
        .bind(site)
        .bind(slug)
        .bind(plain)
        .bind(slash)
        .bind(query)
        .bind(both)
        .fetch_all(connection)
        .await?;
    // As it is written here before any other way: two people of an earlier version stay who they are.
    let at = |url: &str| known.iter().find(|(_, page_url)| page_url.as_deref() == Some(url));
    let known_here = at(url).or_else(|| spellings.iter().find_map(|url| at(url)));
    if let Some((known, _)) = known_here {
        return Ok(known.clone());
    }
    let is_taken = known.iter().any(|(_, page_url)| page_url.is_some());
    Ok(if is_taken { format!("{slug}-{}", &Digest::of(url).short()[..8]) } else { slug.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A long list of people would be read once for each of them.
    #[tokio::test]
    async fn a_person_is_looked_for_by_slug_and_address_without_reading_all_people_of_the_site() {
        let folder = tempfile::tempdir().unwrap();
        let catalog = Catalog::open(folder.path()).await.unwrap();
        let plan: Vec<(i64, i64, i64, String)> =
            sqlx::query_as(sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {KNOWN}")))
                .fetch_all(&catalog.reader)
                .await
                .unwrap();
        let steps: Vec<_> = plan.into_iter().map(|(_, _, _, step)| step).collect();
        let reads: Vec<_> = steps.iter().filter(|step| step.contains(" identity ")).collect();
        assert_eq!(reads.len(), 2, "{steps:?}");
        assert!(reads[0].contains("(site=? AND slug=?)"), "{steps:?}");
        assert!(reads[1].contains("identity_by_page (site=? AND page_url=?)"), "{steps:?}");
        catalog.close().await;
    }
}
