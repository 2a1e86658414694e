//! What frozen networks make of photos and captions, computed once: an adapter's steps then run the UNet alone.
//!
//! ```text
//! cache/<id>/               id = first 12 hex digits of the SHA-256 over the digests of the models and the side
//!   cache.json              the same in full
//!   photos-00000.safetensors  up to 64 photos: latent_mean, latent_logvar, image, body_mean, body_log_variance
//!   texts-00000.safetensors   up to 64 captions: states, and pooled for SDXL
//! ```
//! A file's metadata names its rows. A photo's name is the digest of its bytes, of its transform and of its joints, so
//! snapshots share what they have in common, and one with another crop or pose has rows of its own. Files are written
//! aside and renamed: one that is there is whole, and filling goes on behind the last.
//!
//! | file | what |
//! |---|---|
//! | [`spec`] | what a cache was made with, and its id |
//! | [`table`] | rows by name in numbered files |
//! | [`encoders`] | the frozen networks |
//! | [`fill`](mod@fill) | computes what is missing |
//! | [`store`] | reads it for a batch |

pub mod encoders;
pub mod fill;
pub mod spec;
pub mod store;
pub mod table;

pub use encoders::Encoders;
pub use fill::{FillError, Filled, fill};
pub use spec::CacheSpec;
pub use store::{CacheStore, CachedText};
pub use table::Table;
