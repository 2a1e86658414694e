//! Pictures of a prompt, a body and a reference, each with all that it takes to draw it again.
//!
//! | file | what |
//! |---|---|
//! | [`models`] | base, adapter and image encoder, loaded once; their digests |
//! | [`settings`] | what one picture is made of |
//! | [`embedding`] | c_body and image embeddings as text; bodies that nobody has |
//! | [`likeness`] | what CLIP makes of pictures and texts |
//! | [`png`](mod@png) | pictures with their settings inside |

pub mod embedding;
pub mod likeness;
pub mod models;
pub mod png;
pub mod settings;

pub use embedding::Embedding;
pub use likeness::Likeness;
pub use models::{ModelFiles, Models};
pub use settings::Settings;
