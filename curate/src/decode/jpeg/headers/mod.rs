//! What the segments of a file say before a bit of a photo is read.
//!
//! | module | what |
//! |---|---|
//! | [`markers`], [`segments`], [`tables`] | the segments of a file, their markers, and the tables in them |
//! | [`picture`], [`space`] | what the header of a frame says, and what its components are |
//! | [`settings`] | the tables and the restart interval that hold from here on |

pub(super) mod markers;
pub(super) mod picture;
pub(super) mod segments;
pub(super) mod settings;
pub(super) mod space;
pub(super) mod tables;
