//! Results on stdout: tables for people, one JSON object per line for programs.

use std::io::{self, ErrorKind, Write};

use comfy_table::{Cell, CellAlignment, Table, presets};
use serde::Serialize;

/// How results are shown.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    /// One JSON object per result.
    pub json: bool,
}

impl Output {
    /// Shows one result: as JSON, or as the text that `text` makes of it.
    pub fn show<T: Serialize>(self, value: &T, text: impl FnOnce(&T) -> String) -> io::Result<()> {
        let line = if self.json { serde_json::to_string(value)? } else { text(value) };
        print_line(&line)
    }

    /// Shows many results: a JSON line each, or one table with a row each.
    pub fn show_all<T: Serialize>(
        self,
        values: &[T],
        header: &[&str],
        row: impl Fn(&T) -> Vec<String>,
    ) -> io::Result<()> {
        if self.json {
            return values.iter().try_for_each(|value| print_line(&serde_json::to_string(value)?));
        }
        print_line(&table(header, values.iter().map(row)))
    }

    /// Shows a remark that only people need.
    pub fn remark(self, text: &str) -> io::Result<()> {
        if self.json { Ok(()) } else { print_line(text) }
    }
}

/// A table; columns whose cells are all numbers stand to the right.
pub fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_BORDERS_ONLY).set_header(header.iter().map(Cell::new));
    for row in rows {
        table.add_row(row.iter().map(|text| {
            let is_number = text.chars().next().is_some_and(|first| first.is_ascii_digit());
            Cell::new(text).set_alignment(if is_number { CellAlignment::Right } else { CellAlignment::Left })
        }));
    }
    table.to_string()
}

/// A reader that has seen enough (`bolid status | head`) is no error.
fn print_line(line: &str) -> io::Result<()> {
    match writeln!(io::stdout(), "{line}") {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}
