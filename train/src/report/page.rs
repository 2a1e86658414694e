//! The page and its sections.

use std::fmt::Write as _;

use super::bench;
use super::chart::Chart;
use super::curves::Curves;
use super::escape::escape;
use super::grid::Grid;
use super::picture::Picture;
use super::ticks;
use crate::bodybench::BodyBench;
use crate::run::{RunRecord, RunSpec};

/// Everything a report shows; what is empty is left out.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The run's name.
    pub title: String,
    /// A sentence below it.
    pub lead: String,
    /// Set when the run saw photos that are erased since: what to do about it.
    pub withdrawn: Option<String>,
    /// Few numbers to be seen first, each with its name: steps, photos, the loss.
    pub tiles: Vec<(String, String)>,
    /// Figures as a terminal shows them; may be empty.
    pub figures: String,
    /// What made the run: snapshot, seed, program version, parameters, time; name and value.
    pub facts: Vec<(String, String)>,
    /// The configuration as it was given.
    pub config: String,
    /// The curves.
    pub charts: Vec<Chart>,
    /// The pictures.
    pub grids: Vec<Grid>,
    /// The photos with the highest loss, in any order.
    pub worst: Vec<WorstPhoto>,
    /// How well the model knows a body.
    pub bench: Option<BodyBench>,
}

/// A photo that the model cannot explain: often one that curation should have dropped.
#[derive(Clone, Debug, Default)]
pub struct WorstPhoto {
    /// Its digest, 64 hex digits.
    pub sha256: String,
    /// Whom it is said to show.
    pub identity: String,
    /// Its loss.
    pub loss: f64,
    /// A small version.
    pub thumbnail: Option<Picture>,
}

impl Page {
    /// The page of a training: its name, the numbers of its log, and what made it. Charts and pictures are
    /// still to come.
    pub fn of_run(record: &RunRecord, curves: &Curves, lead: &str, config: &str) -> Self {
        let RunSpec { kind, name, snapshot, .. } = &record.spec;
        let fact = |name: &str, value: String| (name.to_owned(), value);
        Self {
            title: format!("{kind} {name}"),
            lead: lead.to_owned(),
            tiles: curves.tiles(),
            facts: vec![
                fact("run", record.id.clone()),
                fact("snapshot", format!("{} {}", snapshot.name, snapshot.id)),
                fact("seed", record.spec.seed.to_string()),
                fact("program", record.spec.program_version.clone()),
            ],
            config: config.to_owned(),
            ..Self::default()
        }
    }

    /// The page, in one piece: style, drawings and pictures are inside.
    pub fn to_html(&self) -> String {
        let title = escape(&self.title);
        let mut html = format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, \
             initial-scale=1\">\n<title>{title}</title>\n\
             <style>\n{}</style></head>\n<body>\n<header><h1>{title}</h1><p>{}</p></header>\n",
            include_str!("report.css"),
            escape(&self.lead)
        );
        if let Some(note) = &self.withdrawn {
            let _ = writeln!(
                html,
                "<section class=\"withdrawn\" role=\"alert\"><b>Withdrawn.</b> {}</section>",
                escape(note)
            );
        }
        self.tiles(&mut html);
        if !self.figures.is_empty() {
            let figures = escape(&self.figures);
            let _ = writeln!(
                html,
                "<h2 id=\"figures\">Figures</h2>\n<section class=\"card\"><pre>{figures}</pre></section>"
            );
        }
        self.charts(&mut html);
        if !self.grids.is_empty() {
            html.push_str("<h2 id=\"pictures\">Pictures</h2>\n");
            self.grids.iter().for_each(|grid| html.push_str(&grid.to_html()));
        }
        if let Some(found) = &self.bench {
            html.push_str(&bench::section(found));
        }
        self.worst(&mut html);
        self.facts(&mut html);
        html.push_str("</body></html>\n");
        html
    }

    fn tiles(&self, html: &mut String) {
        if self.tiles.is_empty() {
            return;
        }
        html.push_str("<section class=\"tiles\">");
        for (name, value) in &self.tiles {
            let _ = write!(html, "<div><b>{}</b><span>{}</span></div>", escape(value), escape(name));
        }
        html.push_str("</section>\n");
    }

    fn charts(&self, html: &mut String) {
        if self.charts.is_empty() {
            return;
        }
        html.push_str("<h2 id=\"curves\">Curves</h2>\n<div class=\"charts\">\n");
        self.charts.iter().for_each(|chart| html.push_str(&chart.to_html()));
        html.push_str("</div>\n");
    }

    fn worst(&self, html: &mut String) {
        if self.worst.is_empty() {
            return;
        }
        html.push_str(
            "<h2 id=\"worst\">Photos with the highest loss</h2>\n<section class=\"card\">\
             <p>Worst first. Another \
             person, a montage, a body hidden or cut off: what curation missed is often here, and the command says \
             where the photo is from and how it was judged.</p>\n\
             <table class=\"worst\"><thead><tr><th></th><th>loss</th><th>person</th><th>command</th>\
             </tr></thead><tbody>\n",
        );
        let mut worst: Vec<&WorstPhoto> = self.worst.iter().collect();
        // what is not finite is worse than all numbers
        let key = |photo: &WorstPhoto| if photo.loss.is_nan() { f64::INFINITY } else { photo.loss };
        worst.sort_by(|a, b| key(b).total_cmp(&key(a)).then_with(|| a.sha256.cmp(&b.sha256)));
        for photo in worst {
            let thumbnail = photo
                .thumbnail
                .as_ref()
                .map_or_else(String::new, |picture| format!("<img src=\"{}\" alt=\"\">", picture.data_uri()));
            let _ = writeln!(
                html,
                "<tr><td>{thumbnail}</td><td>{}</td><td>{}</td><td><code>bolid explain {}</code></td></tr>",
                ticks::value(photo.loss),
                escape(&photo.identity),
                escape(&photo.sha256)
            );
        }
        html.push_str("</tbody></table></section>\n");
    }

    fn facts(&self, html: &mut String) {
        if self.facts.is_empty() && self.config.is_empty() {
            return;
        }
        html.push_str("<h2 id=\"run\">Run</h2>\n<section class=\"card\"><dl>\n");
        for (name, value) in &self.facts {
            let _ = writeln!(html, "<dt>{}</dt><dd>{}</dd>", escape(name), escape(value));
        }
        html.push_str("</dl>\n");
        if !self.config.is_empty() {
            let config = escape(&self.config);
            let _ = writeln!(html, "<details><summary>Configuration</summary><pre>{config}</pre></details>");
        }
        html.push_str("</section>\n");
    }
}
