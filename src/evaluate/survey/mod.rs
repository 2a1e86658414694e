//! What people say: which of two pictures is the person. Two-alternative forced choice on one static page.
//!
//! | file | what |
//! |---|---|
//! | [`question`] | which pictures are asked about, in which order |
//! | [`page`] | the page, and the key that says what was asked |
//! | [`answers`] | the files that raters bring back |
//! | [`results`] | figures of them |

pub mod answers;
pub mod page;
pub mod question;
pub mod results;
