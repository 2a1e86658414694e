//! The training loop on a model of two layers: resuming to the byte, checkpoints that are spoilt, batches that are no
//! numbers, and what is left in the run's folder.

mod checkpoints;
mod folder;
mod group;
mod resume;
mod steps;
mod trial;
