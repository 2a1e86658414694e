//! Training from snapshots, and what is done with its models.
//!
//! | module | what |
//! |---|---|
//! | [`config`] | what a training is made of |
//! | [`draw`] | synthetic people straight into a snapshot of small tensors |
//! | [`vae`] | `bolid train vae` |
//! | [`shown`] | what a training shows while it goes |
//! | [`model`] | the model that a command is to use |
//! | [`encode`] | `bolid encode` |
//! | [`bodybench`] | `bolid bodybench` |
//! | [`runs`] | the trainings of a work folder |

pub mod bodybench;
pub mod config;
pub mod draw;
pub mod encode;
pub mod model;
pub mod runs;
pub mod shown;
pub mod vae;
