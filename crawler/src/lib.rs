//! Gallery sites to links to bytes. The only place with reqwest and scraper.
//!
//! | module | what | network, clock |
//! |---|---|---|
//! | [`profile`], [`rule`] | a site as a TOML file | no |
//! | [`address`] | the site's own address and the mirror that is asked | no |
//! | [`document`], [`node`], [`extract`], [`slug`] | pages → links, names, sizes, captions | no |
//! | [`robots`], [`permission`] | what a site lets be used | no |
//! | [`pace`], [`retry`] | when the next request may start | passed in |
//! | [`sniff`] | format and size from a photo's first bytes | no |
//! | [`fetch`], [`download`] | requests: pages, photos | yes |
//! | [`import`](mod@import), `list` | photos that are on this machine already | no |
//! | [`crawl`](mod@crawl) | the loop: due pages, then due photos, all of it recorded in the catalog | yes |
//!
//! What goes wrong with one page or photo is stored as a [`FailureClass`](photo::FailureClass) and never ends a crawl.

pub mod address;
pub mod crawl;
pub mod document;
pub mod download;
pub mod error;
pub mod extract;
mod failure;
pub mod fetch;
mod host;
pub mod import;
mod list;
pub mod node;
pub mod pace;
pub mod permission;
pub mod profile;
mod queue;
pub mod retry;
pub mod robots;
pub mod rule;
pub mod slug;
pub mod sniff;

pub use crawl::{CrawlReport, CrawlSettings, Event, crawl};
pub use error::CrawlError;
pub use import::import;
pub use profile::{Profile, ProfileError};
