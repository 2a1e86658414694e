//! What a training leaves behind: its folder, its logs, its lineage.
//!
//! ```text
//! runs/<name>-<id>/         id = first 12 hex digits of the SHA-256 of all that decides the model (see `spec`)
//!   run.json                what was trained, on which snapshot, by which program; changes allowed on resuming
//!   config.toml             the configuration as it was given
//!   log.jsonl               a line per step, validation, skipped step and resumption
//!   events.out.tfevents.*   the same figures for TensorBoard, a file per start of the program
//!   checkpoints/            see `fit::checkpoint`
//!   model/                  the model file as other programs load it, replaced at every save
//!   report.html             see `report`
//!   exports.jsonl           files made with its model
//!   withdrawn.json          only when somebody in the snapshot asked to be erased
//! ```
//!
//! | module | what |
//! |---|---|
//! | [`spec`] | what makes a run the one it is, and its id |
//! | [`folder`] | making, finding and locking a run's folder |
//! | [`list`] | all runs of a folder, for `bolid runs list` |
//! | [`log`] | `log.jsonl` |
//! | [`events`] | TensorBoard's event files |
//! | `crc32c` | the checksum of their records |
//! | [`withdrawn`] | the note that a run saw what was erased |
//! | [`tensors`] | safetensors files whose bytes follow from their content |
//! | `durable` | files and folders seen to the disk |
//! | [`error`] | what can go wrong |

mod crc32c;
pub(crate) mod durable;
pub mod error;
pub mod events;
pub mod folder;
pub mod list;
pub mod log;
pub mod spec;
pub mod tensors;
pub mod withdrawn;

pub use error::RunError;
pub use folder::RunFolder;
pub use list::{Listed, RunState};
pub use log::RunLog;
pub use spec::{Change, InitFrom, RunRecord, RunSpec, SnapshotName};
pub use withdrawn::Withdrawn;
