//! Photos' bytes to scores, verdicts and tensors. Pure, or running models; no database, no network, no clock.
//!
//! ```text
//! bytes ─ decode ─► Photo ─ measure ─► Measurements ─ judge ─► Verdict
//!                     └──────────── prepare ◄── Person ──┘ keep
//! ```
//!
//! | module | what |
//! |---|---|
//! | [`decode`] | bytes to an upright RGB photo and the facts of its pixels; limits on size |
//! | `colour` | what the numbers of a file mean, and the way to sRGB |
//! | `jpeg` | JPEG, stricter than the `image` crate, and reduced while it is decoded |
//! | `facts` | what is stored of a photo's pixels |
//! | [`hash`] | the perceptual hash of a photo and of its mirror image |
//! | [`thumbnail`] | a photo at a dozen pixels a side, in colour |
//! | [`duplicates`] | photos that look the same, among a million |
//! | [`model`] | `models.toml`, the contract of each role, ONNX Runtime, sessions; the parts of a detector |
//! | [`input`], [`letterbox`], [`tensor`] | photos to a network's input |
//! | [`yolo`], [`watermark`] | a network's output to boxes, joints and probabilities |
//! | [`align`], [`embed`] | a face into the square that embedding networks know, and its direction |
//! | `look`, `cascade` | what the model of a role says of one photo; a variant in doubt asks its original |
//! | [`measure`] | the models over one photo or many |
//! | [`demand`] | which model is asked next, and when no more are |
//! | [`people`] | how many people that makes |
//! | `purity` | which faces are another person's than most of their identity |
//! | `copies` | which copy of a photo stays, and what becomes of a photo under two identities |
//! | [`judge`](mod@judge) | measurements and rules to keep or drop, with every reason |
//! | [`gaussian`] | the weighting of the paper, eqs. 11–13 |
//! | [`prepare`] | a kept photo to the tensors that are trained on |
//! | `resize` | photos to another size |
//! | `buffers` | large buffers that a thread uses again |
//! | `simd` | loops with the widest vector instructions at hand |
//! | [`contact_sheet`] | many photos with their boxes and joints drawn, for the eye |
//! | `font` | its letters |

pub mod align;
mod buffers;
mod cascade;
mod colour;
pub mod contact_sheet;
mod copies;
pub mod decode;
pub mod demand;
pub mod duplicates;
pub mod embed;
mod facts;
mod font;
pub mod gaussian;
pub mod hash;
pub mod input;
mod jpeg;
pub mod judge;
pub mod letterbox;
mod look;
pub mod measure;
pub mod model;
pub mod people;
pub mod prepare;
mod purity;
mod resize;
mod simd;
pub mod tensor;
pub mod thumbnail;
pub mod watermark;
pub mod yolo;

pub use cascade::Looked;
pub use copies::{Group, Member};
pub use decode::{DecodeError, Need, Photo, decode, decode_for};
pub use demand::Demand;
pub use judge::{Candidate, Gallery, Judgement, judge};
pub use measure::{Detectors, MeasureError, Measurements, ModelChoice, One, Seen};
pub use model::{Device, FeatureNetwork, ModelError, PictureFeatures, Registry, Role, Runtime};
pub use people::PeopleClass;
pub use prepare::{PrepareError, PrepareSettings, Prepared, prepare, prepare_file};
pub use purity::Divided;
