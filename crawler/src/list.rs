//! Lists that name photos: CSV with a header, or JSONL with an object a line.
//!
//! The file stands under `file`, `path` or `file_name`, relative to the list; the person under `identity`, the caption
//! under `caption` or `text`. Other columns are left aside.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::error::CrawlError;

/// A photo that a list or a folder names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Relative to the list or folder, or absolute.
    pub file: PathBuf,
    /// The person; `None`: the one that is called like the import.
    pub identity: Option<String>,
    /// Caption and where it stood.
    pub caption: Option<(String, &'static str)>,
}

impl Entry {
    /// The name of the photo in the catalog: the same wherever the folder is.
    pub fn url(&self) -> String {
        let parts: Vec<_> = self.file.iter().map(|part| part.to_string_lossy()).collect();
        format!("file:{}", parts.join("/"))
    }
}

#[derive(Deserialize)]
struct Row {
    #[serde(alias = "path", alias = "file_name")]
    file: PathBuf,
    identity: Option<String>,
    #[serde(alias = "text")]
    caption: Option<String>,
}

impl From<Row> for Entry {
    fn from(row: Row) -> Self {
        let filled = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
        let caption = filled(row.caption).map(|text| (text, "list"));
        Self { file: row.file, identity: filled(row.identity), caption }
    }
}

/// Reads a list; by its ending `.jsonl` or `.csv`.
pub(crate) fn read(path: &Path) -> Result<Vec<Entry>, CrawlError> {
    let wrong = |detail: String| CrawlError::Import { path: path.to_owned(), detail };
    let text = fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("jsonl" | "ndjson") => {
            let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
            let row = |(i, line)| {
                serde_json::from_str::<Row>(line).map_err(|error| wrong(format!("line {}: {error}", i + 1)))
            };
            lines.map(|line| Ok(row(line)?.into())).collect()
        }
        Some("csv") => {
            let mut reader = csv::Reader::from_reader(text.as_bytes());
            let rows = reader.deserialize::<Row>();
            rows.map(|row| Ok(row.map_err(|error| wrong(error.to_string()))?.into())).collect()
        }
        _ => Err(wrong("it is no folder, and no list by its ending (.csv, .jsonl)".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(name: &str, text: &str) -> Result<Vec<Entry>, CrawlError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        read(&path)
    }

    #[test]
    fn csv_and_jsonl_say_the_same_under_the_names_that_tools_use() {
        let csv = read_text("a.csv", "file_name,text,size\nada/1.jpg,a tall woman,3\n").unwrap();
        let jsonl =
            read_text("a.jsonl", "{\"path\": \"ada/1.jpg\", \"caption\": \"a tall woman\"}\n\n").unwrap();
        assert_eq!(csv, jsonl);
        assert_eq!(csv[0].url(), "file:ada/1.jpg");
        assert_eq!(csv[0].caption, Some(("a tall woman".to_owned(), "list")));
    }

    #[test]
    fn a_list_without_a_file_column_is_refused_with_what_is_missing() {
        let error = read_text("a.csv", "photo\n1.jpg\n").unwrap_err().to_string();
        assert!(error.contains("a.csv") && error.contains("file"), "{error}");
        assert!(read_text("a.jsonl", "{}\n").unwrap_err().to_string().contains("line 1"));
        assert!(read_text("a.txt", "1.jpg").is_err());
    }
}
