//! The frontier: pages to read, and what reading them found. It survives the process.

use std::time::Duration;

use photo::FailureClass;
use sqlx::query::Query;
use sqlx::sqlite::SqliteArguments;
use sqlx::{FromRow, Sqlite, SqliteConnection};

use crate::catalog::now_ms;
use crate::column::parse;
use crate::identity::NewIdentity;
use crate::photo::NewPhoto;
use crate::spelling::spellings;
use crate::{Catalog, Error, Result, Tombstones, identity, photo as photo_table};

/// What a page lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageKind {
    /// Further index pages, or people.
    Index,
    /// The photos of one person, or further pages of them.
    Identity,
}

impl PageKind {
    fn name(self) -> &'static str {
        match self {
            Self::Index => "index",
            Self::Identity => "identity",
        }
    }
}

/// A run of the crawler over a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromRow)]
pub struct Crawl {
    /// Row number.
    pub id: i64,
    /// Start in Unix milliseconds; a continued run keeps its first start.
    pub started_at: i64,
}

impl Crawl {
    /// Whatever was fetched before this moment (Unix milliseconds) is asked for again.
    pub fn cutoff(&self, fresh_for: Duration) -> i64 {
        self.started_at.saturating_sub(i64::try_from(fresh_for.as_millis()).unwrap_or(i64::MAX))
    }
}

/// A page that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DuePage {
    /// Row number.
    pub id: i64,
    /// Its address on the site (never a mirror's).
    pub url: String,
    /// What it lists.
    pub kind: PageKind,
    /// The person whose photos it lists.
    pub identity_id: Option<i64>,
    /// The validator of the last answer.
    pub etag: Option<String>,
    /// The `Last-Modified` of the last answer.
    pub last_modified: Option<String>,
    /// The rules that the last answer was read by.
    pub read_by: Option<String>,
    /// The rules that refused the last answer.
    pub refused_by: Option<String>,
    /// Why it could not be read.
    pub failure: Option<FailureClass>,
}

#[derive(FromRow)]
struct DueRow {
    id: i64,
    url: String,
    kind: String,
    identity_id: Option<i64>,
    etag: Option<String>,
    last_modified: Option<String>,
    read_by: Option<String>,
    refused_by: Option<String>,
    failure: Option<String>,
}

/// What an answer is known again by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageAnswer {
    /// Its `ETag`.
    pub etag: Option<String>,
    /// Its `Last-Modified`.
    pub last_modified: Option<String>,
    /// The rules that it was read or refused by: under others, a 304 says nothing of what the page lists.
    pub read_by: String,
}

/// A page to read later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPage {
    /// Its address on the site.
    pub url: String,
    /// What it lists.
    pub kind: PageKind,
    /// The person whose photos it lists, for further pages of a gallery.
    pub identity_id: Option<i64>,
}

/// What reading a page found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Further pages of the same kind of list.
    pub pages: Vec<NewPage>,
    /// People, each with the first page of the gallery as `page_url`, which is queued.
    pub identities: Vec<NewIdentity>,
    /// Photos of the page's person.
    pub photos: Vec<NewPhoto>,
    /// Further pages are queued only up to this many in all, per person and for the index: a calendar has no end.
    pub max_pages: Option<u32>,
    /// Why something that the page lists is left out, which is stored as the page's failure, beside all the rest.
    pub refused: Option<(FailureClass, String)>,
}

/// How reading a page ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PageOutcome {
    /// It was read.
    Read {
        /// What it lists.
        found: Found,
        /// The answer.
        answer: PageAnswer,
    },
    /// The server says it has not changed (304), so that it lists what it listed, or cannot be read as before.
    Unchanged,
    /// It could not be read.
    Failed {
        /// What kind of failure.
        class: FailureClass,
        /// What exactly.
        detail: String,
        /// The answer that could not be read, where one came.
        answer: Option<PageAnswer>,
    },
}

/// `NOT INDEXED` leaves the rows in their own order, from the last batch on. By the index of sites SQLite
/// would sort all that is due for every batch.
const DUE_PAGES: &str = "
    SELECT id, url, kind, identity_id, etag, last_modified, read_by, refused_by, failure
    FROM page NOT INDEXED
    WHERE site = ? AND id > ?
      AND (fetched_at IS NULL OR fetched_at < ?
           OR (failure IS NOT NULL AND refused_by IS NOT ? AND fetched_at < ?))
    ORDER BY id LIMIT ?";

impl Catalog {
    /// Goes on with the site's unfinished crawl, or begins a new one.
    pub async fn begin_crawl(&self, site: &str) -> Result<Crawl> {
        let operation = "begin a crawl";
        let mut transaction = self.writer.begin().await.map_err(Error::db(operation))?;
        let unfinished = sqlx::query_as(
            "SELECT id, started_at FROM crawl WHERE site = ? AND finished_at IS NULL ORDER BY id DESC LIMIT 1",
        )
        .bind(site)
        .fetch_optional(&mut *transaction)
        .await
        .map_err(Error::db(operation))?;
        let crawl = match unfinished {
            Some(crawl) => crawl,
            None => {
                sqlx::query_as("INSERT INTO crawl (site, started_at) VALUES (?, ?) RETURNING id, started_at")
                    .bind(site)
                    .bind(now_ms())
                    .fetch_one(&mut *transaction)
                    .await
                    .map_err(Error::db(operation))?
            }
        };
        transaction.commit().await.map_err(Error::db(operation))?;
        Ok(crawl)
    }

    /// Marks the crawl as finished, so that the next one asks for changes.
    pub async fn finish_crawl(&self, crawl: Crawl) -> Result<()> {
        sqlx::query("UPDATE crawl SET finished_at = ? WHERE id = ?")
            .bind(now_ms())
            .bind(crawl.id)
            .execute(&self.writer)
            .await
            .map(drop)
            .map_err(Error::db("finish a crawl"))
    }

    /// Queues a page that is not known yet.
    pub async fn add_page(&self, site: &str, page: &NewPage) -> Result<()> {
        let operation = "queue a page";
        let mut connection = self.writer.acquire().await.map_err(Error::db(operation))?;
        insert(&mut connection, site, page).await.map_err(Error::db(operation))
    }

    /// Pages of the site never fetched, fetched before `cutoff` (Unix milliseconds), or failed before this
    /// crawl, unless their answers were refused by these very `rules`, as they would be again: the next
    /// `limit` ones after the row `after`.
    pub async fn due_pages(
        &self,
        site: &str,
        crawl: Crawl,
        cutoff: i64,
        rules: &str,
        after: i64,
        limit: u32,
    ) -> Result<Vec<DuePage>> {
        let rows: Vec<DueRow> = sqlx::query_as(DUE_PAGES)
            .bind(site)
            .bind(after)
            .bind(cutoff)
            .bind(rules)
            .bind(crawl.started_at)
            .bind(limit)
            .fetch_all(&self.reader)
            .await
            .map_err(Error::db("list due pages"))?;
        rows.into_iter().map(parse_page).collect()
    }

    /// Stores how reading a page ended, with everything it lists, in one transaction.
    pub async fn record_page(&self, site: &str, page: &DuePage, outcome: &PageOutcome) -> Result<()> {
        let operation = "store a page's links";
        let mut transaction = self.writer.begin().await.map_err(Error::db(operation))?;
        let tombstones = self.tombstones();
        write_outcome(&mut transaction, &tombstones, site, page, outcome)
            .await
            .map_err(Error::db(operation))?;
        transaction.commit().await.map_err(Error::db(operation))
    }

    /// Whose page an address is, where it is known as that of somebody but `identity_id`: the slug, or `None`
    /// for a list of people. However the address is spelled.
    pub async fn page_of_others(
        &self,
        site: &str,
        url: &str,
        identity_id: Option<i64>,
    ) -> Result<Option<Option<String>>> {
        let [plain, slash, query, both] = spellings(url);
        let pages: Vec<(Option<i64>, Option<String>)> = sqlx::query_as(
            "SELECT identity_id, slug FROM page LEFT JOIN identity ON identity.id = identity_id
             WHERE page.site = ? AND url IN (?, ?, ?, ?) ORDER BY page.id",
        )
        .bind(site)
        .bind(plain)
        .bind(slash)
        .bind(query)
        .bind(both)
        .fetch_all(&self.reader)
        .await
        .map_err(Error::db("look for a page"))?;
        let is_own = pages.iter().any(|(owner, _)| *owner == identity_id);
        Ok(pages.into_iter().next().filter(|_| !is_own).map(|(_, slug)| slug))
    }

    /// Pages of the site that could not be read, or not all of them, with class and detail.
    pub async fn failed_pages(&self, site: &str) -> Result<Vec<(String, String, String)>> {
        sqlx::query_as(
            "SELECT url, failure, coalesce(detail, '') FROM page WHERE site = ? AND failure IS NOT NULL ORDER BY url",
        )
        .bind(site)
        .fetch_all(&self.reader)
        .await
        .map_err(Error::db("list failed pages"))
    }
}

fn parse_page(row: DueRow) -> Result<DuePage> {
    let failure = row.failure.map(|text| parse("failure", &text, || format!("page {}", row.url)));
    Ok(DuePage {
        failure: failure.transpose()?,
        id: row.id,
        url: row.url,
        kind: if row.kind == "identity" { PageKind::Identity } else { PageKind::Index },
        identity_id: row.identity_id,
        etag: row.etag,
        last_modified: row.last_modified,
        read_by: row.read_by,
        refused_by: row.refused_by,
    })
}

async fn write_outcome(
    connection: &mut SqliteConnection,
    tombstones: &Tombstones,
    site: &str,
    page: &DuePage,
    outcome: &PageOutcome,
) -> sqlx::Result<()> {
    let query = match outcome {
        PageOutcome::Read { found, answer } => {
            write_found(connection, tombstones, site, page, found).await?;
            let refused = found.refused.as_ref().map(|(class, detail)| (*class, detail.as_str()));
            write_answer(answer, refused)
        }
        PageOutcome::Unchanged => sqlx::query(
            "UPDATE page SET failure = iif(refused_by IS NULL, NULL, failure),
                             detail = iif(refused_by IS NULL, NULL, detail), fetched_at = ? WHERE id = ?",
        ),
        PageOutcome::Failed { class, detail, answer: Some(answer) } => {
            write_answer(answer, Some((*class, detail)))
        }
        // What was refused stays refused, with its validators, where its server was only out of order; and as due
        // as it was, or it would wait for all of `fresh_for` without having been read.
        PageOutcome::Failed { class, .. } if class.is_transient() && page.refused_by.is_some() => {
            return Ok(());
        }
        PageOutcome::Failed { class, detail, answer: None } => sqlx::query(
            "UPDATE page SET etag = iif(refused_by IS NULL, etag, NULL),
                             last_modified = iif(refused_by IS NULL, last_modified, NULL), refused_by = NULL,
                             failure = ?, detail = ?, fetched_at = ? WHERE id = ?",
        )
        .bind(class.name())
        .bind(detail),
    };
    query.bind(now_ms()).bind(page.id).execute(connection).await.map(drop)
}

/// An answer, read or refused, still without its moment and the page's row.
fn write_answer<'q>(
    answer: &'q PageAnswer,
    refused: Option<(FailureClass, &'q str)>,
) -> Query<'q, Sqlite, SqliteArguments> {
    let read_by = Some(&answer.read_by);
    sqlx::query(
        "UPDATE page SET etag = ?, last_modified = ?, read_by = ?, refused_by = ?, failure = ?, detail = ?,
                         fetched_at = ? WHERE id = ?",
    )
    .bind(&answer.etag)
    .bind(&answer.last_modified)
    .bind(read_by.filter(|_| refused.is_none()))
    .bind(read_by.filter(|_| refused.is_some()))
    .bind(refused.map(|(class, _)| class.name()))
    .bind(refused.map(|(_, detail)| detail))
}

async fn write_found(
    connection: &mut SqliteConnection,
    tombstones: &Tombstones,
    site: &str,
    page: &DuePage,
    found: &Found,
) -> sqlx::Result<()> {
    for further in found.pages.iter().filter(|page| !tombstones.has_url(&page.url)) {
        if let Some(limit) = found.max_pages
            && count_pages(connection, site, further).await? >= i64::from(limit)
        {
            break;
        }
        insert(connection, site, further).await?;
    }
    for person in found.identities.iter().filter(|person| !person.is_erased(site, tombstones)) {
        let id = identity::upsert(connection, site, person).await?;
        if let Some(url) = &person.page_url {
            let first = NewPage { url: url.clone(), kind: PageKind::Identity, identity_id: Some(id) };
            insert(connection, site, &first).await?;
        }
    }
    if let Some(identity_id) = page.identity_id {
        for photo in &found.photos {
            photo_table::upsert(connection, tombstones, identity_id, photo).await?;
        }
    }
    Ok(())
}

async fn count_pages(connection: &mut SqliteConnection, site: &str, like: &NewPage) -> sqlx::Result<i64> {
    sqlx::query_scalar("SELECT count(*) FROM page WHERE site = ? AND kind = ? AND identity_id IS ?")
        .bind(site)
        .bind(like.kind.name())
        .bind(like.identity_id)
        .fetch_one(connection)
        .await
}

async fn insert(connection: &mut SqliteConnection, site: &str, page: &NewPage) -> sqlx::Result<()> {
    sqlx::query("INSERT INTO page (site, url, kind, identity_id) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING")
        .bind(site)
        .bind(&page.url)
        .bind(page.kind.name())
        .bind(page.identity_id)
        .execute(connection)
        .await
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetch::DUE_PHOTOS;

    /// A batch that is sorted out of all that is due makes a long crawl quadratic.
    #[tokio::test]
    async fn a_batch_of_due_rows_is_read_in_their_order_without_sorting_all_of_them() {
        let folder = tempfile::tempdir().unwrap();
        let catalog = Catalog::open(folder.path()).await.unwrap();
        for statement in [DUE_PAGES, DUE_PHOTOS] {
            let plan: Vec<(i64, i64, i64, String)> =
                sqlx::query_as(sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}")))
                    .fetch_all(&catalog.reader)
                    .await
                    .unwrap();
            let steps: Vec<_> = plan.into_iter().map(|(_, _, _, step)| step).collect();
            assert!(steps[0].contains("INTEGER PRIMARY KEY (rowid>?)"), "{steps:?}");
            assert!(!steps.iter().any(|step| step.contains("TEMP B-TREE")), "{steps:?}");
        }
        catalog.close().await;
    }
}
