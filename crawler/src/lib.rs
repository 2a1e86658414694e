//! Gallery sites to links to bytes. The only place with scraper, and one of two with reqwest.
//!
//! | module | what | network, clock |
//! |---|---|---|
//! | [`profile`], [`rule`], [`choice`] | a site as a TOML file | no |
//! | [`reading`], `literal` | which pages are HTML, which JSON, and which have JSON in a script | no |
//! | [`address`] | the site's own address and the mirror that is asked | no |
//! | [`document`], [`node`], `srcset`, [`extract`], [`slug`] | pages → links, names, sizes, captions | no |
//! | `people` | the people of an index page, told apart or refused | no |
//! | `prescan` | the charset that a page declares | no |
//! | `html`, `json`, `stopwatch` | a page parsed within limits | clock |
//! | `reader` | page work off the network's thread | no |
//! | [`robots`], [`permission`] | what a site lets be used | no |
//! | [`pace`] | when the next request may start | passed in |
//! | [`reach`] | which machines may be asked | names are resolved |
//! | [`sniff`] | format and size from a photo's first bytes | no |
//! | [`fetch`], [`download`] | requests: pages, photos | yes |
//! | `files` | files that several pages show, each asked for once | no |
//! | `unpack` | gzip bodies of photos | no |
//! | [`headers`] | headers as text and back, what a status may answer | no |
//! | [`list`], [`folder`], `captions`, `text` | photos that a list or a folder names, and texts about them | no |
//! | `litter` | what in a folder is neither a photo nor a person | no |
//! | [`settings`] | what to crawl, and what of it | no |
//! | [`crawl`](mod@crawl), `queue`, `visit`, `follow` | the loop: due pages, then due photos, all of it recorded in the catalog | yes |
//! | [`import`](mod@import) | a list taken in: local files at once, others as any crawl does | yes |
//! | `simulate` | what an import would ask for | clock |
//! | `gone` | local photos that are no longer where they came from | no |
//! | [`refetch`](mod@refetch) | known files downloaded again, if their bytes are still the same | yes |
//! | [`check`](mod@check) | which rule of a profile finds what on the live site | yes |
//! | `advice` | what to do where a page is made by a script, or photos are previews | no |
//! | [`report`] | what a crawl did | no |
//! | `host` | what is known of a host while a crawl goes on | no |
//! | [`failure`], [`error`] | why a page or photo was not had; what ends a crawl | no |
//!
//! What goes wrong with one page or photo is stored as a [`FailureClass`](photo::FailureClass) and never ends a crawl.

pub mod address;
mod advice;
mod captions;
pub mod check;
pub mod choice;
pub mod crawl;
pub mod document;
pub mod download;
pub mod error;
pub mod extract;
mod failure;
pub mod fetch;
mod files;
pub mod folder;
mod follow;
mod gone;
pub mod headers;
mod host;
mod html;
pub mod import;
mod json;
pub mod list;
mod literal;
mod litter;
pub mod node;
pub mod pace;
mod people;
pub mod permission;
mod prescan;
pub mod profile;
mod queue;
pub mod reach;
mod reader;
pub mod reading;
pub mod refetch;
pub mod report;
pub mod robots;
pub mod rule;
pub mod settings;
mod simulate;
pub mod slug;
pub mod sniff;
mod srcset;
mod stopwatch;
mod text;
mod unpack;
mod visit;

pub use check::check;
pub use crawl::crawl;
pub use error::CrawlError;
pub use import::import;
pub use list::{List, ListProfile};
pub use profile::{Profile, ProfileError};
pub use refetch::{Expected, refetch};
pub use report::{CrawlReport, Event};
pub use settings::{CrawlSettings, Source};
