//! Parquet files that others wrote: lists of photos, and measurements that travel.

use snapshot::{MeasurementReader, read_texts};

use super::scratch::with_file;

/// Columns of lists of photos.
const COLUMNS: [&str; 4] = ["url", "caption", "width", "height"];

pub fn check(bytes: &[u8]) {
    let is_named = |error: &snapshot::Error| error.to_string().contains("list.parquet");
    with_file("list.parquet", bytes, |path| {
        match read_texts(path, &COLUMNS) {
            Ok(rows) => {
                let is_asked = |(name, _): &(String, String)| COLUMNS.contains(&name.as_str());
                assert!(rows.iter().flatten().all(is_asked), "{rows:?}");
            }
            Err(error) => assert!(is_named(&error), "{error}"),
        }
        match MeasurementReader::open(path) {
            Ok(reader) => assert!(reader.groups().filter_map(Result::err).all(|error| is_named(&error))),
            Err(error) => assert!(is_named(&error), "{error}"),
        }
    });
}
