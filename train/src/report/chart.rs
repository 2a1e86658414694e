//! What a line chart shows.

use std::fmt::Write as _;

use super::escape::escape;
use super::svg;
use super::ticks;
use crate::bodybench::bootstrap::quantile;

/// A line chart.
#[derive(Clone, Debug, Default)]
pub struct Chart {
    /// Its heading.
    pub title: String,
    /// A sentence below the heading; may be empty.
    pub note: String,
    /// What goes across.
    pub x_label: String,
    /// How x is spaced.
    pub x: Scale,
    /// How y is spaced.
    pub y: Scale,
    /// Where x is labelled; empty: at round numbers.
    pub x_ticks: Vec<f64>,
    /// The ends of y; `None`: as the points need.
    pub y_range: Option<(f64, f64)>,
    /// The lines.
    pub series: Vec<Series>,
    /// Values of y to compare with.
    pub levels: Vec<Level>,
}

/// How an axis is spaced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scale {
    /// Evenly.
    #[default]
    Linear,
    /// By ratios; values of 0 and below are not drawn.
    Log,
}

/// A line.
#[derive(Clone, Debug, Default)]
pub struct Series {
    /// Its name in the legend.
    pub name: String,
    /// (x, y), by ascending x; points that are not finite are left out.
    pub points: Vec<(f64, f64)>,
    /// (x, low, high): an area around the line.
    pub band: Vec<(f64, f64, f64)>,
    /// Draws the points pale and a running median over a fiftieth of them on top.
    pub smooth: bool,
    /// Broken instead of solid: what is compared with.
    pub dashed: bool,
}

/// A horizontal line with its name.
#[derive(Clone, Debug, Default)]
pub struct Level {
    /// Where.
    pub y: f64,
    /// What it is.
    pub name: String,
}

impl Series {
    /// A solid line through `points`.
    pub fn new(name: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        Self { name: name.into(), points, ..Self::default() }
    }

    /// The same, smoothed.
    pub fn smoothed(self) -> Self {
        Self { smooth: true, ..self }
    }

    /// The same, broken.
    pub fn dashed(self) -> Self {
        Self { dashed: true, ..self }
    }

    /// The median of the last fiftieth of all points, at each point: unlike a mean, it is not
    /// carried off by the one step that a loss leaps.
    pub(super) fn running_median(&self) -> Vec<(f64, f64)> {
        let points: Vec<(f64, f64)> =
            self.points.iter().copied().filter(|(x, y)| x.is_finite() && y.is_finite()).collect();
        let width = (points.len() / 50).max(1);
        let mut sorted: Vec<f64> = Vec::with_capacity(width + 1);
        let median = |(i, &(x, y)): (usize, &(f64, f64))| {
            replace(&mut sorted, i.checked_sub(width).map(|gone| points[gone].1), y);
            (x, quantile(&sorted, 0.5))
        };
        points.iter().enumerate().map(median).collect()
    }

    fn last(&self) -> Option<f64> {
        let line = if self.smooth { self.running_median() } else { self.points.clone() };
        line.into_iter().map(|(_, y)| y).rfind(|y| y.is_finite())
    }
}

/// Puts `new` in the place of `gone` in a sorted list.
fn replace(sorted: &mut Vec<f64>, gone: Option<f64>, new: f64) {
    sorted.insert(sorted.partition_point(|&other| other < new), new);
    if let Some(gone) = gone {
        sorted.remove(sorted.partition_point(|&other| other < gone));
    }
}

impl Chart {
    /// The chart as a section: heading, legend with the last values, drawing.
    pub fn to_html(&self) -> String {
        let mut html = format!("<section class=\"chart\"><h3>{}</h3>", escape(&self.title));
        if !self.note.is_empty() {
            let _ = write!(html, "<p>{}</p>", escape(&self.note));
        }
        html.push_str("<ul class=\"legend\">");
        for (index, series) in self.series.iter().enumerate() {
            let dashed = if series.dashed { " dashed" } else { "" };
            let last = series.last().map_or_else(|| "–".to_owned(), ticks::value);
            let _ = write!(
                html,
                "<li><i class=\"c{}{dashed}\"></i>{} <b>{last}</b></li>",
                index % svg::COLOURS,
                escape(&series.name)
            );
        }
        html.push_str("</ul>");
        html.push_str(&svg::draw(self));
        html.push_str("</section>\n");
        html
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_running_median_starts_where_the_points_do_and_is_not_carried_off() {
        let mut points: Vec<(f64, f64)> = (0..1000).map(|i| (f64::from(i), 5.0 + f64::from(i % 2))).collect();
        (points[3].1, points[700].1) = (f64::NAN, 1e9);
        let median = Series::new("loss", points).running_median();
        assert_eq!(median.len(), 999);
        assert_eq!(median[0], (0.0, 5.0));
        assert!(median.iter().all(|(_, y)| (5.0..=6.0).contains(y)));
    }
}
