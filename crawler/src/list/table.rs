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
    let mut quotes = Quotes { text: text.as_bytes(), delimiter, open_to: 0 };
    loop {
        let start = reader.position().clone();
        let from = start.byte() as usize;
        // `csv` itself counts blank lines, and the `\n` of the row before, to the row that they stand before.
        let blanks = text.as_bytes()[from..].iter().take_while(|byte| is_line_end(**byte));
        let line = start.line() + blanks.filter(|byte| **byte == b'\n').count() as u64;
        // Looked for before reading: `csv` would read on to some later quote, maybe to the end of the file, in each row.
        if let Some(next_line) = quotes.after_open(from) {
            // Reading goes on in the next line: else every row down to that quote would be part of this one.
            rows.push(Err(BadRow { line, problem: "a quote that begins here is not closed".to_owned() }));
            let mut next = start;
            next.set_byte(next_line as u64).set_line(line + 1);
            reader.seek(next).map_err(|error| error.to_string())?;
            continue;
        }
        let read = reader.read_record(&mut record);
        if matches!(read, Ok(false)) {
            return Ok(rows);
        }
        rows.push(match read {
            Err(error) => Err(BadRow { line, problem: problem(&error) }),
            Ok(_) => {
                let field = |name: &str| record.get(*places.get(name)?).map(str::to_owned);
                Entry::from_fields(field).ok_or_else(|| BadRow { line, problem: no_photo() })
            }
        });
    }
}

fn problem(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("it has {len} fields, and the header {expected_len}")
        }
        _ => error.to_string(),
    }
}

fn is_line_end(byte: u8) -> bool {
    byte == b'\n' || byte == b'\r'
}

/// Finds quotes that nobody closed, in a time that grows with the text and not with its square.
struct Quotes<'t> {
    text: &'t [u8],
    delimiter: u8,
    /// Up to here an earlier record with an open quote was followed. At each line end before it that record is inside
    /// the quote, and from there on any other that is inside a quote goes the same way: it is open, too.
    open_to: usize,
}

impl Quotes<'_> {
    /// Where the second line of the record at `from` begins, if the record has several lines because of a quote that
    /// nobody closed: it is open at the end, or what closes it is the opening quote of a later row, which a comma or line
    /// end does not follow (RFC 4180).
    fn after_open(&mut self, from: usize) -> Option<usize> {
        let Self { text, delimiter, .. } = *self;
        let from = from + text[from..].iter().position(|byte| !is_line_end(*byte))?;
        // The last line may lack its end.
        let first_end =
            text[from..].iter().position(|byte| is_line_end(*byte)).map_or(text.len(), |end| from + end);
        let line_end = if text[first_end..].starts_with(b"\r\n") { 2 } else { 1 };
        let second = (first_end + line_end).min(text.len());
        let (mut is_quoted, mut is_field_start, mut at) = (false, true, from);
        while at < text.len() {
            let (byte, next) = (text[at], text.get(at + 1).copied());
            match byte {
                b'"' if is_quoted && next == Some(b'"') => at += 1,
                b'"' if is_quoted => {
                    if next.is_some_and(|next| next != delimiter && !is_line_end(next)) && at >= second {
                        self.open_to = at;
                        return Some(second);
                    }
                    is_quoted = false;
                }
                b'"' if is_field_start => is_quoted = true,
                _ if is_line_end(byte) && !is_quoted => return None,
                _ if is_line_end(byte) && at < self.open_to => return Some(second),
                _ => {}
            }
            is_field_start = !is_quoted && byte == delimiter;
            at += 1;
        }
        if is_quoted {
            self.open_to = text.len();
        }
        is_quoted.then_some(second)
    }
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
    fn lines_are_counted_rightly_after_a_row_with_an_open_quote() {
        let text = "url,text\nbad,\"one\nx,two\n\nbad,\"three\nbad,\"four\ny,five\nz\n";
        for text in [text.to_owned(), text.replace('\n', "\r\n")] {
            let (entries, bad) = read(&text);
            assert_eq!(entries.iter().map(Entry::url).collect::<Vec<_>>(), ["x", "y"], "{text:?}");
            assert_eq!(bad.iter().map(|row| row.line).collect::<Vec<_>>(), [2, 5, 6, 8], "{text:?}");
        }
    }

    #[test]
    fn a_quote_that_is_open_in_the_last_line_is_found_with_and_without_a_line_end() {
        for end in ["", "\n", "\r\n"] {
            let (entries, bad) = read(&format!("url,text\nx,one\nbad,\"two{end}"));
            assert_eq!(entries.iter().map(Entry::url).collect::<Vec<_>>(), ["x"], "{end:?}");
            assert_eq!(bad.iter().map(|row| row.line).collect::<Vec<_>>(), [3], "{end:?}");
            let (entries, bad) = read(&format!("url,text\nx,\"one\"{end}"));
            assert_eq!((entries.len(), bad.len()), (1, 0), "{end:?}");
        }
    }

    // In a time that grows with the square, neither would end.
    #[test]
    fn a_table_of_nothing_but_open_quotes_is_read_once_and_not_once_per_row() {
        const ROWS: usize = 200_000;
        for row in ["a\"b,\"c\n", "a\",\"c\n", "x,\"two\n"] {
            let (entries, bad) = read(&format!("url,text\n{}", row.repeat(ROWS)));
            assert_eq!((entries.len(), bad.len()), (0, ROWS), "{row:?}");
            assert_eq!(bad[ROWS - 1].line, ROWS as u64 + 1, "{row:?}");
        }
        let good_among = format!("url,text\n{}", "x,y\na\",\"c\n".repeat(ROWS / 2));
        let (entries, bad) = read(&good_among);
        assert_eq!((entries.len(), bad.len()), (ROWS / 2, ROWS / 2));
    }

    #[test]
    fn a_caption_may_have_several_lines_and_quotes() {
        let (entries, bad) = read("url,text\nx,\"one\ntwo \"\"three\"\"\"\ny,four\n");
        assert_eq!((entries.len(), bad.len()), (2, 0));
        assert_eq!(entries[0].caption.as_ref().unwrap().0, "one\ntwo \"three\"");
    }
}
