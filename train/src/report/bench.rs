//! The section of BodyBench: figures beside baselines, against the number of views, and each
//! measure.

use std::fmt::Write as _;

use super::chart::{Chart, Level, Scale, Series};
use super::escape::escape;
use crate::bodybench::figures::{BodyBench, FIGURES, Figures, Interval};
use crate::bodybench::table::ranked;

/// The section's HTML.
pub fn section(bench: &BodyBench) -> String {
    let mut html = format!(
        "<h2 id=\"bodybench\">BodyBench</h2><p>Seed {}: {} people who were never trained on, {} twins \
         of {} families, \
         a linear probe fitted on {} others. Model <code>{}</code>.</p>\n",
        bench.seed,
        bench.people,
        bench.twins.people,
        bench.twins.families,
        bench.probe.people,
        escape(&bench.model)
    );
    html.push_str(&beside_baselines(bench));
    html.push_str("<div class=\"charts\">\n");
    for chart in charts(bench) {
        html.push_str(&chart.to_html());
    }
    html.push_str("</div>\n");
    html.push_str(&each_measure(bench));
    html
}

fn beside_baselines(bench: &BodyBench) -> String {
    let mut html = format!(
        "<section class=\"card scroll\"><h3>From {} views, beside readings without c_body</h3>\
         <p>Small: 95 % of draws of people. The last rows are how far c_body is above each; in \
         bold where that is above 0 in all of these draws.</p>\
         <table class=\"figures\"><thead><tr><th></th>",
        bench.views
    );
    for figure in FIGURES {
        let _ = write!(html, "<th>{figure}</th>");
    }
    html.push_str("</tr></thead><tbody>");
    row(&mut html, "c_body", "main", &bench.figures(), &bench.intervals.figures, false);
    let intervals = bench.intervals.baselines.named();
    for ((name, baseline), (_, intervals)) in bench.baselines.named().into_iter().zip(intervals) {
        row(&mut html, name, "", &baseline.figures, intervals, false);
    }
    let (all, twins) = (bench.chance.retrieval_at_1, bench.chance.twins_retrieval_at_1);
    let _ = write!(
        html,
        "<tr><th>chance</th><td>{}</td><td>{}</td><td>0.00</td><td>0.00</td></tr>",
        short(all),
        short(twins)
    );
    let above = bench.intervals.above.named();
    for ((name, baseline), (_, intervals)) in bench.baselines.named().into_iter().zip(above) {
        let lead = bench.figures().zip(&baseline.figures, |ours, theirs| ours - theirs);
        let class = if name == "joints" { "first" } else { "" };
        row(&mut html, &format!("over {name}"), class, &lead, intervals, true);
    }
    html.push_str("</tbody></table></section>\n");
    html
}

fn row(
    html: &mut String,
    name: &str,
    class: &str,
    figures: &Figures,
    intervals: &Figures<Interval>,
    is_lead: bool,
) {
    let _ = write!(html, "<tr class=\"{class}\"><th>{}</th>", escape(name));
    for (figure, [low, high]) in figures.array().into_iter().zip(intervals.array()) {
        let shown = short(*figure);
        let shown = if is_lead && *low > 0.0 { format!("<b>{shown}</b>") } else { shown };
        let _ = write!(html, "<td>{shown} <small>{} to {}</small></td>", short(*low), short(*high));
    }
    html.push_str("</tr>");
}

fn charts(bench: &BodyBench) -> Vec<Chart> {
    let views: Vec<f64> = bench.by_views.iter().map(|row| row.views as f64).collect();
    let chart = |title: &str, note: &str| start_chart(title, note, &views);
    let chance = [Some(bench.chance.retrieval_at_1), Some(bench.chance.twins_retrieval_at_1), None, None];
    let notes = [
        "Share of people found first among all, from other views in other clothes.",
        "The same among people who differ in the measures of their bodies only.",
        "Upper arm, forearm, thigh, shin: what a linear probe explains.",
        "Shoulders, hips, chest, waist, pelvis: what a linear probe explains.",
    ];
    let mut charts: Vec<Chart> = (0..FIGURES.len())
        .map(|figure| {
            let pick = |figures: &Figures| *figures.array()[figure];
            let mut ours = Series::new(
                "c_body",
                bench.by_views.iter().map(|row| (row.views as f64, pick(&row.figures))).collect(),
            );
            ours.band = bench
                .intervals
                .by_views
                .iter()
                .map(|row| (row.views as f64, row.figures.array()[figure][0], row.figures.array()[figure][1]))
                .collect();
            let theirs = bench.baselines.named().map(|(name, baseline)| {
                let points = baseline.by_views.iter().map(|row| (row.views as f64, pick(&row.figures)));
                Series::new(name, points.collect()).dashed()
            });
            let lowest = theirs
                .iter()
                .chain([&ours])
                .flat_map(|series| &series.points)
                .map(|(_, y)| *y)
                .fold(0.0, f64::min);
            Chart {
                // far below 0 all readings are equally useless
                y_range: Some((lowest.clamp(-0.5, 0.0) - if lowest < 0.0 { 0.04 } else { 0.0 }, 1.0)),
                series: [ours].into_iter().chain(theirs).collect(),
                levels: chance[figure].map(|y| Level { y, name: "chance".to_owned() }).into_iter().collect(),
                ..chart(FIGURES[figure], notes[figure])
            }
        })
        .collect();
    charts.push(calibration(bench, chart("σ and error", "Over those of one view.")));
    charts
}

fn start_chart(title: &str, note: &str, views: &[f64]) -> Chart {
    Chart {
        title: title.to_owned(),
        note: note.to_owned(),
        x_label: "views".to_owned(),
        x: Scale::Log,
        x_ticks: views.to_vec(),
        ..Chart::default()
    }
}

fn calibration(bench: &BodyBench, chart: Chart) -> Chart {
    let rows = &bench.calibration.by_views;
    let copies = &bench.copies;
    let narrowing =
        copies.narrowing.map_or_else(|| "–".to_owned(), |share| format!("{:.1} %", 100.0 * share));
    let sigma = rows.iter().map(|row| (row.views as f64, row.sigma_ratio)).collect();
    let error = rows.iter().map(|row| (row.views as f64, row.error_ratio)).collect();
    let copied = vec![(1.0, 1.0), (copies.views as f64, copies.sigma_copies / copies.sigma_one)];
    Chart {
        note: format!(
            "Over those of one view. {} copies of one view narrow σ by {narrowing} of what {} views do.",
            copies.views, copies.views
        ),
        series: vec![
            Series::new("σ", sigma),
            Series::new("error of the probe", error),
            Series::new("σ, copies of one view", copied).dashed(),
        ],
        ..chart
    }
}

fn each_measure(bench: &BodyBench) -> String {
    let mut html = format!(
        "<section class=\"card\"><h3>R² of each measure</h3><p>From {} views, on people the probe has \
         not seen; the \
         lines are 95 % of draws of people. In bold the lengths and widths of the figures above.</p>\
         <table class=\"bars\">",
        bench.views
    );
    let grouped =
        |name: &str| bench.measures.lengths.iter().chain(&bench.measures.widths).any(|other| other == name);
    let percent = |value: f64| 100.0 * value.clamp(0.0, 1.0);
    for (name, value) in ranked(bench) {
        let shown = escape(&name.replace('_', " "));
        let shown = if grouped(name) { format!("<b>{shown}</b>") } else { shown };
        let whisker = bench.intervals.each.get(name).map_or_else(String::new, |&[low, high]| {
            let (low, high) = (percent(low), percent(high));
            format!("<s style=\"left:{low:.1}%;width:{:.1}%\"></s>", high - low)
        });
        let _ = write!(
            html,
            "<tr><th>{shown}</th><td class=\"bar\"><div><i style=\"width:{:.1}%\"></i>{whisker}</div>\
             </td><td>{}</td></tr>",
            percent(value.unwrap_or(0.0)),
            value.map_or_else(|| "–".to_owned(), short)
        );
    }
    html.push_str("</table></section>\n");
    html
}

/// Two digits after the point, with a minus of a digit's width.
fn short(value: f64) -> String {
    let text = format!("{value:.2}");
    if text == "-0.00" { "0.00".to_owned() } else { text.replace('-', "−") }
}
