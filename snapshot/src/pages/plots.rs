//! The drawings of a snapshot's card: SVG files that a browser, a code host and a converter show alike. Numbers are
//! rounded where they are written, so that equal snapshots have equal bytes.

use std::fmt::Write as _;

use photo::joints::JOINT_NAMES;

use super::composition::{Composition, histogram};
use super::report::escape;
use crate::manifest::Counts;

/// The folder of the drawings.
pub(crate) const FOLDER: &str = "plots";

/// A drawing.
pub(crate) struct Plot {
    /// Relative to the snapshot's folder.
    pub path: String,
    /// What it shows.
    pub title: &'static str,
    /// The SVG.
    pub svg: String,
}

const WIDTH: usize = 640;
/// Where bars begin: room for `near_duplicate` and the ranges of histograms.
const LEFT: usize = 150;
/// Room for the number behind the longest bar.
const RIGHT: usize = 70;
const TOP: usize = 40;
const ROW: usize = 22;
const BAR: usize = 16;
/// Bins of the scores from 0 to 1.
const BINS: usize = 10;

/// The drawings of a snapshot; none that would be empty.
pub(crate) fn all(composition: &Composition, counts: &Counts) -> Vec<Plot> {
    let joints = JOINT_NAMES.iter().zip(composition.joints_seen);
    let joints: Vec<_> = joints.map(|(name, seen)| (name.replace('_', " "), seen)).collect();
    let mut reasons: Vec<_> =
        counts.reasons.iter().map(|(name, photos)| (name.replace('_', " "), *photos)).collect();
    reasons.sort_by(|a, b| (b.1, &a.0).cmp(&(a.1, &b.0)));
    let bars = [
        (
            "photos-per-person",
            "People by number of kept photos",
            count_by_range(&composition.photos_per_person),
        ),
        ("sizes", "Kept photos by shorter side in px", count_by_range(&composition.shorter_sides_px)),
        ("joints", "Kept photos in which a joint is seen", joints),
        ("dropped", "Dropped photos by reason (one may have several)", reasons),
    ];
    let mut plots: Vec<Plot> = bars
        .into_iter()
        .filter(|(_, _, rows)| rows.iter().any(|(_, count)| *count > 0))
        .map(|(name, title, rows)| plot(name, title, bars_svg(title, &rows)))
        .collect();
    let shares: Vec<_> = (composition.scores.iter())
        .filter(|(name, _)| ["watermark", "face", "person"].contains(name))
        .map(|(name, scores)| (*name, binned(scores)))
        .collect();
    if !shares.is_empty() {
        let title = "Scores of kept photos, 0 to 1";
        plots.push(plot("scores", title, columns_svg(title, &shares)));
    }
    plots
}

fn count_by_range(numbers: &[f64]) -> Vec<(String, usize)> {
    let label = |from: f64, to: f64| match to - from {
        1.0 => format!("{from:.0}"),
        _ => format!("{from:.0} to {:.0}", to - 1.0),
    };
    histogram(numbers).into_iter().map(|(from, to, count)| (label(from, to), count)).collect()
}

fn plot(name: &str, title: &'static str, svg: String) -> Plot {
    Plot { path: format!("{FOLDER}/{name}.svg"), title, svg }
}

fn binned(scores: &[f64]) -> [usize; BINS] {
    let mut bins = [0; BINS];
    for score in scores {
        bins[((score * BINS as f64) as usize).min(BINS - 1)] += 1;
    }
    bins
}

/// The white ground makes it legible on dark pages too.
fn open(height: usize, title: &str) -> String {
    let title = escape(title);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" viewBox=\"0 0 {WIDTH} {height}\" \
         role=\"img\" aria-label=\"{title}\" font-family=\"sans-serif\" font-size=\"13\" fill=\"#222\">\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#fff\"/>\n\
         <text x=\"12\" y=\"24\" font-size=\"15\" font-weight=\"bold\">{title}</text>\n"
    )
}

/// A row per label with a bar as long as its count, and the count.
fn bars_svg(title: &str, rows: &[(String, usize)]) -> String {
    let height = TOP + rows.len() * ROW + 12;
    let most = rows.iter().map(|(_, count)| *count).max().unwrap_or(0).max(1);
    let mut svg = open(height, title);
    for (row, (label, count)) in rows.iter().enumerate() {
        let y = TOP + row * ROW;
        let text_y = y + BAR - 3;
        let width = length(*count, most, WIDTH - LEFT - RIGHT);
        let label_x = LEFT - 8;
        let count_x = LEFT as f64 + width + 6.0;
        let _ = writeln!(
            svg,
            "<text x=\"{label_x}\" y=\"{text_y}\" text-anchor=\"end\">{}</text>\
             <rect x=\"{LEFT}\" y=\"{y}\" width=\"{width:.1}\" height=\"{BAR}\" fill=\"#3b6ea5\"/>\
             <text x=\"{count_x:.1}\" y=\"{text_y}\">{count}</text>",
            escape(label)
        );
    }
    svg.push_str("</svg>\n");
    svg
}

/// A small chart of columns per score, side by side.
fn columns_svg(title: &str, scores: &[(&str, [usize; BINS])]) -> String {
    const PANEL: usize = 200;
    const HIGH: usize = 110;
    let height = TOP + HIGH + 46;
    let base = TOP + HIGH;
    let mut svg = open(height, title);
    for (panel, (name, bins)) in scores.iter().enumerate() {
        let left = 20 + panel * PANEL;
        let most = bins.iter().copied().max().unwrap_or(0).max(1);
        for (bin, count) in bins.iter().enumerate() {
            let high = length(*count, most, HIGH - 14);
            let (x, y) = (left + bin * 17, base as f64 - high);
            let _ = writeln!(
                svg,
                "<rect x=\"{x}\" y=\"{y:.1}\" width=\"15\" height=\"{high:.1}\" fill=\"#3b6ea5\"/>"
            );
        }
        let (right, middle) = (left + BINS * 17 - 2, left + BINS * 17 / 2);
        let (ticks_y, name_y) = (base + 15, base + 34);
        let _ = writeln!(
            svg,
            "<path d=\"M{left} {base}H{right}\" stroke=\"#888\"/>\
             <text x=\"{left}\" y=\"{ticks_y}\">0</text><text x=\"{right}\" y=\"{ticks_y}\" text-anchor=\"end\">1</text>\
             <text x=\"{middle}\" y=\"{name_y}\" text-anchor=\"middle\">{} (tallest: {most})</text>",
            escape(name)
        );
    }
    svg.push_str("</svg>\n");
    svg
}

fn length(count: usize, most: usize, full: usize) -> f64 {
    full as f64 * count as f64 / most as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_text_and_bars_are_as_long_as_their_counts() {
        let svg =
            bars_svg("a <b>", &[("<i>".to_owned(), 10), ("half".to_owned(), 5), ("none".to_owned(), 0)]);
        assert!(!svg.contains("<b>") && !svg.contains("<i>") && svg.contains("&lt;i&gt;"));
        for width in ["width=\"420.0\"", "width=\"210.0\"", "width=\"0.0\""] {
            assert!(svg.contains(width), "{width} in {svg}");
        }
    }

    #[test]
    fn every_score_falls_into_a_bin() {
        assert_eq!(binned(&[0.0, 0.05, 0.999, 1.0]), [2, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
    }
}
