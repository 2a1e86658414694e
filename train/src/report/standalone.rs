//! A drawing as an SVG file of its own: the styles that a page's style sheet would give are inside, on a
//! white ground, since the page that shows it may be of any colour.

use std::fmt::Write as _;

use super::chart::Chart;
use super::escape::escape;
use super::svg::{self, COLOURS};

/// The colours of lines, as in `report.css` by day.
const LINES: [&str; COLOURS] = ["#3b7dd8", "#e07b00", "#159b8d", "#8a5cf6", "#d64545", "#7a808a"];
/// Of letters, of quiet ones, of rules.
const INK: &str = "#1c2024";
const SOFT: &str = "#60646c";
const RULE: &str = "#e2e4e9";
/// The room around a drawing, in its units.
const MARGIN: f64 = 12.0;
/// Heights of the heading and of a line of the legend.
const HEADING: f64 = 26.0;
const LEGEND_LINE: f64 = 19.0;
/// About how wide a letter of 13 units is; a legend is broken by it.
const LETTER: f64 = 6.9;

/// The chart with heading and legend.
pub fn chart_file(chart: &Chart) -> String {
    let (width, height) = (svg::WIDTH, svg::HEIGHT);
    let mut legend = String::new();
    let (mut x, mut line) = (0.0, 0.0);
    for (index, series) in chart.series.iter().enumerate() {
        let needed = 28.0 + LETTER * series.name.chars().count() as f64 + 14.0;
        if x > 0.0 && x + needed > width {
            (x, line) = (0.0, line + 1.0);
        }
        let y = MARGIN + HEADING + LEGEND_LINE * line + 12.0;
        let dashed = if series.dashed { " dashed" } else { "" };
        let _ = write!(
            legend,
            "<path class=\"line c{}{dashed}\" d=\"M{:.1} {:.1}h20\"/><text x=\"{:.1}\" y=\"{y:.1}\">{}</text>",
            index % COLOURS,
            MARGIN + x,
            y - 4.5,
            MARGIN + x + 27.0,
            escape(&series.name)
        );
        x += needed;
    }
    let top = HEADING + LEGEND_LINE * (line + 1.0);
    let place =
        format!("<svg x=\"{MARGIN}\" y=\"{:.1}\" width=\"{width}\" height=\"{height}\" ", MARGIN + top);
    let drawing = svg::draw(chart).replacen("<svg ", &place, 1);
    file(&chart.title, (width, top + height), &format!("{legend}{drawing}"))
}

/// A file of `inside`, which is `size` wide and high, below its heading; `inside` begins at [`MARGIN`].
pub(super) fn file(title: &str, size: (f64, f64), inside: &str) -> String {
    let (width, height) = (size.0 + 2.0 * MARGIN, size.1 + 2.0 * MARGIN);
    let mut style = format!(
        "text{{font:13px system-ui,sans-serif;fill:{SOFT}}}.title{{font-weight:600;font-size:15px;fill:{INK}}}\
         .ink{{fill:{INK}}}.middle{{text-anchor:middle}}.end{{text-anchor:end}}path{{fill:none}}\
         .rule{{stroke:{RULE}}}.axis{{stroke:{SOFT}}}.level{{stroke:{SOFT};stroke-dasharray:2 4}}\
         .line{{stroke-width:2.2;stroke-linejoin:round}}.raw{{opacity:.3}}.line.dashed{{stroke-dasharray:6 4;stroke-width:1.8}}\
         .band{{opacity:.16}}.whisker{{stroke-width:2.2}}.dot{{opacity:.45}}"
    );
    for (index, colour) in LINES.iter().enumerate() {
        let _ = write!(
            style,
            "path.line.c{index},path.raw.c{index},path.whisker.c{index}{{stroke:{colour}}}\
             path.band.c{index},circle.c{index}{{fill:{colour}}}"
        );
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" \
         height=\"{height:.0}\" role=\"img\" aria-label=\"{title}\">\n<style>{style}</style>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n<text class=\"title\" x=\"{MARGIN}\" y=\"{:.1}\">{title}</text>\n\
         {inside}\n</svg>\n",
        MARGIN + 12.0,
        title = escape(title),
    )
}

/// Where what a file holds begins, in its units: from the left, and from the top below the heading.
pub(super) const ORIGIN: (f64, f64) = (MARGIN, MARGIN + HEADING);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Series;

    #[test]
    fn a_file_has_its_colours_inside_and_a_long_legend_takes_several_lines() {
        let series = |name: &str| Series::new(name, vec![(1.0, 1.0), (2.0, 3.0)]);
        let chart = |names: &[&str]| Chart {
            title: "limbs & widths".to_owned(),
            series: names.iter().map(|name| series(name)).collect(),
            ..Chart::default()
        };
        let height = |file: &str| -> f64 {
            let after = file.split("height=\"").nth(1).expect("a height");
            after.split('"').next().and_then(|text| text.parse().ok()).expect("a number")
        };
        let short = chart_file(&chart(&["one"]));
        assert!(short.contains("limbs &amp; widths") && short.contains("#3b7dd8") && !short.contains("var("));
        let long =
            chart_file(&chart(&["a name of many letters", "another name of as many letters", "a third"]));
        assert!(
            (height(&long) - height(&short) - LEGEND_LINE).abs() < 1.5,
            "{} {}",
            height(&short),
            height(&long)
        );
    }
}
