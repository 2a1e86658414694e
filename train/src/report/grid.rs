//! Pictures in rows, to be compared by eye.

use std::fmt::Write as _;

use super::escape::escape;
use super::picture::Picture;
use crate::run::events;

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
    /// All pictures in one, without words: for where there is no page. Empty where the grid is.
    pub fn montage(&self) -> Picture {
        /// Between pictures, px.
        const GAP: usize = 2;
        let all = || self.rows.iter().flat_map(|row| &row.cells).flatten();
        let width = all().map(|picture| picture.width).max().unwrap_or_default();
        let height = all().map(|picture| picture.height).max().unwrap_or_default();
        let across = self.rows.iter().map(|row| row.cells.len()).max().unwrap_or_default();
        if width == 0 || height == 0 {
            return Picture::default();
        }
        let (step_x, step_y) = (width + GAP, height + GAP);
        let (total_x, total_y) = (across * step_x - GAP, self.rows.len() * step_y - GAP);
        let mut rgb = vec![0; 3 * total_x * total_y];
        for (y, row) in self.rows.iter().enumerate() {
            for (x, picture) in row.cells.iter().enumerate() {
                let Some(picture) = picture else { continue };
                for line in 0..picture.height {
                    let from = &picture.rgb[3 * line * picture.width..][..3 * picture.width];
                    let at = 3 * ((y * step_y + line) * total_x + x * step_x);
                    rgb[at..at + from.len()].copy_from_slice(from);
                }
            }
        }
        Picture::from_rgb(rgb, total_x, total_y, self.title.clone())
    }

    /// The grid as one picture for TensorBoard; `None` where it is empty.
    pub fn for_tensorboard(&self) -> Option<events::Picture> {
        let montage = self.montage();
        (montage.width > 0).then(|| events::Picture {
            tag: self.title.clone(),
            width: montage.width as u32,
            height: montage.height as u32,
            png: montage.png(),
        })
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_montage_has_every_picture_in_its_place() {
        let picture = |value: u8| Some(Picture::from_rgb(vec![value; 3], 1, 1, ""));
        let rows = vec![
            Row { label: String::new(), cells: vec![picture(1), None] },
            Row { label: String::new(), cells: vec![picture(3), picture(4)] },
        ];
        let montage = Grid { rows, ..Grid::default() }.montage();
        assert_eq!((montage.width, montage.height), (4, 4));
        let at = |x: usize, y: usize| montage.rgb[3 * (y * 4 + x)];
        assert_eq!([at(0, 0), at(3, 0), at(0, 3), at(3, 3), at(1, 1)], [1, 0, 3, 4, 0]);
        assert_eq!(Grid::default().montage(), Picture::default());
    }
}
