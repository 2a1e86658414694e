//! What models find on a photo: a file per role, and what the roles share.
//!
//! **A role is one file.** It says what the models of the role are given, how their output is read, how many
//! overlapping boxes are kept (NMS settings), which scores are uncertain, so that an int8 variant falls back
//! to its fp32 model, how large photos have to be decoded, and under which cache key results are stored. All
//! of that is the trait `Detector`.
//!
//! | role | file |
//! |---|---|
//! | watermark | [`watermark`] |
//! | faces | `face` |
//! | people and their joints | `pose` |
//! | face embeddings | [`embedding`], aligned by [`face_align`] |
//!
//! | shared | what |
//! |---|---|
//! | `detector` | the trait of the roles |
//! | `roles` | a role that is known only at run time to its file |
//! | `cascade` | a model and its fallback; which scores are uncertain |
//! | `cache_key` | the digest under which what a model finds is stored |
//! | `views` | one photo as models see it: as decoded, whole, letterboxed |
//! | [`letterbox`] | a photo in a detector's input, and boxes back |
//! | `yolo`, [`nms`] | running a YOLO detector; its output to boxes and joints |
//! | `detectors` | all models over one photo or many |
//! | `single` | one model alone |
//! | `choice` | which models are used |
//! | `schedule` | which model runs next, and when no more do |
//! | `register` | whether an ONNX file fits a role; `models add` |

mod cache_key;
mod cascade;
mod choice;
mod detector;
mod detectors;
pub mod embedding;
mod face;
pub mod face_align;
pub mod letterbox;
pub mod nms;
mod pose;
mod register;
mod roles;
mod schedule;
mod single;
mod views;
pub mod watermark;
mod yolo;

pub use cascade::Escalated;
pub use choice::ModelChoice;
pub use detectors::{Detectors, MeasureError};
pub use register::{Fit, NewModel, add, check, inspect};
pub use roles::{cache_key, contract, inputs, min_decode_size};
pub use schedule::{ModelSchedule, work};
pub use single::{ModelOutput, SingleModel};
