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
//! **The id stands for content.** The same rows, settings and models give the same bytes and the same id, in
//! whatever order they come, on any number of threads, today and next year. So everything is sorted by what
//! does not change from run to run, and no wall-clock time is in a file that the manifest lists. The fetch
//! time column stands in `fetches.parquet` because a rebuild from nothing fetches at another time and has to
//! end with the same id. `build.json` lists that table and the citation, which names the id, and carries a
//! seal over itself, so that [`verify`] finds a flipped byte in those as well.
//!
//! **There is all of it or nothing.** A [`Writer`] works in `.tmp-…` and renames when everything is on the disk. What a
//! crash leaves there, the next writer removes.
//!
//! ```
//! use photo::{Affine, BoundingBox, Digest, Joints, Rules};
//! use snapshot::{IdentityRows, PhotoRow, Pixels, PreparedTensors, Scores, Snapshot, SnapshotSpec, Writer};
//!
//! let folder = tempfile::tempdir()?;
//! let spec = SnapshotSpec {
//!     name: "demo".to_owned(),
//!     recipe: serde_json::json!({ "name": "demo" }),
//!     rules: Rules::default(),
//!     prepare: serde_json::json!({ "sigma_px": 64.0 }),
//!     models: Vec::new(),
//!     program_version: "0.1.0".to_owned(),
//!     size_px: 16,
//! };
//! let kept = PhotoRow {
//!     url: "https://example.org/ada/1.jpg".to_owned(),
//!     sha256: Digest::of("the file's bytes"),
//!     width: 1200,
//!     height: 1600,
//!     person_box: BoundingBox { x0: 100.0, y0: 50.0, x1: 1100.0, y1: 1550.0 },
//!     joints: Joints::default(), // none is visible
//!     joints_in_photo: Joints::default(),
//!     affine: Affine::scale_then_shift(0.01, 0.01, 2.0, 0.0),
//!     page_url: None,
//!     last_modified: None,
//!     caption: None,
//!     caption_source: None,
//!     scores: Scores::default(),
//! };
//! let rows = IdentityRows { identity: "demo/ada".to_owned(), photos: vec![kept], ..IdentityRows::default() };
//!
//! // Tensors are asked for photo by photo, so that they are never all in memory.
//! let grey = |_: &PhotoRow| -> std::io::Result<PreparedTensors> {
//!     Ok(PreparedTensors { image: vec![128; 3 * 16 * 16], weighted: vec![64; 3 * 16 * 16] })
//! };
//! let mut writer = Writer::create(folder.path(), spec)?;
//! writer.add_identity(rows, grey)?;
//! let written = writer.finish(0)?;
//!
//! let snapshot = Snapshot::open(&written.path)?;
//! assert_eq!(snapshot.id(), written.id);
//! let photo = &snapshot.photos()[0];
//! let mut pixels = vec![0; 3 * 16 * 16]; // planes R, G, B
//! snapshot.shard(photo)?.read_pixels(Pixels::Weighted, photo.row as usize, &mut pixels)?;
//! assert_eq!(pixels, [64; 768]);
//! assert_eq!(snapshot::verify(&written.path)?.id, written.id); // every byte is as it was written
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
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
//! | `withdrawal_note` | what stays in its place |
//! | [`diff`](mod@diff) | what is different between two snapshots, and why |
//! | [`shard`] | the tensors of one person, by position |
//! | `table`, `columns` | rows in Parquet; the only place that knows it |
//! | [`export`] | the kept photos in the layouts of other tools |
//! | `pages` | the pages for people: `README.md` and its drawings, `report.html`, the review page |
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
mod withdrawal_note;
pub mod writer;

pub use diff::{Diff, diff};
pub use error::Error;
pub use find::{Listing, find, find_inputs, list};
pub use inventory::{Described, describe};
pub use lock::lock;
pub use manifest::{Counts, Manifest, ModelRef, SnapshotSpec};
pub use measurement::{MeasurementReader, MeasurementRow, MeasurementWriter};
pub use pages::review::{FoundBox, Review, ReviewPhoto, review_page, thumbnail_jpeg};
pub use problem::{Problem, ProblemKind, VerifyError};
pub use row::{Dropped, DroppedRow, FetchRow, IdentityRows, KeptPhoto, PhotoRow, PreparedTensors, Scores};
pub use shard::{Pixels, Shard};
pub use snapshot::{Snapshot, SnapshotRef};
pub use texts::{TextRow, read_texts};
pub use verify::{Verified, verify};
pub use withdraw::{Mention, Withdrawal, withdraw};
pub use withdrawal_note::{Withdrawn, withdrawn};
pub use writer::{WriteError, Writer, check_name, inputs_digest};
