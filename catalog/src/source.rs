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
}
