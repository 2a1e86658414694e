//! The immutable dataset format: write, read, verify, diff.
//!
//! ```text
//! <name>-<id>/          id = first 12 hex digits of the SHA-256 of manifest.json
//!   manifest.json       recipe, rules, settings, models, counts; path, length and SHA-256 of every file below
//!   photos.parquet      a row per kept photo: source, scores, box, joints, where its tensors are
//!   dropped.parquet     a row per dropped photo: every reason and the scores behind it
//!   measurements.parquet   what each model said of each photo: `dataset --locked` takes it over
//!   shards/*.safetensors   per person: image and weighted u8 [n,3,s,s], joints f32 [n,17,3], confidence f32 [n,17];
//!                          `.safetensors.zst` where the recipe compresses them
//!   croissant.json      the files and columns in MLCommons' vocabulary
//!   README.md  report.html  plots/*.svg   the dataset's card, samples
//!   build.json          when this copy was built, and the digests of:
//!   citation.bib        how to cite it by its id
//!   fetches.parquet     when each photo was fetched
//! ```
//!
//! **The id stands for content.** The same rows, settings and models give the same bytes and the same id, in whatever
//! order they come, on any number of threads, today and next year. So everything is sorted by what does not change from
//! run to run, and no wall-clock time is in a file that the manifest lists. The fetch time column stands in
//! `fetches.parquet` because a rebuild from nothing fetches at another time and has to end with the same id. `build.json`
//! lists that table and the citation, which names the id, and carries a seal over itself, so that [`verify`] finds a
//! flipped byte in those as well.
//!
//! **There is all of it or nothing.** A [`Writer`] works in `.tmp-…` and renames when everything is on the disk. What a
//! crash leaves there, the next writer removes.
//!
//! | module | what |
//! |---|---|
//! | [`row`] | what a snapshot says of each photo |
//! | [`manifest`] | `manifest.json` and `build.json` |
//! | [`lock`](mod@lock) | a snapshot's tables without its tensors, to be kept with a recipe |
//! | [`measurement`] | what models said, as rows that travel |
//! | [`writer`] | writing, person by person |
//! | [`snapshot`] | reading |
//! | [`find`](mod@find) | listing, and finding by id, name or inputs |
//! | [`inventory`] | date, size and relatives of those listed |
//! | [`verify`](mod@verify), [`problem`] | checking every byte; what can be wrong, and what to do about it |
//! | [`withdraw`](mod@withdraw) | taking a snapshot back, when somebody in it asks to be erased |
//! | [`diff`](mod@diff) | what is different between two snapshots, and why |
//! | [`shard`] | the tensors of one person, by position |
//! | `table`, `columns` | rows in Parquet; the only place that knows it |
//! | [`export`] | the kept photos in the layouts of other tools |
//! | `pages` | the pages for people: `README.md` and its drawings, `report.html`, the page on which photos are decided |
//! | `croissant` | the page for tools |
//! | [`texts`] | rows of Parquet files that others wrote: lists of photos |
//! | `temporary` | the folder in which a snapshot grows |
//! | `files` | digests of files, what lies in a folder |
//! | [`error`] | what can go wrong |

mod columns;
mod croissant;
pub mod diff;
pub mod error;
pub mod export;
mod files;
pub mod find;
pub mod inventory;
pub mod lock;
pub mod manifest;
pub mod measurement;
mod pages;
pub mod problem;
pub mod row;
pub mod shard;
pub mod snapshot;
mod table;
mod temporary;
pub mod texts;
pub mod verify;
pub mod withdraw;
pub mod writer;

pub use diff::{Diff, diff};
pub use error::Error;
pub use find::{Listing, find, find_inputs, list};
pub use inventory::{Described, describe};
pub use lock::lock;
pub use manifest::{Counts, Manifest, ModelRef, SnapshotSpec};
pub use measurement::{MeasurementReader, MeasurementRow, MeasurementWriter};
pub use pages::review::{Found, Review, ReviewPhoto, review_page, thumbnail_jpeg};
pub use problem::{Problem, ProblemKind, VerifyError};
pub use row::{Dropped, DroppedRow, FetchRow, IdentityRows, Photo, PhotoRow, PreparedTensors, Scores};
pub use shard::{Pixels, Shard};
pub use snapshot::{Snapshot, SnapshotRef};
pub use texts::{TextRow, read_texts};
pub use verify::{Verified, verify};
pub use withdraw::{Mention, Withdrawal, Withdrawn, withdraw, withdrawn};
pub use writer::{WriteError, Writer, check_name, inputs_digest};
