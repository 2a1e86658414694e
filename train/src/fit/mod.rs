//! The loop that every training here uses, and checkpoints that resume to the byte.
//!
//! A [`Task`] says what is trained; [`fit()`] does the rest: AdamW with f32 parameters, warm-up and cosine, clipping,
//! accumulation, the moving average, the gradient audit, the log, the checkpoints. [`dry_run`] says what it would take.
//!
//! | module | what |
//! |---|---|
//! | [`settings`] | table `fit` of a configuration |
//! | [`task`] | what a training brings along: batches, a loss, validation, its model file |
//! | [`training`] | the loop |
//! | `trainer` | one update: gradients, audit, clipping, optimiser, moving average |
//! | `share` | a step of several processes: what each found, put together |
//! | `reducer` | their gradients, added up over TCP or between cards |
//! | `fused` | its passes over memory on the CPU |
//! | `card` | where this is built for cards: AdamW there, in one launch |
//! | `ema` | the moving average of parameters |
//! | `reading` | losses and norms, from a GPU all of a batch at once |
//! | `loader` | batches read ahead on a thread of their own |
//! | `save` | model file and checkpoint |
//! | [`checkpoint`] | the folder of one, sealed; which are kept |
//! | [`resume`] | the newest that verifies |
//! | [`guard`] | whether it was made with the settings at hand |
//! | `records` | log and TensorBoard events |
//! | [`event`] | what is told while it goes |
//! | [`dry_run`](mod@dry_run) | memory and time beforehand |
//! | [`error`] | what can end a training |

#[cfg(feature = "cuda")]
pub(crate) mod card;
pub mod checkpoint;
pub mod dry_run;
mod ema;
pub mod error;
pub mod event;
pub(crate) mod fused;
pub mod guard;
mod loader;
mod reading;
mod records;
mod reducer;
pub mod resume;
mod save;
pub mod settings;
mod share;
pub mod task;
mod trainer;
pub mod training;

pub use dry_run::{DryRun, dry_run};
pub use error::FitError;
pub use event::{Best, Event, Finished, Resumed, Skipped, StepLine};
pub use resume::{PassedOver, Resume};
pub use settings::{FitSettings, Precision};
pub use task::{Loss, StepContext, Task, TaskError, Validation, ValidationContext};
pub use training::{fit, fit_in, follow};
