//! The report of an adapter's run: its curves, the grid prompt × body × λ_b, the photos it explains worst.

use std::collections::BTreeMap;

use snapshot::Pixels;

use super::batch::AdapterSource;
use super::model::{Adapter, Lambdas};
use super::pipeline::{PictureSpec, Pipeline};
use super::validation::{Case, CaseErrors};
use crate::cache::CachedText;
use crate::error::Error;
use crate::report::{Chart, Curves, Grid, Page, Picture, Row, WorstPhoto};
use crate::run::{RunError, RunFolder};
use crate::views::{ViewError, ViewReader};

/// What the page is about.
const LEAD: &str =
    "A frozen base with a stream for the body: does it draw the person, and leave the rest alone?";

/// Weights of the body's stream in the grid: the base alone, half, whole.
pub const LAMBDAS: [f64; 3] = [0.0, 0.5, 1.0];
/// Photos in the table of the highest losses.
const WORST: usize = 24;

/// A report could not be made.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// The log could not be read.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A photo could not be read.
    #[error(transparent)]
    View(#[from] ViewError),
    /// A picture could not be drawn.
    #[error("cannot draw the report's pictures")]
    Tensor(#[from] Error),
}

/// A person in the grid.
#[derive(Clone, Debug)]
pub struct GridBody {
    /// The person.
    pub identity: String,
    /// A photo of theirs, its row in the snapshot's table.
    pub photo: usize,
    /// c_body of their other photos.
    pub c_body: Vec<f32>,
}

/// What the grid shows: every prompt with every body.
#[derive(Clone, Debug)]
pub struct GridPlan {
    /// The prompts and their states.
    pub prompts: Vec<(String, CachedText)>,
    /// The people.
    pub bodies: Vec<GridBody>,
    /// What the noise follows from; the same for all pictures of a prompt.
    pub seed: u64,
}

impl GridPlan {
    /// The first so many people of `cases` whose photo is to be predicted.
    pub fn bodies(
        cases: &[Case],
        source: &AdapterSource<'_>,
        most: usize,
        views: usize,
    ) -> Result<Vec<GridBody>, Error> {
        let mut bodies: Vec<GridBody> = Vec::new();
        for case in cases {
            if bodies.len() < most && bodies.iter().all(|body| body.identity != case.identity) {
                let chosen = &case.right[..case.right.len().min(views)];
                let c_body = source.body(chosen)?.mean;
                bodies.push(GridBody { identity: case.identity.clone(), photo: case.target, c_body });
            }
        }
        Ok(bodies)
    }

    /// A row for each prompt and body: the person's photo, then a picture for each λ_b.
    pub fn draw(
        &self,
        pipeline: &Pipeline<'_>,
        no_text: &CachedText,
        adapter: &Adapter,
        photos: ViewReader<'_>,
    ) -> Result<Grid, PageError> {
        let mut rows = Vec::new();
        for (number, (prompt, text)) in self.prompts.iter().enumerate() {
            let spec = |body: &GridBody| self.specify(number, text, no_text, body);
            let specs: Vec<PictureSpec> = self.bodies.iter().map(spec).collect();
            let mut columns: Vec<Vec<Picture>> = Vec::new();
            for lambda in LAMBDAS {
                columns.push(pipeline.draw(
                    Some(adapter),
                    &specs,
                    Lambdas { reference: 0.0, body: lambda },
                )?);
            }
            for (place, body) in self.bodies.iter().enumerate() {
                let planes = photos.read(&[body.photo], Pixels::Image)?;
                let mut cells = vec![Some(Picture::from_planes(&planes, photos.side(), ""))];
                cells.extend(columns.iter().map(|pictures| Some(pictures[place].clone())));
                rows.push(Row { label: format!("{} · {prompt}", body.identity), cells });
            }
        }
        let mut columns = vec!["a photo".to_owned()];
        columns.extend(LAMBDAS.map(|lambda| format!("λ_b = {lambda}")));
        Ok(Grid {
            title: "Prompt × body × λ_b".to_owned(),
            note:
                "Pictures of a prompt begin with the same noise: from left to right nothing changes but the \
                   weight of the body's stream. At λ_b = 0 they are the base's, the same for everybody."
                    .to_owned(),
            columns,
            rows,
        })
    }

    fn specify(
        &self,
        number: usize,
        text: &CachedText,
        no_text: &CachedText,
        body: &GridBody,
    ) -> PictureSpec {
        PictureSpec {
            text: text.clone(),
            negative: no_text.clone(),
            c_body: Some(body.c_body.clone()),
            reference: None,
            seed: self.seed + number as u64,
        }
    }
}

/// The page of `run`. `latest` is a validation that its log does not have yet.
///
/// # Errors
/// [`PageError`].
pub fn page(
    run: &RunFolder,
    config: &str,
    grid: Grid,
    cases: &[(&Case, CaseErrors)],
    photos: ViewReader<'_>,
    latest: Option<(u64, &BTreeMap<String, f64>)>,
) -> Result<Page, PageError> {
    let curves = Curves::of(run, latest)?;
    Ok(Page {
        charts: charts(&curves),
        grids: vec![grid],
        worst: worst(cases, photos)?,
        ..Page::of_run(run.record(), &curves, LEAD, config)
    })
}

fn charts(curves: &Curves) -> Vec<Chart> {
    let bodies = |group: &str, title: &str| {
        let names = ["right", "stranger", "none"].map(|body| format!("{group}_{body}"));
        curves.validated(title, &names.each_ref().map(String::as_str))
    };
    let best = curves.validated(
        "share that the right body explains best",
        &["seen_right_best", "unseen_right_best", "seen_people_right_best", "unseen_people_right_best"],
    );
    [bodies("seen", "held-out photos of trained people"), bodies("unseen", "people never trained on"), best]
        .into_iter()
        .flatten()
        .chain(curves.trained())
        .collect()
}

/// The photos with the highest error under the right body.
fn worst(cases: &[(&Case, CaseErrors)], photos: ViewReader<'_>) -> Result<Vec<WorstPhoto>, PageError> {
    let mut sorted = cases.to_vec();
    sorted.sort_by(|a, b| b.1.right.total_cmp(&a.1.right).then(a.0.target.cmp(&b.0.target)));
    sorted.iter().take(WORST).map(|(case, errors)| show(case, errors, photos)).collect()
}

fn show(case: &Case, errors: &CaseErrors, photos: ViewReader<'_>) -> Result<WorstPhoto, PageError> {
    let planes = photos.read(&[case.target], Pixels::Image)?;
    Ok(WorstPhoto {
        sha256: photos.snapshot().photos()[case.target].facts.sha256.to_string(),
        identity: case.identity.clone(),
        loss: errors.right,
        thumbnail: Some(Picture::from_planes(&planes, photos.side(), "")),
    })
}
