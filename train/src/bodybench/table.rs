//! The result as text for a terminal of 80 columns.

use std::fmt::Write as _;

use super::figures::{BodyBench, FIGURES, Figures, Interval};

/// Columns of measures side by side.
const ACROSS: usize = 3;

/// A bench's figures as lines of at most 80 characters.
pub fn table(bench: &BodyBench) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "BodyBench, seed {}, model {}", bench.seed, shortened(&bench.model));
    let _ = writeln!(
        text,
        "{} people, {} twins of {} families, probe fitted on {} others\n",
        bench.people, bench.twins.people, bench.twins.families, bench.probe.people
    );
    main_figures(&mut text, bench);
    by_views(&mut text, bench);
    calibration(&mut text, bench);
    each_measure(&mut text, bench);
    text
}

fn main_figures(text: &mut String, bench: &BodyBench) {
    let views = format!("{} views", bench.views);
    heading(text, &views, &FIGURES.map(|figure| format!("{figure:<17}")).concat());
    let with_intervals = |figures: &Figures, intervals: &Figures<Interval>| {
        figures.zip(intervals, |&figure, interval| format!("{:<17}", cell(figure, interval)))
    };
    let line = |text: &mut String, name: &str, cells: &Figures<String>| {
        heading(text, name, &cells.array().map(String::as_str).concat());
    };
    line(text, "c_body", &with_intervals(&bench.figures(), &bench.intervals.figures));
    let intervals = bench.intervals.baselines.named();
    for ((name, baseline), (_, intervals)) in bench.baselines.named().into_iter().zip(intervals) {
        line(text, name, &with_intervals(&baseline.figures, intervals));
    }
    let (all, twins) = (bench.chance.retrieval_at_1, bench.chance.twins_retrieval_at_1);
    heading(text, "chance", &format!("{:<17}{:<17}{:<17}0.00", short(all), short(twins), "0.00"));
    let _ = writeln!(text, "c_body above");
    let above = bench.intervals.above.named();
    for ((name, baseline), (_, intervals)) in bench.baselines.named().into_iter().zip(above) {
        let lead = bench.figures().zip(&baseline.figures, |ours, theirs| ours - theirs);
        line(text, &format!("  {name}"), &with_intervals(&lead, intervals));
    }
    let _ = writeln!(text, "In brackets 95 % of draws of people.\n");
}

fn by_views(text: &mut String, bench: &BodyBench) {
    let figures = FIGURES.map(|figure| format!("{figure:>12}")).concat();
    let _ = writeln!(text, "views{figures}      σ  error  σ/σ₁  e/e₁");
    for (row, calibration) in bench.by_views.iter().zip(&bench.calibration.by_views) {
        let figures = row.figures.array().map(|&figure| format!("{:>12}", short(figure))).concat();
        let [sigma, error] = [row.sigma, calibration.error].map(short);
        let [sigmas, errors] = [calibration.sigma_ratio, calibration.error_ratio].map(short);
        let _ = writeln!(text, "{:>5}{figures}{sigma:>7}{error:>7}{sigmas:>6}{errors:>6}", row.views);
    }
}

fn calibration(text: &mut String, bench: &BodyBench) {
    let copies = &bench.copies;
    let narrowing =
        copies.narrowing.map_or_else(|| "–".to_owned(), |share| format!("{:.1} %", 100.0 * share));
    let _ = writeln!(
        text,
        "\n{} copies of one view narrow σ by {narrowing} of what {} views do",
        copies.views, copies.views
    );
    let disagreement = bench.calibration.by_views.iter().find(|row| row.views == bench.views);
    let _ = writeln!(
        text,
        "{} active dimensions; halves of a person's views are {} times as far apart,\nsquared, as their σ \
         says; rank correlation of σ and error: {} over views,\n{} over people\n",
        bench.calibration.active_dimensions,
        optional(disagreement.and_then(|row| row.disagreement)),
        optional(bench.calibration.spearman_views),
        optional(bench.calibration.spearman_people),
    );
}

fn each_measure(text: &mut String, bench: &BodyBench) {
    let _ = writeln!(text, "R² of each measure from {} views", bench.views);
    let ranked = ranked(bench);
    let rows = ranked.len().div_ceil(ACROSS);
    for row in 0..rows {
        let cells = (0..ACROSS).filter_map(|column| ranked.get(column * rows + row));
        let cells: Vec<String> =
            cells.map(|(name, value)| format!("{name:<16}{:>5}", optional(*value))).collect();
        let _ = writeln!(text, "{}", cells.join("     "));
    }
}

/// The measures, the best explained first; those without a value last.
pub(crate) fn ranked(bench: &BodyBench) -> Vec<(&str, Option<f64>)> {
    let mut ranked: Vec<(&str, Option<f64>)> =
        bench.r2.each.iter().map(|(name, &value)| (name.as_str(), value)).collect();
    ranked.sort_by(|(_, a), (_, b)| {
        let key = |value: &Option<f64>| value.unwrap_or(f64::NEG_INFINITY);
        key(b).total_cmp(&key(a))
    });
    ranked
}

fn heading(text: &mut String, name: &str, cells: &str) {
    let _ = writeln!(text, "{}", format!("{name:<11}{cells}").trim_end());
}

/// `0.97 [0.93,1.00]`, 16 characters.
fn cell(value: f64, [low, high]: &Interval) -> String {
    format!("{} [{},{}]", short(value), short(*low), short(*high))
}

fn optional(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), short)
}

/// In four characters: `0.97`, `-.12`, `-3.4`, `-120`.
fn short(value: f64) -> String {
    let two = format!("{value:.2}");
    if two == "-0.00" {
        "0.00".to_owned()
    } else if value >= 0.0 {
        two
    } else if value > -0.995 {
        two.replace("-0.", "-.")
    } else if value > -9.95 {
        format!("{value:.1}")
    } else {
        format!("{:.0}", value.max(-999.0))
    }
}

fn shortened(model: &str) -> String {
    model.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_take_four_characters() {
        let shown = [0.974, 1.0, -0.001, -0.123, -0.999, -3.44, -120.4, -5000.0].map(short);
        assert_eq!(shown, ["0.97", "1.00", "0.00", "-.12", "-1.0", "-3.4", "-120", "-999"]);
    }
}
