//! The body adapter: two streams beside the text in every cross-attention of a frozen UNet (paper secs. 3.4, 4.3, 4.4).
//!
//! ```text
//! cache ─ plan ─ batch ─┐
//! c_body of other views ─ body stream ──────┐
//! image embedding of another photo ─ reference stream ─ UNet(noisy latents) ─ L_diff + α·L_id + β·L_CLIP
//! ```
//!
//! | file | what |
//! |---|---|
//! | [`settings`] | what it is trained with |
//! | [`plan`](mod@plan) | which photos and conditions come in which step |
//! | [`bodies`] | c_body of cached views |
//! | [`area`] | padding and the body's part of a latent |
//! | [`batch`] | a plan to tensors |
//! | [`stream`] | one trained stream: four tokens, keys and values |
//! | [`model`] | both streams |
//! | [`objective`] | the loss and its terms |
//! | [`validation`] | a fixed list of photos with the right body, a stranger's and none |
//! | [`pipeline`] | pictures of a prompt, a body and a reference |
//! | [`page`](mod@page) | the report of a run |
//! | [`file`] | both streams on the disk |

pub mod area;
pub mod batch;
pub mod bodies;
pub mod file;
pub mod model;
pub mod objective;
pub mod page;
pub mod pipeline;
pub mod plan;
pub mod settings;
pub mod stream;
pub mod validation;

pub use batch::{AdapterBatch, AdapterSource, Sample};
pub use bodies::Body;
pub use model::{Adapter, Lambdas, Widths};
pub use objective::{ClipJudge, Objective};
pub use pipeline::{PictureSpec, Pipeline};
pub use plan::{Origin, StepPlan, plan};
pub use settings::{
    AdapterSettings, CaptionSettings, DropoutSettings, ObjectiveSettings, ReferencePhoto, SampleSettings,
};
pub use stream::TrainedStream;
pub use validation::{Case, CaseErrors, Cases};
