//! Parquet files with the pictures inside, as the Hugging Face Hub stores datasets: a struct `image` of
//! `bytes` and `path`, and its feature in the metadata under `huggingface`
//! (`datasets.Features.from_arrow_schema` reads both).

use std::fs;
use std::path::{Path, PathBuf};

use photo::CaptionSource;
use serde_json::json;

use super::error::ExportError;
use super::part_writer::PartWriter;
use super::partial;
use super::picture::Picture;
use super::sample::Sample;
use crate::error::Error;
use crate::files;
use crate::manifest::FileEntry;
use crate::table::{Column, TableWriter};

/// Readers take a row group at a time, and so does the writer: `datasets` cuts groups at 100 MB
/// (`MAX_ROW_GROUP_SIZE`) and, for pictures, at 100 rows.
const GROUP_ROWS: usize = 100;
const GROUP_BYTES: usize = 100_000_000;

/// The folder of the files; `datasets` takes the split from a file's name.
const FOLDER: &str = "data";

/// A Parquet file that is being written, and the row group that is not yet in it.
pub(super) struct ParquetPart<'a> {
    out: &'a Path,
    name: String,
    partial: PathBuf,
    table: TableWriter,
    rows: Vec<(Sample<'a>, Picture)>,
    bytes: usize,
}

impl<'a> ParquetPart<'a> {
    pub fn create(out: &'a Path, split: &str, number: usize) -> Result<Self, Error> {
        let folder = out.join(FOLDER);
        fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
        let name = format!("{FOLDER}/{split}-{number:05}.parquet");
        let partial = partial::partial(&out.join(&name));
        partial::remove_if_there(&partial)?;
        // Of the other columns, `datasets` infers the features.
        let features = json!({ "info": { "features": { "image": { "_type": "Image" } } } }).to_string();
        let table = TableWriter::create(&partial, &columns(Vec::new()), &[("huggingface", features)])?;
        Ok(Self { out, name, partial, table, rows: Vec::new(), bytes: 0 })
    }

    fn flush(&mut self) -> Result<(), Error> {
        self.bytes = 0;
        let rows = std::mem::take(&mut self.rows);
        if rows.is_empty() { Ok(()) } else { self.table.write_group(&columns(rows)) }
    }
}

impl<'a> PartWriter<'a> for ParquetPart<'a> {
    fn add(&mut self, sample: Sample<'a>, picture: Picture) -> Result<(), ExportError> {
        let bytes = picture.bytes.len();
        if self.rows.len() == GROUP_ROWS || self.bytes + bytes > GROUP_BYTES {
            self.flush()?;
        }
        self.bytes += bytes;
        self.rows.push((sample, picture));
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<Vec<FileEntry>, ExportError> {
        self.flush()?;
        let Self { out, name, partial, table, .. } = *self;
        table.finish()?;
        fs::rename(&partial, out.join(&name)).map_err(Error::io("rename", &partial))?;
        files::sync_dir(&out.join(FOLDER))?;
        Ok(vec![files::entry(out, &name)?])
    }
}

fn columns(rows: Vec<(Sample<'_>, Picture)>) -> Vec<Column> {
    let (samples, pictures): (Vec<Sample<'_>>, Vec<Picture>) = rows.into_iter().unzip();
    let paths: Vec<String> = samples
        .iter()
        .zip(&pictures)
        .map(|(sample, picture)| format!("{}.{}", sample.key, picture.kind.ending()))
        .collect();
    let digests: Vec<String> = samples.iter().map(|sample| sample.sha256.to_string()).collect();
    let all = || samples.iter();
    vec![
        Column::required("bytes", "the picture's file", pictures.into_iter().map(|picture| picture.bytes))
            .in_group("image"),
        Column::required("path", "what it is called elsewhere", paths.iter().map(String::as_str))
            .in_group("image"),
        Column::nullable("text", "the caption", all().map(|sample| sample.text)),
        Column::nullable(
            "caption_source",
            "source of the caption, server or model; null: the photo's own",
            all().map(|sample| sample.caption_source.map(CaptionSource::name)),
        ),
        Column::required("key", "the photo's name in exports", all().map(|sample| sample.key.as_str())),
        Column::required("identity", "the person: site/slug", all().map(|sample| sample.identity)),
        Column::required("split", "train, validation, test or held_out", all().map(|sample| sample.split)),
        Column::required("url", "address of the file", all().map(|sample| &*sample.url)),
        Column::nullable(
            "page_url",
            "page that shows the photo",
            all().map(|sample| sample.page_url.as_deref()),
        ),
        Column::required("sha256", "SHA-256 of the file as fetched", digests.iter().map(String::as_str)),
        Column::required("width", "px", all().map(|sample| i64::from(sample.width))),
        Column::required("height", "px", all().map(|sample| i64::from(sample.height))),
        Column::list("person_box", "left, top, right, bottom in px", all().map(|sample| sample.person_box)),
        Column::list(
            "joints",
            "17 × (x, y, confidence) in px of the picture, in COCO's order; confidence 0: not visible",
            all().map(|sample| sample.joints.into_iter().flatten()),
        )
        .in_rows_of(3),
    ]
}
