//! Tables with a header: CSV, TSV.

use std::collections::HashMap;
use std::io::Cursor;

use super::{BadRow, Entry, FILE, Row, URL, no_photo};

/// The rows below the header.
///
/// # Errors
/// Where no column could name a photo.
pub(super) fn rows(text: &str, delimiter: u8) -> Result<Vec<Row>, String> {
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).from_reader(Cursor::new(text));
    let header = reader.headers().map_err(|error| error.to_string())?;
    let places: HashMap<String, usize> =
        header.iter().enumerate().map(|(i, name)| (name.trim().to_ascii_lowercase(), i)).collect();
    if !URL.iter().chain(&FILE).any(|name| places.contains_key(*name)) {
        return Err(format!("line 1: {}", no_photo()));
    }
    let (mut rows, mut record) = (Vec::new(), csv::StringRecord::new());
    loop {
        let start = reader.position().clone();
        let read = reader.read_record(&mut record);
        if matches!(read, Ok(false)) {
            return Ok(rows);
        }
        let raw = &text.as_bytes()[start.byte() as usize..reader.position().byte() as usize];
        if let Some(next_line) = after_open_quote(raw, delimiter) {
            // Reading goes on in the next line: else every row down to some later quote would be part of this one.
            let blanks =
                raw.iter().take_while(|byte| is_line_end(**byte)).filter(|byte| **byte == b'\n').count();
            let line = start.line() + blanks as u64;
            rows.push(Err(BadRow { line, problem: "a quote that begins here is not closed".to_owned() }));
            let mut next = start;
            next.set_byte(next.byte() + next_line as u64).set_line(line + 1);
            reader.seek(next).map_err(|error| error.to_string())?;
            continue;
        }
        rows.push(match read {
            Err(error) => {
                let line = error.position().map_or(0, csv::Position::line);
                Err(BadRow { line, problem: error.to_string() })
            }
            Ok(_) => {
                let line = record.position().map_or(0, csv::Position::line);
                let field = |name: &str| record.get(*places.get(name)?).map(str::to_owned);
                Entry::from_fields(field).ok_or_else(|| BadRow { line, problem: no_photo() })
            }
        });
    }
}

fn is_line_end(byte: u8) -> bool {
    byte == b'\n' || byte == b'\r'
}

/// Where the second line of a record begins, if the record has several lines because of a quote that nobody closed: it is
/// open at the end, or what closes it is the opening quote of a later row, which a comma or line end does not follow
/// (RFC 4180).
fn after_open_quote(raw: &[u8], delimiter: u8) -> Option<usize> {
    let from = raw.iter().position(|byte| !is_line_end(*byte))?;
    let second = from + raw[from..].iter().position(|byte| is_line_end(*byte))? + 1;
    let (mut is_quoted, mut is_field_start, mut at) = (false, true, from);
    while at < raw.len() {
        let (byte, next) = (raw[at], raw.get(at + 1).copied());
        match byte {
            b'"' if is_quoted && next == Some(b'"') => at += 1,
            b'"' if is_quoted => {
                if next.is_some_and(|next| next != delimiter && !is_line_end(next)) && at >= second {
                    return Some(second);
                }
                is_quoted = false;
            }
            b'"' if is_field_start => is_quoted = true,
            _ if !is_quoted && is_line_end(byte) => return None,
            _ => {}
        }
        is_field_start = !is_quoted && byte == delimiter;
        at += 1;
    }
    is_quoted.then_some(second)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Vec<Entry>, Vec<BadRow>) {
        let (entries, bad): (Vec<Row>, Vec<Row>) =
            rows(text, b',').unwrap().into_iter().partition(Row::is_ok);
        (entries.into_iter().flatten().collect(), bad.into_iter().filter_map(Row::err).collect())
    }

    #[test]
    fn a_quote_that_nobody_closed_costs_its_own_row_and_no_other() {
        let texts = [
            "url,text\nx,one\nbad,\"two\ny,three\nz,four\n",
            "url,text\nx,one\nbad,\"two\ny,\"three\"\nz,\"four\"\n",
            "url,text\nx,one\n\nbad,\"two\ny,three\nz,\"four, five\"\n",
            "url,text\r\nx,one\r\nbad,\"two\r\ny,three\r\nz,four",
        ];
        for (text, line) in texts.into_iter().zip([3, 3, 4, 3]) {
            let (entries, bad) = read(text);
            assert_eq!(entries.iter().map(Entry::url).collect::<Vec<_>>(), ["x", "y", "z"], "{text:?}");
            assert_eq!(bad.iter().map(|row| row.line).collect::<Vec<_>>(), [line], "{text:?}");
            assert!(bad[0].problem.contains("quote"), "{bad:?}");
        }
    }

    #[test]
    fn a_caption_may_have_several_lines_and_quotes() {
        let (entries, bad) = read("url,text\nx,\"one\ntwo \"\"three\"\"\"\ny,four\n");
        assert_eq!((entries.len(), bad.len()), (2, 0));
        assert_eq!(entries[0].caption.as_ref().unwrap().0, "one\ntwo \"three\"");
    }
}
