//! Results on stdout: tables for people, one JSON object per line for programs.

use std::io::{self, ErrorKind, Write};

use comfy_table::{Cell, CellAlignment, ColumnConstraint, ContentArrangement, Table, Width, presets};
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

/// Blanks beside each cell.
const PADDING: u16 = 2;

/// A table as wide as the terminal at most: longer cells are wrapped by words. Columns of numbers stand to the right.
/// Without a terminal nothing is wrapped, so that other programs find a row in a line.
pub fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    table_of_width(header, rows, terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| width.0))
}

fn table_of_width(
    header: &[&str],
    rows: impl IntoIterator<Item = Vec<String>>,
    width: Option<u16>,
) -> String {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_BORDERS_ONLY).set_header(header.iter().map(Cell::new));
    if let Some(width) = width {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    }
    let rows: Vec<Vec<String>> = rows.into_iter().collect();
    for (place, column) in table.column_iter_mut().enumerate() {
        // Names of columns are not broken, nor are numbers, which are shorter.
        let name = header.get(place).map_or(0, |name| name.chars().count() as u16);
        column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(name + PADDING)));
        let mut cells = rows.iter().filter_map(|row| row.get(place));
        if cells.all(|cell| is_number(cell)) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    rows.into_iter().for_each(|row| {
        table.add_row(row.into_iter().map(|cell| if width.is_some() { unbroken(&cell) } else { cell }));
    });
    table.to_string()
}

/// A list of counts, such as "2 no_face, 1 watermark", that is wrapped between its parts only: blanks within
/// them do not break.
fn unbroken(cell: &str) -> String {
    let is_count = |part: &str| {
        part.split_once(' ').is_some_and(|(count, name)| count.parse::<u64>().is_ok() && !name.contains(' '))
    };
    match cell.split(", ").all(is_count) {
        true => cell.replace(' ', "\u{a0}").replace(",\u{a0}", ", "),
        false => cell.to_owned(),
    }
}

/// A number, perhaps with a unit behind it, or the dash that stands for none.
fn is_number(cell: &str) -> bool {
    let (number, unit) = cell.split_once(' ').unwrap_or((cell, ""));
    let is_plain = number.chars().all(|c| c.is_ascii_digit() || "+-−.,%×".contains(c));
    // "1 watermark" is no number with a unit; "3.9 MiB", "12 s" and "640 px" are.
    let is_unit = unit.chars().count() <= 3 && !unit.contains(' ');
    cell.is_empty() || cell == "–" || (is_plain && is_unit && number.contains(|c: char| c.is_ascii_digit()))
}

/// A reader that has seen enough (`bolid status | head`) is no error.
fn print_line(line: &str) -> io::Result<()> {
    match writeln!(io::stdout(), "{line}") {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_cells_are_wrapped_by_words_within_the_terminal() {
        let why = "3 watermark, 2 near_duplicate, 1 too_small, 1 several_people, 1 unreadable, 12 no_person";
        let row = vec!["demo/Somebody-With-A-Name".to_owned(), "24".to_owned(), why.to_owned()];
        let text = table_of_width(&["identity", "photos", "why"], [row.clone()], Some(80));
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert!(why.split([' ', ',']).all(|word| text.contains(word)), "{text}");
        let text = table_of_width(&["identity", "photos", "why"], [row], None);
        assert!(text.contains(why), "{text}");
    }

    #[test]
    fn a_count_stands_in_the_line_of_its_reason() {
        let why = "3 watermark, 12 near_duplicate, 1 too_small, 2 several_people, 1 unreadable";
        let text = table_of_width(&["identity", "why"], [vec!["ada".to_owned(), why.to_owned()]], Some(44));
        for part in why.split(", ") {
            assert!(text.contains(&part.replace(' ', "\u{a0}")), "{part} in {text}");
        }
        assert_eq!(unbroken("file:a b, c"), "file:a b, c");
    }

    #[test]
    fn columns_of_numbers_stand_to_the_right_and_lists_of_reasons_to_the_left() {
        let rows = [["7", "1 watermark, 2 no_face"], ["12", "–"], ["–", "1 no_face"]];
        let rows = rows.map(|row| row.map(str::to_owned).to_vec());
        let text = table_of_width(&["n", "why"], rows, None);
        assert!(text.contains("│  7 "), "{text}");
        assert!(text.lines().any(|line| line.contains(" 1 no_face   ")), "{text}");
        assert!(is_number("3.88 MiB") && is_number("12 %") && !is_number("1 no_face") && !is_number("demo"));
    }
}
