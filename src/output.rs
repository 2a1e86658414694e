//! Results on stdout: tables for people, one JSON object per line for programs.

use std::io::{self, ErrorKind, Write};

use comfy_table::{Cell, CellAlignment, ColumnConstraint, ContentArrangement, Table, Width, presets};
use serde::Serialize;
use unicode_width::UnicodeWidthStr;

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
    let rows: Vec<Vec<String>> = rows.into_iter().collect();
    match terminal_size::terminal_size_of(io::stdout()) {
        Some((width, _)) => table_of_width(header, &rows, width.0),
        None => unwrapped_table(header, &rows),
    }
}

/// The same table by a few appends to one text. Without a terminal a list has a row for each of 100,000 photos, and laying out
/// cells that are never wrapped takes as long as reading them from the catalog. A line break in a cell becomes a blank.
fn unwrapped_table(header: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = header.iter().map(|name| name.width()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.width());
        }
    }
    let is_number_column: Vec<bool> =
        (0..header.len()).map(|place| is_column_of_numbers(rows, place)).collect();
    let between = header.len().saturating_sub(1);
    let inner = widths.iter().sum::<usize>() + header.len() * usize::from(PADDING) + between;
    let mut text = String::with_capacity((inner + 8) * (rows.len() + 4));
    push_rule(&mut text, '┌', '─', '┐', inner);
    push_row(&mut text, header.iter().copied(), &widths, &is_number_column);
    push_rule(&mut text, '╞', '═', '╡', inner);
    for row in rows {
        push_row(&mut text, row.iter().map(String::as_str), &widths, &is_number_column);
    }
    push_rule(&mut text, '└', '─', '┘', inner);
    text.pop(); // the last line's end is the printer's
    text
}

fn push_rule(text: &mut String, left: char, line: char, right: char, inner: usize) {
    text.push(left);
    text.extend(std::iter::repeat_n(line, inner));
    text.extend([right, '\n']);
}

fn push_row<'a>(
    text: &mut String,
    cells: impl Iterator<Item = &'a str>,
    widths: &[usize],
    to_right: &[bool],
) {
    text.push('│');
    for (place, ((cell, &width), &to_right)) in cells.zip(widths).zip(to_right).enumerate() {
        if place > 0 {
            text.push(' ');
        }
        let blanks = width.saturating_sub(cell.width());
        let (before, after) = if to_right { (blanks + 1, 1) } else { (1, blanks + 1) };
        text.extend(std::iter::repeat_n(' ', before));
        text.extend(cell.chars().map(|letter| if letter == '\n' { ' ' } else { letter }));
        text.extend(std::iter::repeat_n(' ', after));
    }
    text.push_str("│\n");
}

fn is_column_of_numbers(rows: &[Vec<String>], place: usize) -> bool {
    rows.iter().filter_map(|row| row.get(place)).all(|cell| is_number(cell))
}

fn table_of_width(header: &[&str], rows: &[Vec<String>], width: u16) -> String {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_BORDERS_ONLY).set_header(header.iter().map(Cell::new));
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    for (place, column) in table.column_iter_mut().enumerate() {
        // Names of columns are not broken, nor are numbers, which are shorter.
        let name = header.get(place).map_or(0, |name| name.chars().count() as u16);
        column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(name + PADDING)));
        if is_column_of_numbers(rows, place) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for row in rows {
        table.add_row(row.iter().map(|cell| unbroken(cell)));
    }
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
        let text = table_of_width(&["identity", "photos", "why"], std::slice::from_ref(&row), 80);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert!(why.split([' ', ',']).all(|word| text.contains(word)), "{text}");
        let text = unwrapped_table(&["identity", "photos", "why"], &[row]);
        assert!(text.contains(why), "{text}");
    }

    #[test]
    fn a_count_stands_in_the_line_of_its_reason() {
        let why = "3 watermark, 12 near_duplicate, 1 too_small, 2 several_people, 1 unreadable";
        let text = table_of_width(&["identity", "why"], &[vec!["ada".to_owned(), why.to_owned()]], 44);
        for part in why.split(", ") {
            assert!(text.contains(&part.replace(' ', "\u{a0}")), "{part} in {text}");
        }
        assert_eq!(unbroken("file:a b, c"), "file:a b, c");
    }

    #[test]
    fn columns_of_numbers_stand_to_the_right_and_lists_of_reasons_to_the_left() {
        let rows = [["7", "1 watermark, 2 no_face"], ["1,204", "–"], ["–", "1 no_face"]];
        let rows = rows.map(|row| row.map(str::to_owned).to_vec());
        let text = unwrapped_table(&["n", "why"], &rows);
        assert!(text.contains("│     7 "), "{text}");
        assert!(text.lines().any(|line| line.contains(" 1 no_face   ")), "{text}");
        // A wide terminal shows the same.
        assert_eq!(text, table_of_width(&["n", "why"], &rows, 200).replace('\u{a0}', " "));
        assert!(is_number("3.88 MiB") && is_number("12 %") && !is_number("1 no_face") && !is_number("demo"));
    }
}
