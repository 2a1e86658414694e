//! The trainings of a work folder: what `bolid runs list|show` says of them, and what erasing does to them.
//!
//! | module | what |
//! |---|---|
//! | [`find`](mod@find) | a run by id, name or folder; withdrawn ones are refused where a model is used |
//! | [`list`](mod@list) | `bolid runs list` |
//! | [`show`](mod@show) | `bolid runs show` |
//! | [`export`](mod@export) | `bolid runs export` |
//! | [`exports`] | the files that were made with a run's model |
//! | [`lineage`] | which runs saw what is erased |

mod export;
pub mod exports;
mod find;
pub mod lineage;
mod list;
mod show;

pub use export::export;
pub use find::{find_by_id, find_usable, refuse_model_of_withdrawn, refuse_withdrawn};
pub use list::list;
pub use show::show;

/// The folder of runs in the work folder.
pub const FOLDER: &str = "runs";
