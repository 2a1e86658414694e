//! What writes a part, in whatever layout.

use super::error::ExportError;
use super::picture::Picture;
use super::sample::Sample;
use crate::manifest::FileEntry;

/// Writes the photos of one part.
pub(super) trait PartWriter<'a>: Send {
    /// Adds a photo.
    fn add(&mut self, sample: Sample<'a>, picture: Picture) -> Result<(), ExportError>;

    /// Gives the files their names.
    fn finish(self: Box<Self>) -> Result<Vec<FileEntry>, ExportError>;
}
