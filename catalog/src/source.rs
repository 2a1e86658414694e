//! Where imports came from.

use sqlx::SqliteConnection;

use crate::{Catalog, Error, Result};

/// Why an import keeps its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameKept {
    /// There are people, pages, decisions or a source of the new name.
    #[error("that name is in use")]
    InUse,
    /// Tombstones hold for the old name, and do not say of which import they are.
    #[error("people were erased from this work folder, who might come back under another name")]
    Erased,
}

impl Catalog {
    /// The folder or list that the photos of `site` were imported from; `None` where nothing is known.
    pub async fn source(&self, site: &str) -> Result<Option<String>> {
        sqlx::query_scalar("SELECT root FROM source WHERE site = ?")
            .bind(site)
            .fetch_optional(&self.reader)
            .await
            .map_err(Error::db("read the source of an import"))
    }

    /// Notes that the photos of `site` come from `root`, in the place of what was noted before.
    pub async fn record_source(&self, site: &str, root: &str) -> Result<()> {
        let operation = "store the source of an import";
        let mut connection = self.writer.acquire().await.map_err(Error::db(operation))?;
        sqlx::query("INSERT OR REPLACE INTO source (site, root) VALUES (?, ?)")
            .bind(site)
            .bind(root)
            .execute(&mut *connection)
            .await
            .map(drop)
            .map_err(Error::db(operation))
    }

    /// The names under which photos of `root` were imported, in their order.
    pub async fn sites_of_source(&self, root: &str) -> Result<Vec<String>> {
        sqlx::query_scalar("SELECT site FROM source WHERE root = ? ORDER BY site")
            .bind(root)
            .fetch_all(&self.reader)
            .await
            .map_err(Error::db("look for an import"))
    }

    /// Whether there are people, pages, decisions or a source of this name.
    pub async fn is_name_in_use(&self, name: &str) -> Result<bool> {
        let mut connection = self.reader.acquire().await.map_err(Error::db("look for a name"))?;
        is_in_use(&mut connection, name).await.map_err(Error::db("look for a name"))
    }

    /// Gives an import another name, with its people, pages and decisions; the inner error says why that cannot be.
    pub async fn rename_import(&self, from: &str, to: &str) -> Result<std::result::Result<(), NameKept>> {
        let operation = "rename an import";
        let mut transaction = self.writer.begin().await.map_err(Error::db(operation))?;
        if is_in_use(&mut transaction, to).await.map_err(Error::db(operation))? {
            return Ok(Err(NameKept::InUse));
        }
        let has_erased: bool =
            sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM tombstone WHERE kind = 'identity')")
                .fetch_one(&mut *transaction)
                .await
                .map_err(Error::db(operation))?;
        if has_erased {
            return Ok(Err(NameKept::Erased));
        }
        for statement in [
            "UPDATE identity SET site = ?2 WHERE site = ?1",
            "UPDATE page SET site = ?2 WHERE site = ?1",
            "UPDATE crawl SET site = ?2 WHERE site = ?1",
            "UPDATE source SET site = ?2 WHERE site = ?1",
            "UPDATE decision SET identity = ?2 || substr(identity, length(?1) + 1)
                 WHERE substr(identity, 1, length(?1) + 1) = ?1 || '/'",
        ] {
            sqlx::query(statement)
                .bind(from)
                .bind(to)
                .execute(&mut *transaction)
                .await
                .map_err(Error::db(operation))?;
        }
        transaction.commit().await.map_err(Error::db(operation))?;
        Ok(Ok(()))
    }
}

async fn is_in_use(connection: &mut SqliteConnection, name: &str) -> sqlx::Result<bool> {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM identity WHERE site = ?1) OR EXISTS (SELECT 1 FROM page WHERE site = ?1)
                OR EXISTS (SELECT 1 FROM source WHERE site = ?1)
                OR EXISTS (SELECT 1 FROM decision WHERE substr(identity, 1, length(?1) + 1) = ?1 || '/')",
    )
    .bind(name)
    .fetch_one(connection)
    .await
}

#[cfg(test)]
mod tests {
    use photo::Digest;

    use super::*;
    use crate::decision::Decision;
    use crate::identity::NewIdentity;

    fn person(slug: &str) -> NewIdentity {
        NewIdentity { slug: slug.to_owned(), name: slug.to_owned(), page_url: None, is_slug_certain: true }
    }

    #[tokio::test]
    async fn an_import_is_renamed_with_its_people_and_never_onto_another() {
        let workdir = tempfile::tempdir().unwrap();
        let catalog = Catalog::open(workdir.path()).await.unwrap();
        catalog.add_identity("photos", &person("ada")).await.unwrap();
        catalog.add_identity("taken", &person("ben")).await.unwrap();
        catalog.record_source("photos", "/home/me/photos").await.unwrap();
        assert_eq!(catalog.rename_import("photos", "taken").await.unwrap(), Err(NameKept::InUse));
        assert_eq!(catalog.rename_import("photos", "mine").await.unwrap(), Ok(()));
        assert_eq!(catalog.sites_of_source("/home/me/photos").await.unwrap(), ["mine"]);
        assert_eq!(catalog.source("photos").await.unwrap(), None);
        let people = catalog.identities("mine").await.unwrap();
        assert_eq!(people.iter().map(|person| person.slug.as_str()).collect::<Vec<_>>(), ["ada"]);
    }

    #[tokio::test]
    async fn an_import_gets_no_name_that_has_decisions_or_a_source_of_its_own() {
        let workdir = tempfile::tempdir().unwrap();
        let catalog = Catalog::open(workdir.path()).await.unwrap();
        catalog.add_identity("photos", &person("ada")).await.unwrap();
        catalog.record_source("photos", "/home/me/photos").await.unwrap();
        catalog.record_source("elsewhere", "/home/me/elsewhere").await.unwrap();
        let decision = |identity: &str, keep| Decision {
            sha256: Digest::of(b"a photo"),
            identity: identity.parse().unwrap(),
            keep: Some(keep),
        };
        let decisions = [decision("photos/ada", true), decision("mine/ada", false)];
        catalog.record_decisions(&decisions).await.unwrap();
        for name in ["mine", "elsewhere"] {
            assert_eq!(catalog.rename_import("photos", name).await.unwrap(), Err(NameKept::InUse), "{name}");
        }
        for name in ["photos", "mine", "elsewhere"] {
            assert!(catalog.is_name_in_use(name).await.unwrap(), "{name}");
        }
        assert!(!catalog.is_name_in_use("min").await.unwrap());
        assert_eq!(catalog.source("elsewhere").await.unwrap().as_deref(), Some("/home/me/elsewhere"));
    }
}
