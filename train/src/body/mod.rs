//! The body-VAE: 0 to 100 views of one person to a Gaussian over c_body, and c_body in a pose to a
//! picture (paper 4.1 and 4.2).
//!
//! ```text
//! views ┬ backbone ─ pooled around joints ┐
//!       ├ strips along the limbs ───────┤
//! joints ─ features of the pose ────────┴─ tokens ─ attention ┬ offsets ─ the pose, refined ─┐
//!                                                             └──────────────────────────────┴─ attention
//! attention ─ experts (μ, τ per view) ─ product ─ c_body
//! c_body + a pose's joints and limbs (+ its colours) ─ decoder ─ a view that was not among those encoded
//! ```
//!
//! | file | what |
//! |---|---|
//! | [`config`] | the shape of a model |
//! | [`views`] | views, their geometry, and which are in which set |
//! | [`framing`] | the square of a view that is looked at |
//! | [`pose`] | joints: features, pooling weights, heat maps, how much a view counts |
//! | `backbone` | convolutions and pooling, at once or in chunks that are run again |
//! | `strips` | pixels along each limb, over torso and head, in the limb's own coordinates |
//! | `tokens` | pooled features, strips and joints to tokens |
//! | `encoder` | attention among tokens, the refined pose, a mean and a precision per view |
//! | [`offsets`] | how far joints were moved, told from the pixels; poses with the joints where they are |
//! | [`posterior`] | the product of experts, KL, evidence |
//! | [`palette`] | the colours of a view, which a decoder may be told |
//! | `decoder` | a picture of c_body in a pose |
//! | [`model`] | the whole |
//! | [`loss`] | reconstruction + KL + contrast + offsets + measures |
//! | [`file`] | a model on the disk |
//! | [`picture`] | pictures as bytes |
//! | [`validation`] | what a model makes of held-out views |
//! | [`page`] | the report of a run |

mod backbone;
pub mod config;
mod decoder;
mod encoder;
pub mod file;
pub mod framing;
pub mod loss;
pub mod model;
pub mod offsets;
pub mod page;
pub mod palette;
pub mod picture;
pub mod pose;
pub mod posterior;
mod strips;
mod tokens;
pub mod validation;
pub mod views;

pub use config::BodyVaeConfig;
pub use framing::Framing;
pub use loss::{BodyBatch, LossSettings, Target};
pub use model::BodyVae;
pub use offsets::Moved;
pub use palette::Palette;
pub use pose::Pose;
pub use posterior::{Experts, Posterior};
pub use views::{Sets, Views};
