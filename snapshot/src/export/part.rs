//! Where a part ends and the next begins.

use std::path::Path;

use super::error::ExportError;
use super::loose::LoosePart;
use super::manifest::Part;
use super::parquet::ParquetPart;
use super::part_writer::PartWriter;
use super::picture::Picture;
use super::sample::Sample;
use super::spec::{ExportSpec, Format};
use super::webdataset::TarPart;

/// Photos of a part whose pictures are files of their own: few enough to be done in seconds after a kill, so
/// many that the journal stays short.
const LOOSE_PHOTOS: usize = 1000;

/// What a sample's facts and headers take beside picture and caption, at most: 51 numbers, two addresses,
/// three tar headers.
const FACTS_BYTES: u64 = 8192;

/// The parts of an export: those that are done, and the one that is being written.
pub(super) struct Parts<'a> {
    out: &'a Path,
    spec: &'a ExportSpec,
    done: Vec<(&'static str, Part)>,
    open: Option<OpenPart<'a>>,
}

struct OpenPart<'a> {
    split: &'static str,
    photos: usize,
    bytes: u64,
    writer: Box<dyn PartWriter<'a> + 'a>,
}

impl<'a> Parts<'a> {
    pub fn new(out: &'a Path, spec: &'a ExportSpec) -> Self {
        Self { out, spec, done: Vec::new(), open: None }
    }

    /// How many photos are in the parts that are done.
    pub fn photos(&self) -> usize {
        self.done.iter().map(|(_, part)| part.photos).sum()
    }

    /// Takes a part over that is there.
    pub fn keep(&mut self, split: &'static str, part: Part) {
        self.done.push((split, part));
    }

    /// Ends the open part where this photo no longer belongs into it.
    pub fn cut_before(
        &mut self,
        sample: &Sample<'a>,
        picture: &Picture,
    ) -> Result<Option<&Part>, ExportError> {
        let is_full = self.open.as_ref().is_some_and(|open| {
            open.split != sample.split
                || match self.spec.format {
                    Format::Webdataset | Format::Parquet => {
                        open.bytes + bytes(sample, picture) > self.spec.part_bytes
                    }
                    Format::Imagefolder | Format::Kohya | Format::IpAdapter => open.photos >= LOOSE_PHOTOS,
                }
        });
        if is_full { self.end() } else { Ok(None) }
    }

    /// Adds a photo to the open part, or begins one with it.
    pub fn add(&mut self, sample: Sample<'a>, picture: Picture) -> Result<(), ExportError> {
        let open = match &mut self.open {
            Some(open) => open,
            none => none.insert(begin(self.out, self.spec, &self.done, sample.split)?),
        };
        open.photos += 1;
        open.bytes += bytes(&sample, &picture);
        open.writer.add(sample, picture)
    }

    /// Ends the open part, if there is one.
    pub fn end(&mut self) -> Result<Option<&Part>, ExportError> {
        let Some(OpenPart { split, photos, writer, .. }) = self.open.take() else { return Ok(None) };
        let files = writer.finish()?;
        self.done.push((split, Part { photos, files }));
        Ok(self.done.last().map(|(_, part)| part))
    }

    /// All parts.
    pub fn done(self) -> Vec<Part> {
        self.done.into_iter().map(|(_, part)| part).collect()
    }
}

fn begin<'a>(
    out: &'a Path,
    spec: &'a ExportSpec,
    done: &[(&'static str, Part)],
    split: &'static str,
) -> Result<OpenPart<'a>, ExportError> {
    let number = done.iter().filter(|(of, _)| *of == split).count();
    let writer: Box<dyn PartWriter<'a> + 'a> = match spec.format {
        Format::Webdataset => Box::new(TarPart::create(out, split, number)?),
        Format::Parquet => Box::new(ParquetPart::create(out, split, number)?),
        Format::Imagefolder | Format::Kohya | Format::IpAdapter => Box::new(LoosePart::new(out, spec)),
    };
    Ok(OpenPart { split, photos: 0, bytes: 0, writer })
}

/// What a photo takes in a tar or Parquet file, at most.
fn bytes(sample: &Sample<'_>, picture: &Picture) -> u64 {
    let caption = 2 * sample.text.map_or(0, str::len);
    picture.bytes.len() as u64 + caption as u64 + FACTS_BYTES
}
