//! Verdicts, kept per photo and rules.

use photo::{Digest, Reason, Verdict};

use crate::catalog::now_ms;
use crate::measurement::{parse_json, to_json};
use crate::{Catalog, Error, Result};

/// Verdicts that are exchanged with SQLite in one text: a statement or a row for each would take longer than judging.
const ROWS_AT_ONCE: usize = 10_000;

impl Catalog {
    /// Stores the verdicts of these rules, in one transaction.
    pub async fn record_verdicts(&self, rules: Digest, verdicts: &[(i64, &Verdict)]) -> Result<()> {
        let operation = "store verdicts";
        let judged_at = now_ms();
        let mut transaction = self.writer.begin().await.map_err(Error::db(operation))?;
        for some in verdicts.chunks(ROWS_AT_ONCE) {
            let rows = some.iter().map(|(id, verdict)| (id, i32::from(verdict.is_keep()), verdict.reasons()));
            sqlx::query(
                "INSERT OR REPLACE INTO verdict (photo_id, rules, keep, reasons, judged_at)
                 SELECT value ->> 0, ?1, value ->> 1, value -> 2, ?2 FROM json_each(?3)",
            )
            .bind(rules.to_string())
            .bind(judged_at)
            .bind(to_json("verdicts", &rows.collect::<Vec<_>>())?)
            .execute(&mut *transaction)
            .await
            .map_err(Error::db(operation))?;
        }
        transaction.commit().await.map_err(Error::db(operation))
    }

    /// The newest verdict on each of the sites' photos, whatever the rules, by photo row.
    pub async fn newest_verdicts(&self, sites: &[String]) -> Result<Vec<(i64, Verdict)>> {
        // With a bare max(), SQLite takes the other columns from the row that holds the maximum.
        let texts: Vec<String> = sqlx::query_scalar(
            "SELECT json_group_array(json_array(photo_id, keep, json(reasons))) FROM (
                 SELECT photo_id, keep, reasons, max(judged_at) FROM verdict
                 WHERE photo_id IN (SELECT photo.id FROM identity JOIN photo ON identity_id = identity.id
                                    WHERE site IN (SELECT value FROM json_each(?1)))
                 GROUP BY photo_id)
             GROUP BY photo_id / ?2",
        )
        .bind(to_json("sites", &sites)?)
        .bind(ROWS_AT_ONCE as i64)
        .fetch_all(&self.reader)
        .await
        .map_err(Error::db("read verdicts"))?;
        let mut verdicts = Vec::new();
        for text in texts {
            let rows: Vec<(i64, u8, Vec<Reason>)> = parse_json("verdicts", &text)?;
            for (id, keep, reasons) in rows {
                verdicts.push((id, to_verdict(keep != 0, reasons)?));
            }
        }
        verdicts.sort_by_key(|(id, _)| *id);
        Ok(verdicts)
    }

    /// Every verdict on one photo: rules' digest and verdict.
    pub async fn verdicts_on(&self, photo_id: i64) -> Result<Vec<(String, Verdict)>> {
        let rows: Vec<(String, bool, String)> =
            sqlx::query_as("SELECT rules, keep, reasons FROM verdict WHERE photo_id = ? ORDER BY rules")
                .bind(photo_id)
                .fetch_all(&self.reader)
                .await
                .map_err(Error::db("read verdicts"))?;
        let verdict = |(rules, keep, reasons): (String, bool, String)| {
            Ok((rules, to_verdict(keep, parse_json("reasons", &reasons)?)?))
        };
        rows.into_iter().map(verdict).collect()
    }
}

fn to_verdict(keep: bool, reasons: Vec<Reason>) -> Result<Verdict> {
    match (keep, reasons.is_empty()) {
        (true, true) | (false, false) => Ok(Verdict::from_reasons(reasons)),
        _ => Err(Error::corrupt("a verdict", &"its reasons do not fit whether it is kept")),
    }
}
