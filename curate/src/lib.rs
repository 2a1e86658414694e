//! Photos' bytes to scores, verdicts and tensors. Pure, or running models; no database, no network, no clock.
//!
//! ```text
//! bytes ─ decode ─► DecodedPhoto ─ detect ─► Measurements ─ judge ─► Verdict
//!                        └──────────── prepare ◄── Person ──┘ keep
//! ```
//!
//! | module | what |
//! |---|---|
//! | [`decode`] | bytes to an upright sRGB photo and the facts of its pixels; limits on size |
//! | [`pixels`] | RGB pixels, whatever their file: resizing, the perceptual hash, thumbnails |
//! | [`role`] | what models are for: watermarks, faces, people, face embeddings |
//! | [`measurements`] | what is known of a photo before it is judged |
//! | [`model`] | `models.toml`, ONNX Runtime, the networks and their sessions |
//! | [`detect`] | a file per role: input, output, uncertain range and cache key; which models run on a photo |
//! | [`judge`](mod@judge) | measurements and rules to keep or drop, with every reason |
//! | [`prepare`](mod@prepare) | a kept photo to the tensors that are trained on |
//! | [`preview`](mod@preview) | a photo at the size of a card on a page |
//! | [`contact_sheet`] | many photos with their boxes and joints drawn, for the eye |
//!
//! No file imports one that imports it, directly or through others: `tests/it/layout.rs` checks that.

pub mod contact_sheet;
pub mod decode;
pub mod detect;
pub mod judge;
pub mod measurements;
pub mod model;
pub mod pixels;
pub mod prepare;
pub mod preview;
pub mod role;

pub use decode::{DecodeError, DecodedPhoto, MinDecodeSize, decode, decode_for};
pub use detect::{Detectors, Escalated, MeasureError, ModelChoice, ModelOutput, ModelSchedule, SingleModel};
pub use judge::{Candidate, Gallery, Group, Judgement, Member, NoMajority, PeopleClass, judge, people};
pub use measurements::Measurements;
pub use model::{Device, FeatureNetwork, ModelError, PictureFeatures, Registry, Runtime};
pub use prepare::{PrepareError, PrepareSettings, Prepared, prepare, prepare_file};
pub use preview::preview;
pub use role::Role;
