//! Tar files of samples, as `webdataset` reads them: the files of a sample stand one behind the other and
//! differ in what follows the first dot of their name (`base_plus_ext` in `webdataset/tariterators.py`).
//!
//! ```text
//! demo__anna-berg-00003.jpg   the picture
//! demo__anna-berg-00003.txt   the caption, where there is one
//! demo__anna-berg-00003.json  all facts
//! ```

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use super::error::ExportError;
use super::part_writer::PartWriter;
use super::partial;
use super::picture::Picture;
use super::sample::Sample;
use crate::error::Error;
use crate::files;
use crate::manifest::{FileEntry, compact};

/// Writes of this size keep the disk busy.
const BUFFER_BYTES: usize = 1 << 20;

/// A tar file that is being written.
pub(super) struct TarPart<'a> {
    out: &'a Path,
    name: String,
    partial: PathBuf,
    tar: tar::Builder<BufWriter<File>>,
}

impl<'a> TarPart<'a> {
    pub fn create(out: &'a Path, split: &str, number: usize) -> Result<Self, Error> {
        let name = format!("{split}-{number:06}.tar");
        let partial = partial::partial(&out.join(&name));
        let file = File::create(&partial).map_err(Error::io("create", &partial))?;
        let tar = tar::Builder::new(BufWriter::with_capacity(BUFFER_BYTES, file));
        Ok(Self { out, name, partial, tar })
    }

    fn append(&mut self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        // Nothing of the machine, the user or the clock.
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        self.tar.append_data(&mut header, name, bytes).map_err(Error::io("write", &self.partial))
    }
}

impl<'a> PartWriter<'a> for TarPart<'a> {
    fn add(&mut self, sample: Sample<'a>, picture: Picture) -> Result<(), ExportError> {
        let key = &sample.key;
        self.append(&format!("{key}.{}", picture.kind.ending()), &picture.bytes)?;
        if let Some(text) = sample.text {
            self.append(&format!("{key}.txt"), text.as_bytes())?;
        }
        self.append(&format!("{key}.json"), &compact(&sample))?;
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Vec<FileEntry>, ExportError> {
        let Self { out, name, partial, tar } = *self;
        let write = Error::io("write", &partial);
        let written = tar.into_inner().and_then(|mut buffer| {
            buffer.flush()?;
            buffer.get_ref().sync_all()
        });
        written.map_err(write)?;
        fs::rename(&partial, out.join(&name)).map_err(Error::io("rename", &partial))?;
        files::sync_dir(out)?;
        Ok(vec![files::entry(out, &name)?])
    }
}
