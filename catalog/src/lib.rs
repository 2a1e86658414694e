//! What bolid knows, in one SQLite file, and the bytes it stored, in one folder. The only place with SQL.
//!
//! ```text
//! <workdir>/catalog.db      the tables of ../migrations, one module each
//! <workdir>/blobs/ab/abcd…  photos as downloaded, named by their SHA-256
//! <workdir>/.lock           held by the one bolid process at work in this folder
//! ```
//!
//! Beside them the program keeps what is no catalog: `snapshots/`, `prepared/`, `runs/`, `demo/` (the demo's
//! recipe, lock and models, unpacked) and `recipe-path` (which recipe the folder's photos were taken in by).
//!
//! | module | table | written by |
//! |---|---|---|
//! | [`identity`], [`photo`] | `identity`, `photo` | crawl, import |
//! | [`source`] | `source` | import |
//! | [`page`] | `crawl`, `page`: the frontier | crawl |
//! | [`fetch`] | `fetch` | crawl, import |
//! | [`robots`] | `robots` | crawl |
//! | [`pause`] | `host_pause` | crawl |
//! | [`blob`] | `blob`, and the files | crawl, import |
//! | [`measurement`] | `measurement` | measure |
//! | [`verdict`], [`duplicate`] | `verdict`, `duplicate` | judge |
//! | [`prepared`] | `prepared` | prepare |
//! | [`caption`] | `caption`, `caption_source` | caption |
//! | [`snapshot`] | `snapshot`, `snapshot_photo` | snapshot |
//! | [`export`] | `export`, `export_photo` | snapshot export |
//! | [`decision`] | `decision` | review |
//! | [`erasure`], [`tombstone`] | `tombstone` | erase |
//! | [`gallery`], [`summary`] | read many of them at once | nobody |
//! | [`spelling`] | the ways of writing one address | nobody |
//! | `catalog` | the file itself: schema, migrations, connections | all |
//! | `column` | digests and failure classes, parsed where rows are read | nobody |
//! | [`error`] | what can go wrong | |
//!
//! Every row is written whole in one transaction, after the file it speaks of is in place; a killed process
//! therefore leaves either the row or nothing, and the next run finds its work by what is missing.

pub mod blob;
pub mod caption;
mod catalog;
mod column;
pub mod decision;
pub mod duplicate;
pub mod erasure;
mod error;
pub mod export;
pub mod fetch;
pub mod gallery;
pub mod identity;
pub mod measurement;
pub mod page;
pub mod pause;
pub mod photo;
pub mod prepared;
pub mod robots;
pub mod snapshot;
pub mod source;
pub mod spelling;
pub mod summary;
pub mod tombstone;
pub mod verdict;

pub use blob::{BlobStore, BlobWriter};
pub use catalog::Catalog;
pub use error::Error;
pub use tombstone::Tombstones;

/// The result of a catalog call.
pub type Result<T> = std::result::Result<T, Error>;
