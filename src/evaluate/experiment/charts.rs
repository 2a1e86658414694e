//! The page's charts, from results alone.

use train::report::standalone::chart_file;
use train::report::{Chart, IntervalRow, Intervals, Level, Scale, Series};

use super::results::{ArmFigures, Estimate, Results};

/// The folder of charts and pictures, beside the page.
pub const FOLDER: &str = "experiment";

/// What the arms are called.
pub fn name(arm: &str) -> &str {
    match arm {
        "text" => "text alone",
        "ref" => "+ ref",
        "body" => "+ body",
        "both" => "+ both",
        "ip-adapter" => "IP-Adapter",
        "dreambooth" => "DreamBooth",
        other => other,
    }
}

/// A figure that is drawn.
struct Shown {
    /// The first part of the files' names.
    file: &'static str,
    title: &'static str,
    of: fn(&ArmFigures) -> &Estimate,
    levels: fn(&Results) -> Vec<(f64, String)>,
}

fn own_and_other(own: &Estimate, other: &Estimate) -> Vec<(f64, String)> {
    let level = |of: &Estimate, name: &str| of.value.map(|value| (value, name.to_owned()));
    level(own, "own photos").into_iter().chain(level(other, "another's")).collect()
}

const SHOWN: [Shown; 4] = [
    Shown {
        file: "limbs",
        title: "Limb-ratio error",
        of: |arm| &arm.limb_ratio_error,
        levels: |found| {
            own_and_other(&found.photos.limb_ratio_error_own, &found.photos.limb_ratio_error_other)
        },
    },
    Shown {
        file: "widths",
        title: "Width error",
        of: |arm| &arm.width_error,
        levels: |found| own_and_other(&found.photos.width_error_own, &found.photos.width_error_other),
    },
    Shown {
        file: "body-score",
        title: "Body score",
        of: |arm| &arm.body_score,
        levels: |_| vec![(0.0, "another person".to_owned()), (1.0, "own photos".to_owned())],
    },
    Shown {
        file: "retrieval",
        title: "Retrieval@1",
        of: |arm| &arm.retrieval_at_1,
        levels: |found| {
            let chance = (found.photos.retrieval_at_1_chance, "chance".to_owned());
            let own = found.photos.retrieval_at_1_own.value.map(|own| (own, "own photos".to_owned()));
            std::iter::once(chance).chain(own).collect()
        },
    },
];

/// The names of the charts in a row: of the ways of drawing, and of the number of views.
pub fn files() -> Vec<(String, String)> {
    SHOWN
        .iter()
        .map(|shown| (format!("{}.svg", shown.file), format!("{}-by-views.svg", shown.file)))
        .collect()
}

/// Every chart with its file's name.
pub fn charts(results: &Results) -> Vec<(String, String)> {
    let of = |shown: &Shown| {
        let by_arm = (format!("{}.svg", shown.file), arms(results, shown).to_file());
        [by_arm, (format!("{}-by-views.svg", shown.file), chart_file(&by_views(results, shown)))]
    };
    SHOWN.iter().flat_map(of).collect()
}

fn arms(results: &Results, shown: &Shown) -> Intervals {
    let rows = results.arms.iter().enumerate().map(|(colour, arm)| draw_arm(colour, arm, shown));
    Intervals { title: shown.title.to_owned(), rows: rows.collect(), levels: (shown.levels)(results) }
}

fn draw_arm(colour: usize, arm: &ArmFigures, shown: &Shown) -> IntervalRow {
    let estimate = (shown.of)(arm);
    IntervalRow {
        name: name(&arm.arm).to_owned(),
        value: estimate.value,
        interval: estimate.low.zip(estimate.high),
        parts: estimate.by_training.iter().flatten().copied().collect(),
        colour,
    }
}

fn by_views(results: &Results, shown: &Shown) -> Chart {
    let points = results.by_views.iter().filter_map(|arm| Some((arm.photos as f64, (shown.of)(arm).value?)));
    let band = results.by_views.iter().filter_map(|arm| {
        let estimate = (shown.of)(arm);
        Some((arm.photos as f64, estimate.low?, estimate.high?))
    });
    let levels = (shown.levels)(results).into_iter().map(|(y, name)| Level { y, name }).collect();
    let text = results.arm("text").and_then(|arm| (shown.of)(arm).value);
    let views = || results.by_views.iter().map(|arm| arm.photos as f64);
    let beside = text.map(|y| Series::new(name("text"), views().map(|x| (x, y)).collect()).dashed());
    let ours = Series { band: band.collect(), ..Series::new(name("body"), points.collect()) };
    Chart {
        title: format!("{} by photos of the body", shown.title),
        x_label: "photos that c_body is made of".to_owned(),
        x: Scale::Log,
        x_ticks: views().collect(),
        series: std::iter::once(ours).chain(beside).collect(),
        levels,
        ..Chart::default()
    }
}
