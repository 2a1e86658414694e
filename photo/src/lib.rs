//! The vocabulary that all stages share. Pure data: no network, no clock, no database, no model.
//!
//! | module | what |
//! |---|---|
//! | [`digest`] | SHA-256 digests, the names of blobs, models, rules and snapshots |
//! | [`geometry`] | boxes and affine maps in pixels |
//! | [`joints`] | the 17 COCO joints and the limbs between them |
//! | [`tensors`], [`compression`] | which tensors of its photos a dataset holds, and how they are stored |
//! | [`tiles`] | the parts of a photo that are searched for watermarks one by one |
//! | [`score`] | what models and pixels say of a photo |
//! | [`measurement`] | what is stored of each measurement, as JSON |
//! | [`embedding`] | the direction that a network gives a face |
//! | [`verdict`] | keep, or drop with every reason |
//! | [`fetch`] | how the download of a photo ended |
//! | [`caption`] | where a caption is from, and why there is none |
//! | [`retry`] | when the same request may be made again |
//! | [`unread`] | what a folder holds that is no photo |
//! | [`range`] | settings whose values are out of range |
//! | [`redact`] | addresses without passwords and tokens |
//! | [`identity_name`] | `site/slug`, the name of a person on a site |
//! | [`split`] | train, validation or test, from the identity's name |
//! | [`held_out`](mod@held_out) | photos that are held out of training, from their bytes |
//! | [`rules`], [`site_rules`] | the thresholds between scores and verdicts, and those of single sites |

pub mod caption;
pub mod compression;
pub mod digest;
pub mod embedding;
pub mod fetch;
pub mod geometry;
pub mod held_out;
pub mod identity_name;
pub mod joints;
pub mod measurement;
pub mod range;
pub mod redact;
pub mod retry;
pub mod rules;
pub mod score;
pub mod site_rules;
pub mod split;
pub mod tensors;
pub mod tiles;
pub mod unread;
pub mod verdict;

pub use caption::{CaptionFailure, CaptionSource};
pub use compression::Compression;
pub use digest::Digest;
pub use embedding::Embedding;
pub use fetch::FailureClass;
pub use geometry::{Affine, BoundingBox};
pub use held_out::held_out;
pub use identity_name::IdentityName;
pub use joints::{Joint, Joints};
pub use measurement::Measurement;
pub use rules::{AcrossIdentities, Rules};
pub use score::{Colours, Detection, FaceEmbedding, ImageFacts, Person, WatermarkScore};
pub use split::{Split, Splits};
pub use tensors::Tensors;
pub use unread::Unread;
pub use verdict::{Reason, Verdict};
