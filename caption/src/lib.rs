//! Captions of photos: asked of a server that speaks the OpenAI chat protocol, and cleaned by rules. Knows no database.
//!
//! | module | what | network, clock |
//! |---|---|---|
//! | [`settings`] | what a recipe says of captions | no |
//! | [`key`] | the server's key, which nothing shows | no |
//! | [`picture`] | a photo as a message holds it | no |
//! | [`protocol`] | the request, and what of an answer is a text | no |
//! | [`budget`] | how many requests may still be made | no |
//! | [`chat`] | asking: time-outs, back-off, Retry-After | yes |
//! | [`transport`] | what went wrong on the wire, as a failure class | no |
//! | [`hygiene`] | rules from a text to a text, each change with its rule | no |
//!
//! What goes wrong with one photo is a [`CaptionFailure`](photo::CaptionFailure); what is wrong with all of them, such as
//! a key that the server does not take, ends the asking.

pub mod budget;
pub mod chat;
pub mod hygiene;
pub mod key;
pub mod picture;
pub mod protocol;
pub mod settings;
mod transport;

pub use budget::Budget;
pub use chat::{Chat, ChatError, ChatOutcome, ChatResult};
pub use hygiene::{Change, Cleaned, Names, Rule, clean};
pub use key::{Key, KeyError};
pub use picture::PictureError;
pub use settings::{Captions, ModelSettings, Rules, ServerSettings, SettingsError};
