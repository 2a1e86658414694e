//! TensorBoard's event files: TFRecords of `tensorflow.Event` messages.
//!
//! Every start of the program begins a file of its own, whose name sorts behind those before it. One that
//! goes on from a checkpoint begins with a `SessionLog START` at the next step: readers then drop what
//! earlier files say of that step and those behind it, so that each step is shown once.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use prost::Message;

use super::crc32c::masked;
use super::error::RunError;

const PREFIX: &str = "events.out.tfevents.";

/// `tensorflow.Event`, the fields used here.
#[derive(Clone, PartialEq, Message)]
struct Event {
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(oneof = "What", tags = "3, 5, 7")]
    what: Option<What>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum What {
    #[prost(string, tag = "3")]
    FileVersion(String),
    #[prost(message, tag = "5")]
    Summary(Summary),
    #[prost(message, tag = "7")]
    SessionLog(SessionLog),
}

/// `tensorflow.SessionLog`.
#[derive(Clone, PartialEq, Message)]
struct SessionLog {
    #[prost(int32, tag = "1")]
    status: i32,
}

/// `SessionLog.SessionStatus.START`.
const START: i32 = 1;

/// `tensorflow.Summary`.
#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    values: Vec<Value>,
}

/// `tensorflow.Summary.Value`.
#[derive(Clone, PartialEq, Message)]
struct Value {
    #[prost(string, tag = "1")]
    tag: String,
    #[prost(oneof = "Kind", tags = "2, 4")]
    kind: Option<Kind>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Kind {
    #[prost(float, tag = "2")]
    Simple(f32),
    #[prost(message, tag = "4")]
    Image(Image),
}

/// `tensorflow.Summary.Image`.
#[derive(Clone, PartialEq, Message)]
struct Image {
    #[prost(int32, tag = "1")]
    height: i32,
    #[prost(int32, tag = "2")]
    width: i32,
    #[prost(int32, tag = "3")]
    colorspace: i32,
    #[prost(bytes = "vec", tag = "4")]
    encoded: Vec<u8>,
}

/// A picture in a run's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// What it shows, such as `reconstruction`.
    pub tag: String,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// PNG file of RGB pixels.
    pub png: Vec<u8>,
}

/// An event file under way.
#[derive(Debug)]
pub struct EventWriter {
    path: PathBuf,
    file: File,
}

impl EventWriter {
    /// Begins the next event file in `folder`; `resumes_at` is the first step written, where others may have been
    /// written before. `created_at_ms` is the run's, the same for all its files: their names sort by their number.
    ///
    /// # Errors
    /// Where the folder cannot be read or written.
    pub fn create(folder: &Path, created_at_ms: u64, resumes_at: Option<u64>) -> Result<Self, RunError> {
        let mut next = 0;
        for entry in fs::read_dir(folder).map_err(RunError::io("read", folder))? {
            let name = entry.map_err(RunError::io("read", folder))?.file_name();
            let number = name.to_str().filter(|n| n.starts_with(PREFIX)).and_then(|n| n.rsplit('.').next());
            next = number.and_then(|n| n.parse::<u64>().ok()).map_or(next, |number| next.max(number + 1));
        }
        let path = folder.join(format!("{PREFIX}{:010}.bolid.{next:06}", created_at_ms / 1000));
        let file = File::create_new(&path).map_err(RunError::io("create", &path))?;
        let mut writer = Self { path, file };
        writer.write(0, What::FileVersion("brain.Event:2".to_owned()))?;
        if let Some(step) = resumes_at {
            writer.write(step, What::SessionLog(SessionLog { status: START }))?;
        }
        Ok(writer)
    }

    /// Adds numbers of one step, by tag.
    ///
    /// # Errors
    /// Where they cannot be written.
    pub fn scalars<'a>(
        &mut self,
        step: u64,
        scalars: impl IntoIterator<Item = (&'a str, f64)>,
    ) -> Result<(), RunError> {
        let value =
            |(tag, value): (&str, f64)| Value { tag: tag.to_owned(), kind: Some(Kind::Simple(value as f32)) };
        let values = scalars.into_iter().map(value).collect();
        self.write(step, What::Summary(Summary { values }))
    }

    /// Adds a picture of one step.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn picture(&mut self, step: u64, picture: &Picture) -> Result<(), RunError> {
        let image = Image {
            height: i32::try_from(picture.height).unwrap_or(i32::MAX),
            width: i32::try_from(picture.width).unwrap_or(i32::MAX),
            colorspace: 3,
            encoded: picture.png.clone(),
        };
        let value = Value { tag: picture.tag.clone(), kind: Some(Kind::Image(image)) };
        self.write(step, What::Summary(Summary { values: vec![value] }))
    }

    /// Sees the file to the disk.
    ///
    /// # Errors
    /// Where the disk fails.
    pub fn sync(&self) -> Result<(), RunError> {
        self.file.sync_all().map_err(RunError::io("sync", &self.path))
    }

    fn write(&mut self, step: u64, what: What) -> Result<(), RunError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let step = i64::try_from(step).unwrap_or(i64::MAX);
        let event = Event { wall_time: now.as_secs_f64(), step, what: Some(what) };
        // One call for a whole record: a killed process leaves no half of one.
        self.file.write_all(&record(&event.encode_to_vec())).map_err(RunError::io("write", &self.path))
    }
}

/// A TFRecord: length, its checksum, data, its checksum.
fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    [&length[..], &masked(&length).to_le_bytes(), data, &masked(data).to_le_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_length_checksum_data_checksum() {
        let record = record(b"hello");
        assert_eq!(record.len(), 8 + 4 + 5 + 4);
        assert_eq!(record[..8], 5u64.to_le_bytes());
        assert_eq!(record[8..12], masked(&5u64.to_le_bytes()).to_le_bytes());
        assert_eq!(&record[12..17], b"hello");
        assert_eq!(record[17..], masked(b"hello").to_le_bytes());
    }

    #[test]
    fn files_are_numbered_in_the_order_in_which_they_were_begun() {
        let folder = tempfile::tempdir().expect("a folder");
        for resumes_at in [None, Some(3), Some(7)] {
            EventWriter::create(folder.path(), 1_700_000_000_000, resumes_at).expect("a file");
        }
        let mut names: Vec<String> = fs::read_dir(folder.path())
            .expect("a folder")
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        let expected = ["000000", "000001", "000002"]
            .map(|number| format!("events.out.tfevents.1700000000.bolid.{number}"));
        assert_eq!(names, expected);
    }
}
