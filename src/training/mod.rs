//! Training from snapshots, and what is done with its models.
//!
//! | module | what |
//! |---|---|
//! | [`config`] | what a training is made of |
//! | [`data`] | the snapshot it is trained on |
//! | [`draw`] | synthetic people straight into a snapshot of small tensors |
//! | [`vae`] | `bolid train vae` |
//! | [`adapter`] | `bolid train cache`, `pose-probe`, `adapter`, and `bolid export adapter` |
//! | [`dreambooth`] | `bolid train dreambooth` |
//! | [`initial`] | the weights that a training begins with instead of random ones |
//! | [`kinds`] | what the runs of each training are called |
//! | [`start`] | the folder a training begins or goes on in |
//! | [`together`] | a training in one process, or in one of several |
//! | [`shown`] | what a training shows while it goes |
//! | [`model`] | the model that a command is to use |
//! | [`person`] | one person's views, of a snapshot or of photos |
//! | [`encode`] | `bolid encode` |
//! | [`bodybench`] | `bolid bodybench` |
//! | [`runs`] | the trainings of a work folder |

pub mod adapter;
pub mod bodybench;
pub mod config;
pub mod data;
pub mod draw;
pub mod dreambooth;
pub mod encode;
pub mod initial;
pub mod kinds;
pub mod model;
pub mod person;
pub mod runs;
pub mod shown;
pub mod start;
pub mod together;
pub mod vae;
