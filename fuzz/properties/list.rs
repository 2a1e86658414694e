//! Lists of photos: CSV, TSV, JSONL and plain text.

use std::path::Path;

use crawler::list::{self, Place};

pub fn check(bytes: &[u8]) {
    for name in ["list.csv", "list.tsv", "list.jsonl", "list.txt"] {
        let list = match list::parse(Path::new(name), bytes) {
            Ok(list) => list,
            Err(error) => {
                assert!(error.to_string().contains(name), "{error}");
                continue;
            }
        };
        // UTF-16 has fewer bytes of a line end than this counts.
        let lines = 1 + bytes.iter().filter(|&&byte| byte == b'\n' || byte == b'\r').count() as u64;
        assert!(
            list.entries.len() as u64 + list.bad_rows.len() as u64 <= lines,
            "{name}: more rows than lines"
        );
        for row in &list.bad_rows {
            assert!((1..=lines).contains(&row.line), "{name}: line {} of {lines}", row.line);
            assert!(!row.problem.is_empty());
        }
        assert!(list.bad_rows.is_sorted_by_key(|row| row.line), "{name}: {:?}", list.bad_rows);
        for entry in &list.entries {
            let is_named = match &entry.place {
                Place::File(file) => !file.as_os_str().is_empty(),
                Place::Url(url) => !url.is_empty() && url.trim() == url,
            };
            assert!(is_named && !entry.url().is_empty(), "{name}: {entry:?}");
            assert!(entry.identity.as_deref().is_none_or(|name| !name.is_empty() && name.trim() == name));
            assert!(entry.caption.as_ref().is_none_or(|(text, _)| !text.trim().is_empty()));
            assert!(entry.hint.is_none_or(|(width, height)| width > 0 && height > 0));
        }
        // A mark at the beginning says what the bytes are in, and is no part of them.
        if name != "list.txt" && str::from_utf8(bytes).is_ok_and(|text| !text.starts_with('\u{feff}')) {
            let marked = [b"\xEF\xBB\xBF", bytes].concat();
            assert_eq!(list::parse(Path::new(name), &marked).unwrap(), list);
        }
    }
}
