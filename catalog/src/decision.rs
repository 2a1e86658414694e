//! What a person decided on photos, over all rules.

use photo::{Digest, IdentityName};
use serde::{Deserialize, Serialize};

use crate::catalog::now_ms;
use crate::column::parse;
use crate::measurement::to_json;
use crate::{Catalog, Error, Result};

/// One decision, also a line of the file that a report saves.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// Whose photo it is.
    pub identity: IdentityName,
    /// The photo's bytes.
    pub sha256: Digest,
    /// What was decided; `None` takes an earlier decision back.
    pub keep: Option<bool>,
}

impl Catalog {
    /// Stores decisions over earlier ones, in one transaction.
    pub async fn record_decisions(&self, decisions: &[Decision]) -> Result<()> {
        let operation = "store decisions";
        let mut transaction = self.writer.begin().await.map_err(Error::db(operation))?;
        let (made, taken_back): (Vec<_>, Vec<_>) =
            decisions.iter().partition(|decision| decision.keep.is_some());
        sqlx::query(
            "INSERT OR REPLACE INTO decision (sha256, identity, keep, decided_at)
             SELECT value ->> 'sha256', value ->> 'identity', value ->> 'keep', ?1 FROM json_each(?2)",
        )
        .bind(now_ms())
        .bind(to_json("decisions", &made)?)
        .execute(&mut *transaction)
        .await
        .map_err(Error::db(operation))?;
        sqlx::query(
            "DELETE FROM decision WHERE (sha256, identity) IN
                 (SELECT value ->> 'sha256', value ->> 'identity' FROM json_each(?))",
        )
        .bind(to_json("decisions", &taken_back)?)
        .execute(&mut *transaction)
        .await
        .map_err(Error::db(operation))?;
        transaction.commit().await.map_err(Error::db(operation))
    }

    /// The decisions on people of the sites, by identity and digest.
    pub async fn decisions(&self, sites: &[String]) -> Result<Vec<Decision>> {
        let rows: Vec<(String, String, bool)> = sqlx::query_as(
            "SELECT decision.identity, sha256, keep FROM decision JOIN identity ON site || '/' || slug = \
             decision.identity
             WHERE site IN (SELECT value FROM json_each(?)) ORDER BY decision.identity, sha256",
        )
        .bind(to_json("sites", &sites)?)
        .fetch_all(&self.reader)
        .await
        .map_err(Error::db("read decisions"))?;
        rows.into_iter().map(parse_decision).collect()
    }
}

fn parse_decision((identity, sha256, keep): (String, String, bool)) -> Result<Decision> {
    let row = || format!("the decision on a photo of {identity}");
    let sha256 = parse("sha256", &sha256, row)?;
    let identity = parse("identity", &identity, row)?;
    Ok(Decision { identity, sha256, keep: Some(keep) })
}
