//! Verdicts, kept per photo and rules.

use photo::{Digest, Reason, Verdict};

use crate::measurement::{parse_json, to_json};
use crate::open::now_ms;
use crate::{Catalog, Error, Result};

impl Catalog {
    /// Stores the verdicts of these rules on a person's photos, in one transaction.
    pub async fn record_verdicts(&self, rules: Digest, verdicts: &[(i64, Verdict)]) -> Result<()> {
        let operation = "store verdicts";
        let judged_at = now_ms();
        let mut transaction = self.writer.begin().await.map_err(Error::db(operation))?;
        for (photo_id, verdict) in verdicts {
            sqlx::query("INSERT OR REPLACE INTO verdict (photo_id, rules, keep, reasons, judged_at) VALUES (?, ?, ?, ?, ?)")
                .bind(photo_id)
                .bind(rules.to_string())
                .bind(verdict.is_keep())
                .bind(to_json("reasons", &verdict.reasons())?)
                .bind(judged_at)
                .execute(&mut *transaction)
                .await
                .map_err(Error::db(operation))?;
        }
        transaction.commit().await.map_err(Error::db(operation))
    }

    /// The verdicts of these rules on a person's photos, by photo row.
    pub async fn verdicts(&self, identity_id: i64, rules: Digest) -> Result<Vec<(i64, Verdict)>> {
        let rows: Vec<(i64, bool, String)> = sqlx::query_as(
            "SELECT photo_id, keep, reasons FROM verdict JOIN photo ON photo.id = photo_id
             WHERE identity_id = ? AND rules = ? ORDER BY photo_id",
        )
        .bind(identity_id)
        .bind(rules.to_string())
        .fetch_all(&self.reader)
        .await
        .map_err(Error::db("read verdicts"))?;
        rows.into_iter().map(|(id, keep, reasons)| Ok((id, to_verdict(keep, &reasons)?))).collect()
    }

    /// The newest verdict on each of a person's photos, whatever the rules, by photo row.
    pub async fn newest_verdicts(&self, identity_id: i64) -> Result<Vec<(i64, Verdict)>> {
        // With a bare max(), SQLite takes the other columns from the row that holds the maximum.
        let rows: Vec<(i64, bool, String, i64)> = sqlx::query_as(
            "SELECT photo_id, keep, reasons, max(judged_at) FROM verdict JOIN photo ON photo.id = photo_id
             WHERE identity_id = ? GROUP BY photo_id ORDER BY photo_id",
        )
        .bind(identity_id)
        .fetch_all(&self.reader)
        .await
        .map_err(Error::db("read verdicts"))?;
        rows.into_iter().map(|(id, keep, reasons, _)| Ok((id, to_verdict(keep, &reasons)?))).collect()
    }

    /// Every verdict on one photo: rules' digest and verdict.
    pub async fn verdicts_on(&self, photo_id: i64) -> Result<Vec<(String, Verdict)>> {
        let rows: Vec<(String, bool, String)> =
            sqlx::query_as("SELECT rules, keep, reasons FROM verdict WHERE photo_id = ? ORDER BY rules")
                .bind(photo_id)
                .fetch_all(&self.reader)
                .await
                .map_err(Error::db("read verdicts"))?;
        rows.into_iter().map(|(rules, keep, reasons)| Ok((rules, to_verdict(keep, &reasons)?))).collect()
    }
}

fn to_verdict(keep: bool, reasons: &str) -> Result<Verdict> {
    let reasons: Vec<Reason> = parse_json("reasons", reasons)?;
    match (keep, reasons.is_empty()) {
        (true, true) | (false, false) => Ok(Verdict::from_reasons(reasons)),
        _ => Err(Error::corrupt("a verdict", &"its reasons do not fit whether it is kept")),
    }
}
