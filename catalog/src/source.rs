//! Where imports came from.

use crate::{Catalog, Error, Result};

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

    /// Gives an import another name, with its people, pages and decisions; `false` where that cannot be: the name is in
    /// use, or people were erased from the old one, whom the catalog would no longer know under the new one.
    pub async fn rename_import(&self, from: &str, to: &str) -> Result<bool> {
        let operation = "rename an import";
        let mut transaction = self.writer.begin().await.map_err(Error::db(operation))?;
        let obstacles: i64 = sqlx::query_scalar(
            "SELECT (SELECT count(*) FROM identity WHERE site = ?1) + (SELECT count(*) FROM page WHERE site = ?1)
                    + (SELECT count(*) FROM tombstone WHERE kind = 'identity')",
        )
        .bind(to)
        .fetch_one(&mut *transaction)
        .await
        .map_err(Error::db(operation))?;
        if obstacles > 0 {
            return Ok(false);
        }
        for statement in [
            "UPDATE identity SET site = ?2 WHERE site = ?1",
            "UPDATE page SET site = ?2 WHERE site = ?1",
            "UPDATE crawl SET site = ?2 WHERE site = ?1",
            "UPDATE OR REPLACE source SET site = ?2 WHERE site = ?1",
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
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
        assert!(!catalog.rename_import("photos", "taken").await.unwrap());
        assert!(catalog.rename_import("photos", "mine").await.unwrap());
        assert_eq!(catalog.sites_of_source("/home/me/photos").await.unwrap(), ["mine"]);
        assert_eq!(catalog.source("photos").await.unwrap(), None);
        let people = catalog.identities("mine").await.unwrap();
        assert_eq!(people.iter().map(|person| person.slug.as_str()).collect::<Vec<_>>(), ["ada"]);
    }
}
