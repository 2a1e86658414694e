//! Values with their intervals, one below the other on one scale.

use std::fmt::Write as _;

use super::escape::escape;
use super::standalone::{ORIGIN, file};
use super::ticks;

/// Sizes in the drawing's units.
const WIDTH: f64 = 400.0;
const NAMES: f64 = 118.0;
const RIGHT: f64 = 12.0;
const ROW: f64 = 27.0;
const BELOW: f64 = 24.0;
/// A line for the name of each level: two that are close would be written over each other.
const LEVEL: f64 = 15.0;
/// A whisker this many times as long as all values are apart is cut: of few people an interval may be anything.
const LONGEST: f64 = 1.0;

/// The drawing.
#[derive(Clone, Debug, Default)]
pub struct Intervals {
    /// Its heading.
    pub title: String,
    /// From top to bottom.
    pub rows: Vec<IntervalRow>,
    /// Values to compare with, each with its name.
    pub levels: Vec<(f64, String)>,
}

/// A value.
#[derive(Clone, Debug, Default)]
pub struct IntervalRow {
    /// Its name.
    pub name: String,
    /// The value; a row without one is kept free.
    pub value: Option<f64>,
    /// The ends of its interval.
    pub interval: Option<(f64, f64)>,
    /// What it is the mean of, such as repetitions.
    pub parts: Vec<f64>,
    /// Its colour, by number.
    pub colour: usize,
}

impl Intervals {
    /// The drawing as an SVG file.
    pub fn to_file(&self) -> String {
        let (left, top) = ORIGIN;
        let names = LEVEL * self.levels.len() as f64;
        let bottom = top + names + ROW * self.rows.len() as f64;
        let Some((low, high)) = self.ends() else {
            let text = format!("<text x=\"{left}\" y=\"{:.1}\">nothing to show yet</text>", top + 14.0);
            return file(&self.title, (WIDTH, top + 20.0), &text);
        };
        let at = |value: f64| {
            let share = (value.clamp(low, high) - low) / (high - low);
            left + NAMES + share * (WIDTH - NAMES - RIGHT)
        };
        let mut inside = String::new();
        for tick in ticks::linear(low, high, 5) {
            let _ = write!(
                inside,
                "<path class=\"rule\" d=\"M{x:.1} {:.1}V{bottom:.1}\"/>\
                 <text class=\"middle\" x=\"{x:.1}\" y=\"{:.1}\">{}</text>",
                top + names,
                bottom + 17.0,
                ticks::label(tick),
                x = at(tick)
            );
        }
        for (index, (value, name)) in self.levels.iter().enumerate() {
            let (x, y) = (at(*value), top + LEVEL * index as f64);
            let class = if x > left + 0.7 * WIDTH { "end" } else { "start" };
            let _ = write!(
                inside,
                "<path class=\"level\" d=\"M{x:.1} {y:.1}V{bottom:.1}\"/><text class=\"{class}\" x=\"{:.1}\" \
                 y=\"{:.1}\">{}</text>",
                if class == "end" { x - 4.0 } else { x + 4.0 },
                y + 9.0,
                escape(name)
            );
        }
        for (index, row) in self.rows.iter().enumerate() {
            let y = top + names + ROW * (index as f64 + 0.5);
            row.draw(&mut inside, left, y, &at);
        }
        file(&self.title, (WIDTH, bottom - top + BELOW + 26.0), &inside)
    }

    /// The ends of the scale.
    fn ends(&self) -> Option<(f64, f64)> {
        let parts = self.rows.iter().flat_map(|row| row.value.iter().chain(&row.parts)).copied();
        let points: Vec<f64> = parts
            .chain(self.levels.iter().map(|(value, _)| *value))
            .filter(|value| value.is_finite())
            .collect();
        let low = points.iter().copied().reduce(f64::min)?;
        let high = points.iter().copied().reduce(f64::max)?;
        let room = LONGEST * (high - low).max(0.05 * high.abs()).max(1e-6);
        let ends = || self.rows.iter().filter_map(|row| row.interval);
        let first = ends().map(|(low, _)| low).filter(|low| low.is_finite()).fold(low, f64::min);
        let last = ends().map(|(_, high)| high).filter(|high| high.is_finite()).fold(high, f64::max);
        let (low, high) = (first.max(low - room), last.min(high + room));
        let margin = 0.04 * (high - low).max(1e-9);
        Some((low - margin, high + margin))
    }
}

impl IntervalRow {
    fn draw(&self, inside: &mut String, left: f64, y: f64, at: &dyn Fn(f64) -> f64) {
        let _ = write!(
            inside,
            "<text class=\"ink\" x=\"{left:.1}\" y=\"{:.1}\">{}</text>",
            y + 4.5,
            escape(&self.name)
        );
        let Some(value) = self.value.filter(|value| value.is_finite()) else { return };
        let colour = self.colour;
        let is_finite = |&(low, high): &(f64, f64)| low.is_finite() && high.is_finite();
        if let Some((low, high)) = self.interval.filter(is_finite) {
            let (from, to) = (at(low), at(high));
            let _ = write!(inside, "<path class=\"whisker c{colour}\" d=\"M{from:.1} {y:.1}H{to:.1}\"/>");
        }
        for &part in self.parts.iter().filter(|part| part.is_finite()) {
            let _ = write!(
                inside,
                "<circle class=\"dot c{colour}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"2.4\"/>",
                at(part),
                y - 7.0
            );
        }
        let _ = write!(
            inside,
            "<circle class=\"c{colour}\" cx=\"{:.1}\" cy=\"{y:.1}\" r=\"4.5\"><title>{}: {}</title></circle>",
            at(value),
            escape(&self.name),
            ticks::value(value)
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wild_interval_does_not_press_the_values_together_and_nothing_is_drawn_as_nan() {
        let row = |value, interval| IntervalRow {
            name: "<a>".to_owned(),
            value,
            interval,
            ..IntervalRow::default()
        };
        let drawing = Intervals {
            title: "errors".to_owned(),
            rows: vec![
                row(Some(0.2), Some((-40.0, 0.5))),
                row(Some(0.4), Some((0.3, 0.5))),
                row(None, None),
                row(Some(0.3), Some((f64::NAN, f64::NAN))),
            ],
            levels: vec![(0.1, "own photos".to_owned())],
        };
        let (low, high) = drawing.ends().expect("values");
        assert!(low > -0.3 && high < 0.6, "{low} to {high}");
        let svg = drawing.to_file();
        assert!(!svg.contains("NaN") && !svg.contains("<a>") && svg.contains("own photos"), "{svg}");
        assert!(Intervals::default().to_file().contains("nothing to show yet"));
    }
}
