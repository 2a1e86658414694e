//! What can go wrong, with the operation and the object.

use std::io;
use std::path::PathBuf;

/// A catalog call that failed. What was stored before is untouched.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the fields are named in the message")]
pub enum Error {
    /// A file or folder could not be read or written.
    #[error("{operation} {path}: {cause}{advice}", path = .path.display(), advice = advice(.cause))]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On which file.
        path: PathBuf,
        cause: io::Error,
    },
    /// Another process works in the same folder.
    #[error(
        "another bolid process is at work in {path}; wait for it, or give this one its own --workdir",
        path = .0.display()
    )]
    Locked(PathBuf),
    /// SQLite refused.
    #[error("{operation} in the catalog: {cause}{advice}", advice = database_advice(.cause))]
    Database {
        /// What was tried.
        operation: &'static str,
        /// What SQLite said.
        cause: sqlx::Error,
    },
    /// The tables could not be brought to this version.
    #[error("prepare the tables of {path}: {cause}; was it written by a newer bolid?", path = .path.display())]
    Migrate { path: PathBuf, cause: sqlx::migrate::MigrateError },
    /// It can only be read, and its tables are those of another version.
    #[error(
        "the tables of {path} are of version {found}, not {expected}: run this bolid once where it may write, \
         and while no other one is at work",
        path = .path.display()
    )]
    OtherVersion {
        path: PathBuf,
        /// The last migration that it has.
        found: i64,
        /// The last one of this program.
        expected: i64,
    },
    /// A stored value is not what this version writes.
    #[error("read {what} from the catalog: {detail}; the row was changed by hand or by another version")]
    Corrupt {
        /// Which column of which row.
        what: String,
        detail: String,
    },
    /// The bytes on disk are not those that were stored.
    #[error("read blob {path}: {detail}; delete the file and run the crawl or import again", path = .path.display())]
    DamagedBlob { path: PathBuf, detail: String },
}

impl Error {
    pub(crate) fn io(operation: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |cause| Self::Io { operation, path, cause }
    }

    pub(crate) fn db(operation: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |cause| Self::Database { operation, cause }
    }

    pub(crate) fn corrupt(what: impl Into<String>, detail: &impl ToString) -> Self {
        Self::Corrupt { what: what.into(), detail: detail.to_string() }
    }

    /// Whether the disk is full: no later item can succeed either.
    pub fn is_disk_full(&self) -> bool {
        match self {
            Self::Io { cause, .. } => cause.kind() == io::ErrorKind::StorageFull,
            // SQLITE_FULL
            Self::Database { cause: sqlx::Error::Database(error), .. } => {
                error.code().as_deref() == Some("13")
            }
            _ => false,
        }
    }
}

fn advice(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::StorageFull => {
            "; free some space and run the same command again, nothing stored is lost"
        }
        _ => "",
    }
}

fn database_advice(source: &sqlx::Error) -> &'static str {
    match source {
        sqlx::Error::Database(error) if error.code().as_deref() == Some("13") => {
            "; free some space and run the same command again, nothing stored is lost"
        }
        // SQLITE_CORRUPT, SQLITE_NOTADB
        sqlx::Error::Database(error) if matches!(error.code().as_deref(), Some("11" | "26")) => {
            "; catalog.db in the work folder is damaged: put a copy of it back, or begin anew in another --workdir"
        }
        _ => "",
    }
}
