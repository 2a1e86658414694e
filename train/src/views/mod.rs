//! People and their views, from a snapshot to the tensors of a step.
//!
//! | file | what |
//! |---|---|
//! | [`people`] | who is there, which views train and which are held out |
//! | [`sampler`] | which views come in which step: a pure function of seed and step |
//! | [`reader`] | views of a snapshot, pooled to the size that is asked for |
//! | [`pooling`] | means of square blocks |
//! | [`measures`] | what is known of people's bodies |
//! | [`augment`] | changes that leave the body as it is |
//! | [`batch`] | all of it: a plan to tensors |

pub mod augment;
pub mod batch;
pub mod measures;
pub mod people;
pub mod pooling;
pub mod reader;
pub mod sampler;

pub use augment::AugmentSettings;
pub use batch::{BatchError, BatchSource};
pub use measures::Measures;
pub use people::{NobodyThere, People, Person};
pub use reader::{ViewError, ViewReader};
pub use sampler::{SamplerSettings, StepPlan, plan};
