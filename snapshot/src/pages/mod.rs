//! The pages for people: what is in a snapshot, drawn and in words.
//!
//! | module | what |
//! |---|---|
//! | `readme` | `README.md`, the dataset's card |
//! | `composition`, `plots` | the numbers behind it, and their drawings |
//! | `hub` | its head, which the Hugging Face Hub and `datasets` read |
//! | `citation` | how to cite a snapshot by its id |
//! | `report` | `report.html`, samples of each person |
//! | [`review`] | the page on which people look through photos and decide |
//! | `thumbnail` | small pictures for the pages |

pub(crate) mod citation;
pub(crate) mod composition;
mod hub;
pub(crate) mod plots;
pub(crate) mod readme;
pub(crate) mod report;
pub mod review;
mod thumbnail;
