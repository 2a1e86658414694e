//! Pictures in rows, to be compared by eye.

use std::fmt::Write as _;

use super::escape::escape;
use super::picture::Picture;

/// Rows of pictures: one row a person, one column a question.
#[derive(Clone, Debug, Default)]
pub struct Grid {
    /// Its heading.
    pub title: String,
    /// What to look for.
    pub note: String,
    /// What stands above the columns; may be shorter than they are many.
    pub columns: Vec<String>,
    /// The rows.
    pub rows: Vec<Row>,
}

/// A row of pictures.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// Whom it shows; may be empty.
    pub label: String,
    /// From left to right; an empty cell is kept free.
    pub cells: Vec<Option<Picture>>,
}

impl Grid {
    /// The grid as a section.
    pub fn to_html(&self) -> String {
        let across = self.rows.iter().map(|row| row.cells.len()).chain([self.columns.len(), 1]).max();
        let mut html = format!(
            "<section class=\"card\"><h3>{}</h3><p>{}</p><div class=\"grid\" style=\"--across:{}\">\n",
            escape(&self.title),
            escape(&self.note),
            across.unwrap_or(1)
        );
        for column in 0..if self.columns.is_empty() { 0 } else { across.unwrap_or(1) } {
            let _ = write!(html, "<b>{}</b>", escape(self.columns.get(column).map_or("", String::as_str)));
        }
        for row in &self.rows {
            if !row.label.is_empty() {
                let _ = write!(html, "<span class=\"label\">{}</span>", escape(&row.label));
            }
            for column in 0..across.unwrap_or(1) {
                html.push_str(&cell(row.cells.get(column).and_then(Option::as_ref)));
            }
            html.push('\n');
        }
        html.push_str("</div></section>\n");
        html
    }
}

fn cell(picture: Option<&Picture>) -> String {
    let Some(picture) = picture else {
        return "<figure></figure>".to_owned();
    };
    let caption = escape(&picture.caption);
    let below =
        if caption.is_empty() { String::new() } else { format!("<figcaption>{caption}</figcaption>") };
    format!(
        "<figure><img src=\"{}\" width=\"{}\" height=\"{}\" alt=\"{caption}\">{below}</figure>",
        picture.data_uri(),
        picture.width,
        picture.height
    )
}
