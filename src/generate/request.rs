//! What was typed, checked before a model is loaded.

use std::path::PathBuf;

use train::diffusion::scheduler::SamplerKind;
use train::generate::Settings;

use super::axis::{Axis, Value};
use super::error::RequestError;
use crate::cli::GenerateArgs;

/// The largest weight of a stream that still gives pictures.
const MOST_LAMBDA: f64 = 2.0;
/// The most pictures of one command: a typing error in a grid must not fill the disk.
const MOST_PICTURES: usize = 1000;

/// One picture of a request.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    pub prompt: String,
    /// Whose body: the words of `--body`.
    pub body: Option<Vec<String>>,
    pub lambda_body: f64,
    pub lambda_ref: f64,
    pub guidance: f64,
    pub steps: usize,
    pub seed: u64,
}

/// A request that makes sense so far.
#[derive(Debug)]
pub struct Request {
    first: Cell,
    batch: u64,
    axes: Vec<Axis>,
    size: (Option<usize>, Option<usize>),
    has_reference: bool,
    /// The method, where one was named.
    pub kind: Option<SamplerKind>,
}

impl Request {
    /// Checks all that can be checked without a model.
    pub fn new(args: &GenerateArgs) -> Result<Self, RequestError> {
        let first = Cell {
            prompt: args.prompt.clone().unwrap_or_default(),
            body: (!args.body.is_empty()).then(|| args.body.clone()),
            lambda_body: args.lambda_body,
            lambda_ref: args.lambda_ref,
            guidance: args.guidance,
            steps: args.steps,
            seed: args.seed,
        };
        let axes = args.grid.iter().map(|text| Axis::parse(text)).collect::<Result<Vec<_>, _>>()?;
        if let [a, b, rest @ ..] = &axes[..]
            && (a.name == b.name || !rest.is_empty())
        {
            let reason = "a sheet has one or two axes, each of another kind".to_owned();
            return Err(RequestError::Axis { text: args.grid.join(" --grid "), reason });
        }
        for (flag, side) in [("width", args.width), ("height", args.height)] {
            check_side(flag, side, 8)?;
        }
        if let Some(spacing) = args.spacing.as_ref().filter(|name| !SPACINGS.contains(&name.as_str())) {
            return Err(RequestError::Spacing(spacing.clone()));
        }
        let kind = args.scheduler.as_ref().map(|name| name.parse()).transpose();
        let request = Self {
            first,
            batch: args.batch,
            axes,
            size: (args.width, args.height),
            has_reference: args.reference.is_some(),
            kind: kind.map_err(RequestError::Scheduler)?,
        };
        if args.batch == 0 || request.count() > MOST_PICTURES {
            let expected = format!("from 1 to {MOST_PICTURES} pictures");
            let flag = if args.grid.is_empty() { "batch" } else { "grid" };
            return Err(RequestError::Number { flag, value: request.count() as f64, expected });
        }
        request.cells().iter().try_for_each(check_cell)?;
        Ok(request)
    }

    fn count(&self) -> usize {
        let axes: usize = self.axes.iter().map(|axis| axis.values.len()).product();
        axes.saturating_mul(usize::try_from(self.batch).unwrap_or(usize::MAX))
    }

    /// Whether a picture of it has a body or a reference.
    pub fn wants_adapter(&self) -> bool {
        self.has_reference || self.cells().iter().any(|cell| cell.body.is_some())
    }

    /// All numbers of steps.
    pub fn steps(&self) -> Vec<usize> {
        self.cells().iter().map(|cell| cell.steps).collect()
    }

    /// The pictures, row by row.
    pub fn cells(&self) -> Vec<Cell> {
        let rows = spread(&self.first, self.axes.get(1));
        let cells = rows.iter().flat_map(|row| spread(row, self.axes.first()));
        let seeds = |cell: Cell| {
            (0..self.batch).map(move |i| Cell { seed: cell.seed.wrapping_add(i), ..cell.clone() })
        };
        cells.flat_map(seeds).collect()
    }

    /// Pictures beside each other on the sheet, where there is one.
    pub fn columns(&self) -> Option<usize> {
        self.axes.first().map(|axis| axis.values.len())
    }

    /// What the sheet shows.
    pub fn legend(&self) -> String {
        let axes: Vec<String> = self.axes.iter().map(Axis::legend).collect();
        match &axes[..] {
            [columns, rows] => format!("columns {columns}; rows {rows}"),
            _ => format!("columns {}", axes.join("")),
        }
    }

    /// Width and height in px; the base's where none was given.
    pub fn size(&self, default_px: usize, cell_px: usize) -> Result<(usize, usize), RequestError> {
        for (flag, side) in [("width", self.size.0), ("height", self.size.1)] {
            check_side(flag, side, cell_px.max(8))?;
        }
        Ok((self.size.0.unwrap_or(default_px), self.size.1.unwrap_or(default_px)))
    }
}

/// A cell for each value of an axis.
fn spread(cell: &Cell, axis: Option<&Axis>) -> Vec<Cell> {
    match axis {
        Some(axis) => axis.values.iter().map(|value| with(cell, value)).collect(),
        None => vec![cell.clone()],
    }
}

const SPACINGS: [&str; 3] = ["leading", "linspace", "trailing"];

fn with(cell: &Cell, value: &Value) -> Cell {
    let cell = cell.clone();
    match value.clone() {
        Value::Prompt(prompt) => Cell { prompt, ..cell },
        Value::Body(who) => Cell { body: Some(vec![who]), ..cell },
        Value::LambdaBody(lambda_body) => Cell { lambda_body, ..cell },
        Value::LambdaRef(lambda_ref) => Cell { lambda_ref, ..cell },
        Value::Guidance(guidance) => Cell { guidance, ..cell },
        Value::Steps(steps) => Cell { steps, ..cell },
        Value::Seed(seed) => Cell { seed, ..cell },
    }
}

fn check_cell(cell: &Cell) -> Result<(), RequestError> {
    if cell.prompt.trim().is_empty() {
        return Err(RequestError::EmptyPrompt);
    }
    let within =
        |flag: &'static str, value: f64, most: f64, expected: &str| match (0.0..=most).contains(&value) {
            true => Ok(()),
            false => Err(RequestError::Number { flag, value, expected: expected.to_owned() }),
        };
    within(
        "lambda-body",
        cell.lambda_body,
        MOST_LAMBDA,
        "weights of streams are from 0 to 2; 1 is as trained",
    )?;
    within(
        "lambda-ref",
        cell.lambda_ref,
        MOST_LAMBDA,
        "weights of streams are from 0 to 2; 1 is as trained",
    )?;
    within("guidance", cell.guidance, 100.0, "from 0 to 100; 4 to 8 are usual, up to 1 is none")?;
    within("steps", cell.steps as f64 - 1.0, 9_999.0, "from 1 on; 20 to 50 are usual").map_err(|_| {
        RequestError::Number { flag: "steps", value: cell.steps as f64, expected: "from 1 to 10000".into() }
    })
}

fn check_side(flag: &'static str, side: Option<usize>, cell: usize) -> Result<(), RequestError> {
    match side {
        Some(value) if value == 0 || value > 4096 || !value.is_multiple_of(cell) => {
            Err(RequestError::Side { flag, value, cell })
        }
        _ => Ok(()),
    }
}

/// LoRAs as `FILE` or `FILE:WEIGHT`.
pub fn loras(texts: &[String]) -> Result<Vec<(PathBuf, f64)>, RequestError> {
    texts.iter().map(|text| parse_lora(text)).collect()
}

fn parse_lora(text: &str) -> Result<(PathBuf, f64), RequestError> {
    match text.rsplit_once(':') {
        Some((file, scale)) => match scale.parse::<f64>() {
            Ok(scale) if scale.is_finite() => Ok((PathBuf::from(file), scale)),
            _ => Err(RequestError::Lora(text.to_owned())),
        },
        None => Ok((PathBuf::from(text), 1.0)),
    }
}

/// Checks settings that were written in a picture, by the same limits.
pub fn check(settings: &Settings) -> Result<(), RequestError> {
    check_side("width", Some(settings.width), 8)?;
    check_side("height", Some(settings.height), 8)?;
    check_cell(&Cell {
        prompt: settings.prompt.clone(),
        body: None,
        lambda_body: settings.lambda_body,
        lambda_ref: settings.lambda_ref,
        guidance: settings.guidance,
        steps: settings.steps,
        seed: settings.seed,
    })
}

/// As `--scheduler` takes it.
pub fn name_of(kind: SamplerKind) -> &'static str {
    match kind {
        SamplerKind::Ddpm => "ddpm",
        SamplerKind::Ddim => "ddim",
        SamplerKind::Euler => "euler",
        SamplerKind::DpmSolver => "dpm++2m",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use train::generate::settings::{ModelName, ModelNames};

    #[test]
    fn settings_that_a_stranger_wrote_are_held_to_the_same_limits() {
        let base = ModelName { path: "base".to_owned(), sha256: photo::Digest::of("base") };
        let good = Settings {
            prompt: "a person".to_owned(),
            negative_prompt: String::new(),
            body: None,
            reference: None,
            lambda_body: 1.0,
            lambda_ref: 1.0,
            guidance: 4.0,
            scheduler: "ddim".to_owned(),
            spacing: None,
            steps: 25,
            seed: 1,
            width: 64,
            height: 64,
            models: ModelNames::of_base(base),
            program_version: String::new(),
        };
        assert!(check(&good).is_ok());
        for (bad, said) in [
            (Settings { width: 1 << 30, ..good.clone() }, "--width 1073741824"),
            (Settings { height: 12, ..good.clone() }, "--height 12"),
            (Settings { steps: usize::MAX, ..good.clone() }, "--steps"),
            (Settings { guidance: f64::INFINITY, ..good.clone() }, "--guidance inf"),
            (Settings { lambda_body: -1.0, ..good.clone() }, "--lambda-body -1"),
            (Settings { prompt: String::new(), ..good.clone() }, "--prompt"),
        ] {
            let message = check(&bad).unwrap_err().to_string();
            assert!(message.contains(said), "{message}");
        }
    }
}
