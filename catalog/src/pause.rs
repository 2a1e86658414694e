//! Hosts that asked to be left alone for a while.

use std::time::Duration;

use crate::catalog::now_ms;
use crate::{Catalog, Error, Result};

/// The longest that a pause is kept: what asks for more is a mistake sooner than a wish, and would shut a host off for
/// good.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);

impl Catalog {
    /// How much is left of the pause that a host (`host:port`) asked for.
    pub async fn host_pause(&self, authority: &str) -> Result<Option<Duration>> {
        let until: Option<i64> = sqlx::query_scalar("SELECT until FROM host_pause WHERE authority = ?")
            .bind(authority)
            .fetch_optional(&self.reader)
            .await
            .map_err(Error::db("read a host's pause"))?;
        let left = until.map_or(0, |until| until.saturating_sub(now_ms()));
        // A clock that was set back makes it no longer than it can have been.
        let left = Duration::from_millis(u64::try_from(left).unwrap_or(0)).min(LONGEST);
        Ok(Some(left).filter(|left| !left.is_zero()))
    }

    /// Stores that a host asked for a pause from now on. A shorter one does not shorten it.
    pub async fn record_host_pause(&self, authority: &str, pause: Duration) -> Result<()> {
        let pause_ms = i64::try_from(pause.min(LONGEST).as_millis()).unwrap_or(i64::MAX);
        sqlx::query(
            "INSERT INTO host_pause (authority, until) VALUES (?, ?)
             ON CONFLICT (authority) DO UPDATE SET until = max(until, excluded.until)",
        )
        .bind(authority)
        .bind(now_ms().saturating_add(pause_ms))
        .execute(&self.writer)
        .await
        .map(drop)
        .map_err(Error::db("store a host's pause"))
    }
}
