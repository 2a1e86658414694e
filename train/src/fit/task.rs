//! What a training brings along: batches, a loss, validation and its model file.

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::{DType, Tensor};

use crate::run::RunFolder;
use crate::run::events::Picture;

/// Any error of a task.
pub type TaskError = Box<dyn std::error::Error + Send + Sync>;

/// Writes parameters by name into a folder.
pub type SaveModel<'a> = dyn Fn(&BTreeMap<String, Tensor>, &Path) -> Result<(), TaskError> + 'a;

/// A training, as the loop sees it.
///
/// All randomness has to follow from the seed and the micro step: then a resumed run sees what it would have seen.
pub struct Task<'a, B> {
    /// The batch of a micro step, counted from 0 over the whole training: `step · accumulate + i`. A pure function of
    /// it, run on a thread of its own a few batches ahead.
    pub load: &'a (dyn Fn(u64) -> Result<B, TaskError> + Sync),
    /// The mean loss of a batch, with its graph.
    pub loss: &'a dyn Fn(&B, &StepContext) -> Result<Loss, TaskError>,
    /// Photos and identities of a batch, for the message about a loss that is not finite.
    pub describe: &'a dyn Fn(&B) -> String,
    /// Numbers, and pictures if any, of held-out data. The parameters hold their moving average meanwhile.
    pub validate: &'a dyn Fn(&ValidationContext<'_>) -> Result<Validation, TaskError>,
    /// Writes the model file, of the moving average, into an empty folder; its files then replace those of `model/`.
    pub save_model: &'a SaveModel<'a>,
    /// Parameters whose gradient may be zero in the first step, such as those behind a factor that begins at zero.
    pub may_be_zero: &'a dyn Fn(&str) -> bool,
    /// Parameters that the first step of a start of the program may leave out.
    pub may_be_absent: &'a dyn Fn(&str) -> bool,
}

/// Where in the training a loss is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepContext {
    /// Updates done so far.
    pub step: u64,
    /// Updates in all.
    pub steps: u64,
    /// The batch, counted from 0; with the seed, what random numbers follow from.
    pub micro_step: u64,
    /// Type to compute in. Parameters are f32: where this is another, the task casts them.
    pub compute: DType,
}

/// A loss and what it consists of.
pub struct Loss {
    /// The scalar to go down.
    pub total: Tensor,
    /// Scalars for the log, by name. They need no graph.
    pub terms: Vec<(&'static str, Tensor)>,
}

/// Where in the training validation happens.
#[derive(Debug)]
pub struct ValidationContext<'a> {
    /// Updates done so far; 0 before the first.
    pub step: u64,
    /// Updates in all.
    pub steps: u64,
    /// Type to compute in.
    pub compute: DType,
    /// Where grids and reports go.
    pub run: &'a RunFolder,
}

/// What validation found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Validation {
    /// Numbers by name.
    pub numbers: BTreeMap<String, f64>,
    /// The number to be small in the best checkpoint; none where no checkpoint is better than another.
    pub minimise: Option<String>,
    /// Pictures for TensorBoard.
    pub pictures: Vec<Picture>,
}
