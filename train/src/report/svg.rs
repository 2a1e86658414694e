//! How a line chart is drawn: SVG whose colours come from the page's style sheet.

use std::fmt::Write as _;

use super::axis::{Axis, axes};
use super::chart::{Chart, Series};
use super::escape::escape;
use super::ticks;

/// Colours of lines in `report.css`, `.c0` and so on; a seventh line has the first one's.
pub const COLOURS: usize = 6;

/// The drawing's size in its own units. Its letters are 13 units high, and are 11 px on a phone and
/// with three drawings side by side.
pub(super) const WIDTH: f64 = 400.0;
pub(super) const HEIGHT: f64 = 240.0;
/// Room for labels at the left, right, top and bottom.
const LEFT: f64 = 44.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 42.0;
/// Half of a point's width.
const EDGE: f64 = 4.0;
/// A line has two points per bucket at most: more than a screen has columns would be a megabyte for
/// nothing.
const BUCKETS: usize = 400;
/// Lines with so few points show each of them, with its value on hovering.
const MARKED: usize = 32;

/// The chart without its heading and legend.
pub fn draw(chart: &Chart) -> String {
    let mut svg = format!(
        "<svg class=\"plot\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">",
        escape(&chart.title)
    );
    let across = (LEFT, WIDTH - RIGHT);
    let up = (HEIGHT - BOTTOM, TOP);
    let Some((x, y)) = axes(chart, across, up) else {
        let _ = write!(
            svg,
            "<text class=\"middle\" x=\"{}\" y=\"{}\">nothing to show yet</text></svg>",
            WIDTH / 2.0,
            HEIGHT / 2.0
        );
        return svg;
    };
    frame(&mut svg, chart, &x, &y);
    // An SVG of its own cuts off what lies outside the frame; points on its edge stay whole.
    let (left, top) = (LEFT - EDGE, TOP - EDGE);
    let (width, height) = (x.to - x.from + 2.0 * EDGE, y.from - y.to + 2.0 * EDGE);
    let _ = write!(
        svg,
        "<svg x=\"{left}\" y=\"{top}\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"{left} {top} {width} {height}\">"
    );
    for level in &chart.levels {
        if let Some(at) = y.place(level.y) {
            let _ = write!(svg, "<path class=\"level\" d=\"M{LEFT} {at:.1}H{}\"/>", x.to);
        }
    }
    // areas first, so that no line is under another's area
    for (index, series) in chart.series.iter().enumerate() {
        band(&mut svg, index, series, &x, &y);
    }
    // the first line is what the chart is about, and lies on top
    for (index, series) in chart.series.iter().enumerate().rev() {
        line(&mut svg, index, series, &x, &y);
    }
    svg.push_str("</svg>");
    for level in &chart.levels {
        if let Some(at) = y.place(level.y).filter(|&at| at >= TOP && at <= y.from) {
            let name = escape(&level.name);
            let _ =
                write!(svg, "<text class=\"end\" x=\"{}\" y=\"{:.1}\">{name}</text>", x.to - 4.0, at - 4.0);
        }
    }
    svg.push_str("</svg>");
    svg
}

fn frame(svg: &mut String, chart: &Chart, x: &Axis, y: &Axis) {
    for tick in y.ticks(5) {
        if let Some(at) = y.place(tick) {
            let _ = write!(
                svg,
                "<path class=\"rule\" d=\"M{LEFT} {at:.1}H{}\"/>\
                 <text class=\"end\" x=\"{}\" y=\"{:.1}\">{}</text>",
                x.to,
                LEFT - 6.0,
                at + 4.5,
                ticks::label(tick)
            );
        }
    }
    let x_ticks = if chart.x_ticks.is_empty() { x.ticks(5) } else { chart.x_ticks.clone() };
    for tick in x_ticks {
        if let Some(at) = x.place(tick).filter(|&at| at >= LEFT - 0.5 && at <= x.to + 0.5) {
            // a label at the right end would stick out of the drawing
            let class = if at > WIDTH - 24.0 { "end" } else { "middle" };
            let label_at = if class == "end" { WIDTH - 2.0 } else { at };
            let _ = write!(
                svg,
                "<path class=\"rule\" d=\"M{at:.1} {}v5\"/><text class=\"{class}\" x=\"{label_at:.1}\" \
                 y=\"{}\">{}</text>",
                y.from,
                y.from + 18.0,
                ticks::label(tick)
            );
        }
    }
    let _ = write!(
        svg,
        "<path class=\"axis\" d=\"M{LEFT} {}H{}\"/><text class=\"middle\" x=\"{}\" y=\"{}\">{}</text>",
        y.from,
        x.to,
        (x.from + x.to) / 2.0,
        HEIGHT - 6.0,
        escape(&chart.x_label)
    );
}

fn band(svg: &mut String, index: usize, series: &Series, x: &Axis, y: &Axis) {
    let edge = |pick: fn(&(f64, f64, f64)) -> f64| {
        series.band.iter().map(|point| (point.0, pick(point))).collect::<Vec<(f64, f64)>>()
    };
    let mut outline = edge(|point| point.1);
    outline.extend(edge(|point| point.2).into_iter().rev());
    if !outline.is_empty() {
        let class = index % COLOURS;
        let _ = write!(svg, "<path class=\"band c{class}\" d=\"{}Z\"/>", path(&outline, x, y));
    }
}

fn line(svg: &mut String, index: usize, series: &Series, x: &Axis, y: &Axis) {
    let class = index % COLOURS;
    let points: Vec<(f64, f64)> =
        series.points.iter().copied().filter(|(x, y)| x.is_finite() && y.is_finite()).collect();
    let dashed = if series.dashed { " dashed" } else { "" };
    if series.smooth {
        let _ = write!(svg, "<path class=\"raw c{class}\" d=\"{}\"/>", path(&thinned(&points), x, y));
        let middle = thinned(&series.running_median());
        let _ = write!(svg, "<path class=\"line c{class}{dashed}\" d=\"{}\"/>", path(&middle, x, y));
        return;
    }
    let _ = write!(svg, "<path class=\"line c{class}{dashed}\" d=\"{}\"/>", path(&thinned(&points), x, y));
    if points.len() <= MARKED {
        for &(of_x, of_y) in &points {
            if let (Some(cx), Some(cy)) = (x.place(of_x), y.place(of_y)) {
                let _ = write!(
                    svg,
                    "<circle class=\"c{class}\" cx=\"{cx:.1}\" cy=\"{cy:.1}\" r=\"3\">\
                     <title>{}: {} at {}</title></circle>",
                    escape(&series.name),
                    ticks::value(of_y),
                    ticks::label(of_x)
                );
            }
        }
    }
}

fn path(points: &[(f64, f64)], x: &Axis, y: &Axis) -> String {
    let mut path = String::new();
    for &(of_x, of_y) in points {
        if let (Some(at_x), Some(at_y)) = (x.place(of_x), y.place(of_y)) {
            let letter = if path.is_empty() { 'M' } else { 'L' };
            // far outside the frame, renderers lose the digits that matter inside
            let _ = write!(path, "{letter}{at_x:.1} {:.1}", at_y.clamp(-HEIGHT, 2.0 * HEIGHT));
        }
    }
    path
}

/// At most two points per bucket, the lowest and the highest: what the eye sees of a line at this
/// size.
fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    if points.len() <= 2 * BUCKETS {
        return points.to_vec();
    }
    points.chunks(points.len().div_ceil(BUCKETS)).flat_map(find_ends).collect()
}

/// The lowest and the highest of the points, in their order.
fn find_ends(bucket: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let (mut low, mut high) = (0, 0);
    for (i, (_, y)) in bucket.iter().enumerate() {
        low = if *y < bucket[low].1 { i } else { low };
        high = if *y > bucket[high].1 { i } else { high };
    }
    let (first, second) = (low.min(high), low.max(high));
    if first == second { vec![bucket[first]] } else { vec![bucket[first], bucket[second]] }
}

#[cfg(test)]
mod tests {
    use super::super::chart::Scale;
    use super::*;

    fn chart(points: Vec<(f64, f64)>) -> Chart {
        Chart {
            title: "a <b> & \"c\"".to_owned(),
            series: vec![Series::new("<s>", points)],
            ..Chart::default()
        }
    }

    #[test]
    fn names_are_text_not_markup() {
        let mut chart = chart(vec![(0.0, 1.0), (1.0, 2.0)]);
        chart.x_label = "<x>".to_owned();
        chart.levels.push(super::super::chart::Level { y: 1.5, name: "<level>".to_owned() });
        let html = chart.to_html();
        for bad in ["<b>", "<s>", "<x>", "<level>", "\"c\""] {
            let in_legend = bad == "<b>"; // the legend's own element for last values
            assert!(in_legend || !html.contains(bad), "{bad}");
        }
        assert!(html.contains("a &lt;b&gt; &amp; &quot;c&quot;"));
    }

    #[test]
    fn nothing_single_and_unfinite_points_are_drawn_without_nan() {
        assert!(draw(&chart(Vec::new())).contains("nothing to show yet"));
        assert!(draw(&chart(vec![(f64::NAN, 1.0)])).contains("nothing to show yet"));
        for points in [vec![(3.0, 3.0)], vec![(0.0, 1.0), (1.0, f64::INFINITY), (2.0, 0.0)], vec![(1.0, 0.0)]]
        {
            for scale in [Scale::Linear, Scale::Log] {
                let svg = draw(&Chart { x: scale, y: scale, ..chart(points.clone()) });
                assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
            }
        }
    }

    #[test]
    fn long_lines_are_thinned_and_keep_their_peaks() {
        let points: Vec<(f64, f64)> = (0..100_000).map(|i| (f64::from(i), f64::from(i % 7))).collect();
        let mut spiked = points.clone();
        spiked[54_321].1 = 99.0;
        let thin = thinned(&spiked);
        assert!(thin.len() <= 2 * BUCKETS && thin.contains(&(54_321.0, 99.0)));
        assert!(thin.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert!(chart(points).to_html().len() < 20_000);
    }
}
