//! Opening the catalog of a work folder.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, SqlitePool};

use crate::{BlobStore, Error, Result, Tombstones};

/// Reads run beside the one writer; more than a few only wait for the disk.
pub(crate) const READERS: u32 = 4;

/// How much of the file is read through the system's page cache without a call for each page; SQLite reads what lies
/// beyond the usual way.
const MAPPED_BYTES: u64 = 16 << 30;

/// How long a statement waits for another process that reads the same file (a browser of the database, say).
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

/// The database's file in the work folder.
const FILE: &str = "catalog.db";

/// The file that the process at work holds.
const LOCK: &str = ".lock";

/// How often, and with which pause, the work folder's lock is tried: whoever asks whether a process is at work holds it
/// for an instant.
const LOCK_TRIES: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(25);

/// The catalog of one work folder: one process at a time writes, others may read meanwhile.
#[derive(Debug)]
pub struct Catalog {
    workdir: PathBuf,
    /// One connection: SQLite has one writer, and queueing here is fairer than its busy handler.
    pub(crate) writer: SqlitePool,
    pub(crate) reader: SqlitePool,
    pub(crate) tombstones: RwLock<Arc<Tombstones>>,
    blobs: BlobStore,
    /// Freed by the system when the process ends, however it ends. `None`: it is only read.
    _lock: Option<File>,
}

impl Catalog {
    /// Opens the catalog in `workdir`; creates folder, database and tables where they are missing.
    pub async fn open(workdir: &Path) -> Result<Self> {
        fs::create_dir_all(workdir).map_err(Error::io("create the work folder", workdir))?;
        let lock = take_lock(workdir)?;

        let path = workdir.join(FILE);
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // With WAL a killed process loses nothing; a power cut at most the last rows, never the file.
            .synchronous(SqliteSynchronous::Normal)
            .foreign_keys(true)
            // What is deleted is overwritten: erasing means that nobody can read it any more.
            .pragma("secure_delete", "ON")
            .pragma("mmap_size", MAPPED_BYTES.to_string())
            .busy_timeout(BUSY_TIMEOUT)
            // Statements over many photos take their time, and nobody who runs the program can do anything about it.
            .disable_statement_logging();
        let open = Error::db("open the database");
        let writer =
            SqlitePoolOptions::new().max_connections(1).connect_with(options.clone()).await.map_err(open)?;
        sqlx::migrate!("../migrations").run(&writer).await.map_err(|cause| Error::Migrate { path, cause })?;
        let mut connection = writer.acquire().await.map_err(Error::db("open the database"))?;
        let tombstones = RwLock::new(Arc::new(Tombstones::load(&mut connection).await?));
        drop(connection);
        let open = Error::db("open the database for reading");
        let reader = SqlitePoolOptions::new()
            .max_connections(READERS)
            .acquire_slow_threshold(Duration::MAX) // waiting for a long statement is no fault either
            .connect_with(options.read_only(true))
            .await
            .map_err(open)?;
        let blobs = BlobStore::open(&workdir.join(crate::blob::FOLDER))?;
        Ok(Self { workdir: workdir.to_owned(), writer, reader, tombstones, blobs, _lock: Some(lock) })
    }

    /// Whether `workdir` has a catalog.
    pub fn is_in(workdir: &Path) -> bool {
        workdir.join(FILE).exists()
    }

    /// Whether a process is at work in `workdir`.
    pub fn is_at_work_in(workdir: &Path) -> bool {
        let Ok(lock) = File::open(workdir.join(LOCK)) else { return false };
        matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock))
    }

    /// Opens the catalog of a folder without taking it: also while a process writes to it, or where nothing may be
    /// written. Whatever would write fails.
    pub async fn open_to_read(workdir: &Path) -> Result<Self> {
        let path = workdir.join(FILE);
        fs::metadata(&path).map_err(Error::io("read", &path))?;
        let (pool, found) = match open_pool_to_read(&path, false).await {
            // SQLite makes two files beside the database for the locks between processes. Where it may not,
            // the database can only be read as one that nobody writes to, and only without a log, whose rows
            // would be missed.
            Err(error) if cannot_be_made(&error) && has_no_log(workdir) => {
                open_pool_to_read(&path, true).await
            }
            opened => opened,
        }?;
        let expected = sqlx::migrate!("../migrations").iter().map(|step| step.version).max().unwrap_or(0);
        if found != expected {
            return Err(Error::OtherVersion { path, found, expected });
        }
        let mut connection = pool.acquire().await.map_err(Error::db("open the database for reading"))?;
        let tombstones = RwLock::new(Arc::new(Tombstones::load(&mut connection).await?));
        drop(connection);
        let blobs = BlobStore::to_read(&workdir.join(crate::blob::FOLDER));
        Ok(Self {
            workdir: workdir.to_owned(),
            writer: pool.clone(),
            reader: pool,
            tombstones,
            blobs,
            _lock: None,
        })
    }

    /// The folder that everything is written under.
    pub fn workdir(&self) -> &Path {
        &self.workdir
    }

    /// The stored bytes.
    pub fn blobs(&self) -> &BlobStore {
        &self.blobs
    }

    /// Ends all connections and folds the write-ahead log into the database file.
    pub async fn close(self) {
        self.reader.close().await;
        self.writer.close().await;
    }
}

/// Connections that only read, and the version of the tables. With `immutable`, SQLite takes no locks and keeps what it
/// read: a process that writes meanwhile would lead to torn pages.
async fn open_pool_to_read(path: &Path, immutable: bool) -> Result<(SqlitePool, i64)> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .immutable(immutable)
        .pragma("mmap_size", MAPPED_BYTES.to_string())
        .busy_timeout(BUSY_TIMEOUT)
        .disable_statement_logging();
    let pool = SqlitePoolOptions::new()
        .max_connections(READERS)
        .connect_with(options)
        .await
        .map_err(Error::db("open the database for reading"))?;
    // The first statement that reads: before it, SQLite does not look at the file.
    let found = sqlx::query_scalar("SELECT coalesce(max(version), 0) FROM _sqlx_migrations WHERE success")
        .fetch_one(&pool)
        .await
        .map_err(Error::db("read the version of the tables"))?;
    Ok((pool, found))
}

/// Whether SQLite may not make the files that it needs beside the database: SQLITE_READONLY or SQLITE_CANTOPEN, whose
/// extended codes have them in their last byte.
fn cannot_be_made(error: &Error) -> bool {
    let Error::Database { cause: sqlx::Error::Database(error), .. } = error else { return false };
    let code = error.code().and_then(|code| code.parse::<i32>().ok());
    code.is_some_and(|code| matches!(code & 0xff, 8 | 14))
}

/// Whether all rows are in the database file itself.
fn has_no_log(workdir: &Path) -> bool {
    fs::metadata(workdir.join(format!("{FILE}-wal"))).map_or(true, |log| log.len() == 0)
}

/// Takes the work folder for this process.
fn take_lock(workdir: &Path) -> Result<File> {
    let path = workdir.join(LOCK);
    let lock = File::create(&path).map_err(Error::io("create", &path))?;
    for tried in 1.. {
        match lock.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) if tried < LOCK_TRIES => thread::sleep(LOCK_PAUSE),
            Err(TryLockError::WouldBlock) => return Err(Error::Locked(workdir.to_owned())),
            Err(TryLockError::Error(cause)) => return Err(Error::Io { operation: "lock", path, cause }),
        }
    }
    Ok(lock)
}

/// Now, in Unix milliseconds.
pub(crate) fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_millis() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_second_process_in_the_same_folder_is_refused_and_let_in_after_the_first_is_gone() {
        let workdir = tempfile::tempdir().unwrap();
        let first = Catalog::open(workdir.path()).await.unwrap();
        let error = Catalog::open(workdir.path()).await.unwrap_err();
        assert!(matches!(error, Error::Locked(_)), "{error}");
        first.close().await;
        Catalog::open(workdir.path()).await.unwrap();
    }

    #[tokio::test]
    async fn a_folder_that_another_process_writes_to_can_be_looked_at_and_not_written() {
        let workdir = tempfile::tempdir().unwrap();
        let writes = Catalog::open(workdir.path()).await.unwrap();
        let half = writes.blobs().writer().unwrap();
        writes.record_source("list", "/x").await.unwrap();
        assert!(Catalog::is_at_work_in(workdir.path()));
        let reads = Catalog::open_to_read(workdir.path()).await.unwrap();
        assert_eq!(reads.source("list").await.unwrap().as_deref(), Some("/x"));
        writes.record_source("list", "/y").await.unwrap();
        assert_eq!(reads.source("list").await.unwrap().as_deref(), Some("/y"), "as it is now");
        assert!(reads.record_source("list", "/z").await.is_err());
        half.finish().unwrap(); // what was being written is still there
        writes.close().await;
        assert!(!Catalog::is_at_work_in(workdir.path()));
        let reads = Catalog::open_to_read(workdir.path()).await.unwrap();
        assert_eq!(reads.source("list").await.unwrap().as_deref(), Some("/y"), "nobody writes any more");
        assert!(Catalog::open_to_read(&workdir.path().join("none")).await.is_err());
    }

    #[tokio::test]
    async fn a_reader_sees_what_a_process_that_starts_later_writes() {
        let workdir = tempfile::tempdir().unwrap();
        let first = Catalog::open(workdir.path()).await.unwrap();
        first.record_source("list", "/x").await.unwrap();
        first.close().await;
        let reads = Catalog::open_to_read(workdir.path()).await.unwrap();
        assert_eq!(reads.source("list").await.unwrap().as_deref(), Some("/x"));
        let writes = Catalog::open(workdir.path()).await.unwrap();
        writes.record_source("list", "/y").await.unwrap();
        // Many pages, among them those that were read.
        for i in 0..2000 {
            writes.record_source(&format!("site {i}"), "/z").await.unwrap();
        }
        writes.close().await;
        assert_eq!(reads.source("list").await.unwrap().as_deref(), Some("/y"));
        assert_eq!(reads.sites_of_source("/z").await.unwrap().len(), 2000);
    }

    #[tokio::test]
    async fn a_catalog_of_the_version_before_is_brought_up_to_date_with_its_rows_before_it_is_looked_at() {
        let workdir = tempfile::tempdir().unwrap();
        let catalog = Catalog::open(workdir.path()).await.unwrap();
        catalog.record_source("list", "/x").await.unwrap();
        for statement in [
            "DROP TABLE caption",
            "DROP TABLE caption_source",
            "DELETE FROM _sqlx_migrations WHERE version = 13",
        ] {
            sqlx::query(statement).execute(&catalog.writer).await.unwrap();
        }
        catalog.close().await;
        let error = Catalog::open_to_read(workdir.path()).await.unwrap_err();
        assert!(matches!(error, Error::OtherVersion { found: 12, .. }), "{error}");

        let catalog = Catalog::open(workdir.path()).await.unwrap();
        assert_eq!(catalog.source("list").await.unwrap().as_deref(), Some("/x"));
        let indexes: i64 =
            sqlx::query_scalar("SELECT count(*) FROM sqlite_schema WHERE name = 'identity_by_page'")
                .fetch_one(&catalog.reader)
                .await
                .unwrap();
        assert_eq!(indexes, 1);
        catalog.close().await;
        Catalog::open_to_read(workdir.path()).await.unwrap();
    }
}
