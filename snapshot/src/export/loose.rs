//! Parts of pictures that are files of their own, with a caption beside each where the format asks for one.
//!
//! Files are not seen to the disk one by one, which would take most of the time: after a power cut, the
//! digests in `export.json` or the journal tell what is damaged, and the same command writes it again.

use std::fs;
use std::path::Path;

use photo::Digest;

use super::error::ExportError;
use super::part_writer::PartWriter;
use super::partial;
use super::picture::Picture;
use super::sample::Sample;
use super::spec::{ExportSpec, Format};
use super::{imagefolder, ip_adapter, kohya};
use crate::error::Error;
use crate::manifest::FileEntry;

/// A part that is being written.
pub(super) struct LoosePart<'a> {
    out: &'a Path,
    spec: &'a ExportSpec,
    files: Vec<FileEntry>,
}

impl<'a> LoosePart<'a> {
    pub fn new(out: &'a Path, spec: &'a ExportSpec) -> Self {
        Self { out, spec, files: Vec::new() }
    }

    fn write(&mut self, path: String, bytes: &[u8]) -> Result<(), Error> {
        let full = self.out.join(&path);
        let partial = partial::partial(&full);
        let written = match fs::write(&partial, bytes) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let folder = full.parent().unwrap_or(self.out);
                fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
                fs::write(&partial, bytes)
            }
            written => written,
        };
        written.map_err(Error::io("write", &partial))?;
        fs::rename(&partial, &full).map_err(Error::io("rename", &partial))?;
        self.files.push(FileEntry { path, bytes: bytes.len() as u64, sha256: Digest::of(bytes) });
        Ok(())
    }
}

impl<'a> PartWriter<'a> for LoosePart<'a> {
    fn add(&mut self, sample: Sample<'a>, picture: Picture) -> Result<(), ExportError> {
        let path = match self.spec.format {
            Format::Kohya => {
                if let Some((path, text)) = kohya::caption(&sample, self.spec.repeats) {
                    self.write(path, text.as_bytes())?;
                }
                kohya::path(&sample, self.spec.repeats, picture.kind)
            }
            Format::IpAdapter => ip_adapter::path(&sample, picture.kind),
            _ => imagefolder::path(&sample, picture.kind),
        };
        self.write(path, &picture.bytes)?;
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Vec<FileEntry>, ExportError> {
        Ok(self.files)
    }
}
