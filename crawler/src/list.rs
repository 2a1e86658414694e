//! Lists that name photos, with img2dataset's column names: CSV or TSV with a header, JSONL with an object a line, or
//! a text file with a URL a line.
//!
//! A row has a `url`, or a local `file` (`path`, `file_name`) relative to the list; it may have an `identity`, a
//! `caption` (`text`), and the size in `width` and `height`. Upper case is as good; other columns are left aside.

mod table;

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use catalog::photo::{Caption, NewPhoto};
use serde::Deserialize;
use serde_json::Value;
use unicode_normalization::UnicodeNormalization;
use url::Url;

use crate::error::CrawlError;
use crate::pace::PaceSettings;
use crate::profile::{self, Limits, ProfileError};
use crate::text;

/// The endings of lists. Tables in Parquet are read where its library is, and become lists by [`Entry::from_fields`].
pub const ENDINGS: [&str; 6] = ["csv", "tsv", "jsonl", "ndjson", "parquet", "txt"];

/// Photos that a list or a folder names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct List {
    /// What the paths of local files are relative to.
    pub root: PathBuf,
    /// The photos.
    pub entries: Vec<Entry>,
    /// Rows that name no photo or cannot be read. They are counted as failures; the others are taken in.
    pub bad_rows: Vec<BadRow>,
    /// Files of a folder that are not taken in, how many by kind: an ending, `hidden`, `system`, `unfinished`, `no file`.
    pub passed_over: BTreeMap<String, u64>,
    /// Captions of a folder's metadata that name none of its photos.
    pub unmatched_captions: Vec<String>,
    /// Captions that could not be read, and why not.
    pub unreadable_captions: Vec<String>,
    /// Whether these are all photos of their source: local ones that were imported earlier and are not among them are
    /// gone then.
    pub is_complete: bool,
}

/// A row of a list that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRow {
    /// Its line, or its number where the list has no lines; from 1.
    pub line: u64,
    /// What is wrong with it.
    pub problem: String,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where its bytes are.
    pub place: Place,
    /// The file that a row with an address names as well: in a folder's metadata, the photo that it is about.
    pub file: Option<PathBuf>,
    /// The person; `None`: the one that is called like the import.
    pub identity: Option<String>,
    /// What is said of it, and where that stood.
    pub caption: Option<(String, &'static str)>,
    /// Width and height in pixels, as the list states them.
    pub hint: Option<(u32, u32)>,
}

/// Where a photo's bytes are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// On this machine: relative to the list or folder, or absolute.
    File(PathBuf),
    /// On the web, as the list has it. What is no address fails when it is asked for, so that it is stored and counted.
    Url(String),
}

/// The columns that are read, each under the names that tools give it, the first that is filled.
const URL: [&str; 1] = ["url"];
const FILE: [&str; 3] = ["file", "path", "file_name"];
const IDENTITY: [&str; 1] = ["identity"];
const CAPTION: [&str; 2] = ["caption", "text"];

/// Every column that [`Entry::from_fields`] asks for.
pub const COLUMNS: [&str; 9] =
    ["url", "file", "path", "file_name", "identity", "caption", "text", "width", "height"];

impl Entry {
    /// An entry from a row, given its fields by their names in lower case; `None` where it names no photo.
    pub fn from_fields(field: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let filled = |name: &str| field(name).filter(|text| !text.trim().is_empty());
        let first = |names: &[&str]| names.iter().find_map(|name| filled(name));
        let file: Option<PathBuf> = first(&FILE).map(Into::into);
        let (place, file) = match first(&URL) {
            Some(url) => (Place::Url(url.trim().to_owned()), file),
            None => (Place::File(file?), None),
        };
        // Tables with an empty cell have whole numbers as `800.0`.
        let is_side = |side: &f64| side.fract() == 0.0 && (1.0..=f64::from(u32::MAX)).contains(side);
        let side = |name: &str| Some(filled(name)?.trim().parse().ok().filter(is_side)? as u32);
        Some(Self {
            place,
            file,
            identity: first(&IDENTITY).map(|name| person(&name)),
            caption: first(&CAPTION).map(|text| (text, "list")),
            hint: side("width").zip(side("height")),
        })
    }

    /// The name of the photo in the catalog: its address, or a path that is the same wherever the folder is.
    pub fn url(&self) -> String {
        match &self.place {
            Place::Url(url) => url.clone(),
            Place::File(file) => {
                let parts: Vec<_> = file.iter().map(|part| part.to_string_lossy()).collect();
                format!("file:{}", parts.join("/"))
            }
        }
    }

    pub(crate) fn photo(&self) -> NewPhoto {
        let caption = self.caption.clone().map(|(text, source)| Caption { text, source: source.to_owned() });
        let source_url = self.url();
        // As it is asked for: lists write one address in several ways.
        let file_url = match (&self.place, Url::parse(&source_url)) {
            (Place::Url(_), Ok(mut url)) => {
                url.set_fragment(None);
                url.into()
            }
            _ => source_url.clone(),
        };
        NewPhoto { source_url, file_url: Some(file_url), hint: self.hint, caption }
    }
}

/// How the hosts of a list of URLs are asked: what a site's profile says of its host, without rules for pages.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ListProfile {
    /// A mail address or page of whoever runs the import; required for any host but loopback.
    pub user_agent_contact: Option<String>,
    /// Its addresses may lead into private networks or to this machine.
    pub allow_private: bool,
    /// Hosts that files of other hosts may redirect to.
    pub hosts: Vec<String>,
    /// How fast each host is asked.
    pub pace: PaceSettings,
    /// How much, how long, how often.
    pub limits: Limits,
}

impl ListProfile {
    /// Reads it from a TOML file.
    pub fn load(path: &Path) -> Result<Self, ProfileError> {
        profile::parse_toml(&profile::read_text(path)?, path)
    }
}

/// A person's name as it is compared: ` Ada` and `Ada ` are Ada, and letters with accents have one form, of which macOS
/// stores another than other systems.
pub(crate) fn person(name: &str) -> String {
    name.trim().nfc().collect()
}

type Row = Result<Entry, BadRow>;

/// Reads a list; what kind it is, its ending says, in capitals or not.
///
/// # Errors
/// Where it cannot be read, is no list, or has no column that could name a photo. A bad row is none: see
/// [`List::bad_rows`].
pub fn read(path: &Path) -> Result<List, CrawlError> {
    let kind = kind_of(path)?;
    let read = |error: io::Error| CrawlError::Import { path: path.to_owned(), detail: error.to_string() };
    parse_as(kind, path, &fs::read(path).map_err(read)?)
}

/// Reads a list from the bytes of the file `path`, which is not touched.
///
/// # Errors
/// As [`read`].
pub fn parse(path: &Path, bytes: &[u8]) -> Result<List, CrawlError> {
    parse_as(kind_of(path)?, path, bytes)
}

/// Reads the rows of one kind of list.
type Rows = fn(&str) -> Result<Vec<Row>, String>;

fn kind_of(path: &Path) -> Result<Rows, CrawlError> {
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase());
    match ending.as_deref() {
        Some("jsonl" | "ndjson") => Ok(of_json_lines),
        Some("csv") => Ok(|text| table::rows(text, b',')),
        Some("tsv") => Ok(|text| table::rows(text, b'\t')),
        Some("txt") => Ok(of_lines),
        _ => {
            let known = ENDINGS.map(|ending| format!(".{ending}")).join(", ");
            let detail = format!("it is no folder, and no list by its ending ({known})");
            Err(CrawlError::Import { path: path.to_owned(), detail })
        }
    }
}

fn parse_as(kind: Rows, path: &Path, bytes: &[u8]) -> Result<List, CrawlError> {
    let wrong = |detail: String| CrawlError::Import { path: path.to_owned(), detail };
    let text = text::decoded(bytes);
    let text = text.ok_or_else(|| wrong(format!("it is {}; save it as UTF-8", text::UNKNOWN)))?;
    let rows = kind(&text).map_err(wrong)?;
    let mut list = List { root: path.parent().unwrap_or(Path::new("")).to_owned(), ..List::default() };
    rows.into_iter().for_each(|row| list.push(row));
    Ok(list)
}

impl List {
    /// Adds a row to the photos or to the bad rows.
    pub fn push(&mut self, row: Result<Entry, BadRow>) {
        match row {
            Ok(entry) => self.entries.push(entry),
            Err(bad) => self.bad_rows.push(bad),
        }
    }
}

fn of_json_lines(text: &str) -> Result<Vec<Row>, String> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    Ok(lines.map(|(i, line)| of_json_line(i as u64 + 1, line)).collect())
}

fn of_json_line(number: u64, line: &str) -> Row {
    let bad = |problem: String| BadRow { line: number, problem };
    let parse = |line: &str| serde_json::from_str::<HashMap<String, Value>>(line);
    // Python writes NaN for what is absent, which is no JSON.
    let row = parse(line).or_else(|error| parse(&without_nan(line)).map_err(|_| error));
    let row: HashMap<String, Value> = row
        .map_err(|error| bad(error.to_string()))?
        .into_iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value))
        .collect();
    let field = |name: &str| match row.get(name)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    Entry::from_fields(field).ok_or_else(|| bad(no_photo()))
}

/// The line with `null` for every `NaN` and `Infinity` outside of strings.
fn without_nan(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut rest = line;
    let mut is_in_string = false;
    while let Some(next) = rest.chars().next() {
        let word = ["NaN", "-Infinity", "Infinity"].into_iter().find(|word| rest.starts_with(word));
        if let (false, Some(word)) = (is_in_string, word) {
            text.push_str("null");
            rest = &rest[word.len()..];
            continue;
        }
        let taken = if is_in_string && next == '\\' {
            1 + rest[1..].chars().next().map_or(0, char::len_utf8)
        } else {
            next.len_utf8()
        };
        is_in_string ^= next == '"';
        text.push_str(&rest[..taken]);
        rest = &rest[taken..];
    }
    text
}

/// An address a line; a line that begins with `#` is a comment, as for wget and yt-dlp.
fn of_lines(text: &str) -> Result<Vec<Row>, String> {
    let lines = text.split(['\n', '\r']).map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    let entry = |line: &str| Entry::from_fields(|name| (name == "url").then(|| line.to_owned()));
    Ok(lines.filter_map(entry).map(Ok).collect())
}

/// What a row without a photo lacks.
pub fn no_photo() -> String {
    format!("a column `{}` or `{}` must name the photo", URL[0], FILE.join("`, `"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_list(name: &str, text: &str) -> Result<List, CrawlError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        read(&path)
    }

    fn read_text(name: &str, text: &str) -> Result<Vec<Entry>, CrawlError> {
        read_list(name, text).map(|list| list.entries)
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
    fn url_lists_of_every_kind_give_addresses_sizes_and_captions() {
        let url = "http://a.example/1.jpg";
        let csv = read_text("a.csv", &format!("URL,TEXT,WIDTH,HEIGHT\n{url},\"a, b\",1000,1335\n")).unwrap();
        let tsv =
            read_text("a.tsv", &format!("url\tcaption\twidth\theight\n{url}\ta, b\t1000\t1335\n")).unwrap();
        let line =
            format!("{{\"url\": \"{url}\", \"caption\": \"a, b\", \"width\": 1000, \"height\": 1335}}");
        let jsonl = read_text("a.jsonl", &line).unwrap();
        assert_eq!((&csv, &csv), (&tsv, &jsonl));
        assert_eq!((csv[0].url().as_str(), csv[0].hint), (url, Some((1000, 1335))));
        assert_eq!(read_text("a.txt", &format!("{url}\n\n")).unwrap()[0].place, Place::Url(url.to_owned()));
    }

    #[test]
    fn a_list_without_a_photo_column_is_refused_with_what_is_missing_and_where() {
        let error = read_text("a.csv", "photo\n1.jpg\n").unwrap_err().to_string();
        assert!(error.contains("a.csv") && error.contains("line 1") && error.contains("`url`"), "{error}");
        assert!(read_text("a.docx", "1.jpg").unwrap_err().to_string().contains(".parquet"));
    }

    #[test]
    fn a_bad_row_is_told_by_its_line_and_the_others_are_taken_in() {
        let rows = [
            ("a.jsonl", "{\"url\": \"x\"}\n{\"url\": null}\n{broken\n{\"url\": \"y\"}\n", vec![2, 3]),
            ("a.csv", "url,text\nx,one\n,two\ny,three, or four\ny,five\n", vec![3, 4]),
        ];
        for (name, text, bad) in rows {
            let list = read_list(name, text).unwrap();
            assert_eq!(list.bad_rows.iter().map(|row| row.line).collect::<Vec<_>>(), bad, "{name}");
            let urls: Vec<String> = list.entries.iter().map(Entry::url).collect();
            assert_eq!(urls, ["x", "y"], "{name}");
        }
    }

    #[test]
    fn nan_is_an_absence_and_stays_in_a_caption() {
        let line = r#"{"url": "x", "width": NaN, "height": -Infinity, "text": "NaN \"Infinity\""}"#;
        let entry = &read_text("a.jsonl", line).unwrap()[0];
        assert_eq!((entry.hint, entry.caption.as_ref().unwrap().0.as_str()), (None, "NaN \"Infinity\""));
    }

    #[test]
    fn byte_order_marks_capitals_comments_and_blanks_around_names_do_no_harm() {
        for (name, text) in [
            ("a.txt", "\u{feff}# from gallery-dl\r\nhttp://a.example/1.jpg\r\n"),
            ("A.JSONL", "\u{feff}{\"url\": \"http://a.example/1.jpg\"}\n"),
            ("LIST.CSV", "\u{feff}url,identity\nhttp://a.example/1.jpg, Ada \n"),
        ] {
            let entries = read_text(name, text).unwrap();
            assert_eq!(
                entries.iter().map(Entry::url).collect::<Vec<_>>(),
                ["http://a.example/1.jpg"],
                "{name}"
            );
        }
        let ada = read_text("a.csv", "url,identity\nx, Ada \n").unwrap();
        assert_eq!(ada[0].identity.as_deref(), Some("Ada"));
    }

    #[test]
    fn a_list_in_utf16_or_with_the_line_ends_of_old_macs_is_read_and_one_in_latin_1_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        let utf16 = "\u{feff}url,identity\r\nx,José\r\n".encode_utf16().flat_map(u16::to_le_bytes);
        fs::write(&path, utf16.collect::<Vec<u8>>()).unwrap();
        assert_eq!(read(&path).unwrap().entries[0].identity.as_deref(), Some("José"));
        fs::write(&path, b"url,identity\nx,Jos\xe9\n").unwrap();
        let error = read(&path).unwrap_err().to_string();
        assert!(error.contains("a.csv") && error.contains("save it as UTF-8"), "{error}");
        let urls: Vec<_> = read_text("a.txt", "x\ry\r").unwrap().iter().map(Entry::url).collect();
        assert_eq!(urls, ["x", "y"]);
    }

    #[test]
    fn a_size_is_whole_however_the_table_writes_it() {
        let hint =
            |width: &str| read_text("a.csv", &format!("url,width,height\nx,{width},600\n")).unwrap()[0].hint;
        assert_eq!((hint("800"), hint("800.0")), (Some((800, 600)), Some((800, 600))));
        for width in ["800.5", "0", "-1", "nan", "5000000000", ""] {
            assert_eq!(hint(width), None, "{width}");
        }
    }
}
