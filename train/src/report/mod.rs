//! `report.html`: one page per run that opens offline, on a wide and on a narrow screen, by day and
//! by night.
//!
//! [`Page`] holds what is known of a run; [`Page::to_html`] writes it. Whoever fits fills in charts
//! and grids, and sets the page anew at every save.
//!
//! | module | what |
//! |---|---|
//! | [`page`] | the page and its sections |
//! | [`chart`] | what a line chart shows |
//! | [`curves`] | charts of a run, from its log |
//! | [`svg`] | how it is drawn |
//! | [`intervals`] | values of several kinds with their intervals, one below the other |
//! | [`standalone`] | a drawing as a file of its own, for pages that are no HTML |
//! | `axis` | from values to places in the drawing |
//! | [`ticks`] | round numbers for axes |
//! | [`grid`] | pictures in rows |
//! | [`picture`] | pixels inside a page |
//! | [`bench`] | the section of BodyBench |
//! | [`escape`](mod@escape) | text inside a page |
//! | `report.css` | the looks |

mod axis;
pub mod bench;
pub mod chart;
pub mod curves;
pub mod escape;
pub mod grid;
pub mod intervals;
pub mod page;
pub mod picture;
pub mod standalone;
pub mod svg;
pub mod ticks;

pub use chart::{Chart, Level, Scale, Series};
pub use curves::Curves;
pub use escape::escape;
pub use grid::{Grid, Row};
pub use intervals::{IntervalRow, Intervals};
pub use page::{Page, WorstPhoto};
pub use picture::Picture;

/// The page's file name in a run's folder.
pub const FILE: &str = "report.html";
