//! The curves of a run, from its log.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::chart::{Chart, Series};
use crate::run::{RunError, RunFolder, RunLog};

/// The lines of a run's log.
#[derive(Clone, Debug)]
pub struct Curves {
    log: Vec<Value>,
}

impl Curves {
    /// Of `run`; `latest` is a validation that its log does not have yet: its step and numbers.
    ///
    /// # Errors
    /// Where the log cannot be read.
    pub fn of(run: &RunFolder, latest: Option<(u64, &BTreeMap<String, f64>)>) -> Result<Self, RunError> {
        let path = run.log_path();
        let mut log = if path.exists() { RunLog::read(&path)? } else { Vec::new() };
        log.extend(
            latest.map(|(step, numbers)| json!({ "kind": "validation", "step": step, "numbers": numbers })),
        );
        Ok(Self { log })
    }

    /// The last step, and the numbers of the last validation.
    pub fn tiles(&self) -> Vec<(String, String)> {
        let mut tiles = Vec::new();
        if let Some(step) = self.of_kind("step").last().and_then(|line| line["step"].as_u64()) {
            tiles.push(("steps".to_owned(), step.to_string()));
        }
        let numbers = self.of_kind("validation").last().and_then(|line| line["numbers"].as_object());
        for (name, value) in numbers.into_iter().flatten() {
            let value = value.as_f64().map_or("–".to_owned(), |value| format!("{value:.3}"));
            tiles.push((name.replace('_', " "), value));
        }
        tiles
    }

    /// A chart of the loss, of the gradients' norm and of each term.
    pub fn trained(&self) -> Vec<Chart> {
        let mut curves: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
        for line in self.of_kind("step") {
            let Some(step) = line["step"].as_f64() else { continue };
            let mut add = |name: &str, value: &Value| {
                if let Some(value) = value.as_f64() {
                    curves.entry(name.to_owned()).or_default().push((step, value));
                }
            };
            for name in ["loss", "gradient_norm"] {
                add(name, &line[name]);
            }
            for (name, value) in line["terms"].as_object().into_iter().flatten() {
                add(name, value);
            }
        }
        let chart = |(name, points): (String, Vec<(f64, f64)>)| {
            let title = name.replace('_', " ");
            chart(title.clone(), vec![Series::new(title, points).smoothed()])
        };
        curves.into_iter().map(chart).collect()
    }

    /// One chart of some numbers of the validations; `None` where there are none of them.
    pub fn validated(&self, title: &str, names: &[&str]) -> Option<Chart> {
        let series = |name: &&str| {
            let point = |line: &Value| Some((line["step"].as_f64()?, line["numbers"][*name].as_f64()?));
            let points: Vec<(f64, f64)> = self.of_kind("validation").filter_map(point).collect();
            (!points.is_empty()).then(|| Series::new(name.replace('_', " "), points))
        };
        let series: Vec<Series> = names.iter().filter_map(series).collect();
        (!series.is_empty()).then(|| chart(title.to_owned(), series))
    }

    fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        self.log.iter().filter(move |line| line["kind"] == kind)
    }
}

fn chart(title: String, series: Vec<Series>) -> Chart {
    Chart { title, x_label: "step".to_owned(), series, ..Chart::default() }
}
