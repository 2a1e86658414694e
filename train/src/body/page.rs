//! The report of a body-VAE's run: curves from its log, pictures of people it was not trained on, and
//! the photos it explains worst.

use std::collections::BTreeMap;

use candle_core::Tensor;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use snapshot::Pixels;

use super::model::BodyVae;
use super::palette::Palette;
use super::picture::unfold;
use super::pose::Pose;
use super::validation::{Case, Drawn, HeldOut};
use crate::error::Result;
use crate::parameters::normals;
use crate::report::{Chart, Curves, Grid, Page, Picture, Row, WorstPhoto};
use crate::run::{RunError, RunFolder};
use crate::views::{BatchError, ViewReader};

/// What the page is about.
const LEAD: &str = "Views of one person to c_body, and c_body to views that were never trained on.";

/// People in the grids.
const ROWS: usize = 6;
/// Input views shown of each.
const INPUTS: usize = 4;
/// Poses that each body is drawn in, and prior samples of a row.
const POSES: usize = 6;
/// Photos in the table of the highest losses.
const WORST: usize = 24;

/// A report could not be made.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// The log could not be read.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A view could not be read or drawn.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// A picture could not be drawn.
    #[error("cannot draw the report's pictures")]
    Tensor(#[from] crate::Error),
}

/// The page of `run` with what `model`, the saved one or the moving average of a step, makes of views.
/// `latest` is a validation that the log does not have yet: its step and numbers.
pub fn page(
    run: &RunFolder,
    held_out: &HeldOut,
    model: &BodyVae,
    config: &str,
    latest: Option<(u64, &BTreeMap<String, f64>)>,
) -> Result<Page, PageError> {
    let curves = Curves::of(run, latest)?;
    let cases = held_out.cases();
    let mut drawn: Vec<(&Case, Drawn)> = Vec::new();
    for case in cases {
        drawn.extend(held_out.draw(model, case, model.device())?.into_iter().map(|one| (case, one)));
    }
    let mut page = Page {
        charts: charts(&curves),
        worst: worst(held_out.decoded(), drawn)?,
        ..Page::of_run(run.record(), &curves, LEAD, config)
    };
    page.grids = grids(held_out, model)?;
    Ok(page)
}

/// Held-out views and what is drawn of them, each body in the same poses, bodies from the prior; none
/// where nothing is held out.
fn grids(held_out: &HeldOut, model: &BodyVae) -> Result<Vec<Grid>, PageError> {
    if held_out.cases().is_empty() {
        return Ok(Vec::new());
    }
    Ok(vec![people(held_out, model)?, poses(held_out, model)?, prior(held_out, model)?])
}

fn charts(curves: &Curves) -> Vec<Chart> {
    let held_out = curves.validated("held-out views", &["held_out", "mean_photo"]);
    held_out.into_iter().chain(curves.trained()).collect()
}

/// The photos with the highest loss; thumbnails at the decoder's size.
fn worst(reader: ViewReader, mut drawn: Vec<(&Case, Drawn)>) -> Result<Vec<WorstPhoto>, PageError> {
    drawn.sort_by(|a, b| b.1.error.total_cmp(&a.1.error).then(a.1.photo.cmp(&b.1.photo)));
    drawn.truncate(WORST);
    drawn.iter().map(|(case, drawn)| show(case, drawn, reader)).collect()
}

fn show(case: &Case, drawn: &Drawn, reader: ViewReader) -> Result<WorstPhoto, PageError> {
    let planes = reader.read(&[drawn.photo], Pixels::Image).map_err(BatchError::from)?;
    Ok(WorstPhoto {
        sha256: reader.snapshot().photos()[drawn.photo].facts.sha256.to_string(),
        identity: case.identity.clone(),
        loss: drawn.error,
        thumbnail: Some(Picture::from_planes(&planes, reader.side(), "")),
    })
}

/// Input views, a held-out view, and what is drawn of it.
fn people(held_out: &HeldOut, model: &BodyVae) -> Result<Grid, PageError> {
    let reader = held_out.decoded();
    let mut rows = Vec::new();
    for case in held_out.cases().iter().take(ROWS) {
        let shown = &case.encoded[..case.encoded.len().min(INPUTS)];
        let mut cells: Vec<Option<Picture>> = photos(reader, shown)?;
        cells.resize(INPUTS, None);
        cells.extend(photos(reader, &case.drawn[..1])?);
        let mean = held_out.posterior(model, case, model.device())?.mean().map_err(BatchError::from)?;
        let target = held_out.target(&case.drawn[..1], model, model.device())?;
        cells.extend(pictures(model, &mean, &target.poses, &target.palettes)?);
        rows.push(Row { label: case.identity.clone(), cells });
    }
    let mut columns = vec!["input".to_owned(); INPUTS];
    columns.extend(["held out", "drawn"].map(str::to_owned));
    Ok(Grid {
        title: "A view that was held out".to_owned(),
        note: format!(
            "Drawn from the other views of the person, in the pose of the one that was held out{}.",
            colours(model)
        ),
        columns,
        rows,
    })
}

/// Each person in the same poses.
fn poses(held_out: &HeldOut, model: &BodyVae) -> Result<Grid, PageError> {
    let reader = held_out.decoded();
    let of: Vec<usize> = held_out.cases().iter().map(|case| case.drawn[0]).take(POSES).collect();
    let mut rows = Vec::new();
    for case in held_out.cases().iter().take(ROWS) {
        let mean = held_out.posterior(model, case, model.device())?.mean().map_err(BatchError::from)?;
        // Everybody in the clothes of one photo of theirs.
        let worn = held_out.target(&case.drawn[..1], model, model.device())?.palettes;
        let worn: Vec<Palette> = worn.iter().cycle().take(of.len()).copied().collect();
        let cells = pictures(model, &mean, &reader.poses(&of), &worn)?;
        rows.push(Row { label: case.identity.clone(), cells });
    }
    Ok(Grid {
        title: "The same body in other poses".to_owned(),
        note: format!("A row is a person{}, a column a pose.", colours(model)),
        columns: Vec::new(),
        rows,
    })
}

/// Bodies that nobody has.
fn prior(held_out: &HeldOut, model: &BodyVae) -> Result<Grid, PageError> {
    let target = held_out.target(&held_out.cases()[0].drawn[..1], model, model.device())?;
    let latent = model.config().latent;
    let noise = normals(&mut ChaCha8Rng::seed_from_u64(0), POSES * latent, 0.0, 1.0);
    let drawn = Tensor::from_vec(noise, (POSES, latent), model.device()).map_err(crate::Error::from)?;
    let mut cells = Vec::new();
    for index in 0..POSES {
        let one = drawn.narrow(0, index, 1).map_err(crate::Error::from)?;
        cells.extend(pictures(model, &one, &target.poses, &target.palettes)?);
    }
    Ok(Grid {
        title: "Drawn from the prior".to_owned(),
        note: format!(
            "What the model makes of N(0, I) in one pose{}: bodies that nobody has.",
            colours(model)
        ),
        columns: Vec::new(),
        rows: vec![Row { label: String::new(), cells }],
    })
}

/// What is said of a model that is told colours.
fn colours(model: &BodyVae) -> &'static str {
    if model.config().palette { " in the colours of one photo" } else { "" }
}

fn photos(reader: ViewReader, rows: &[usize]) -> Result<Vec<Option<Picture>>, PageError> {
    let planes = reader.read(rows, Pixels::Image).map_err(BatchError::from)?;
    let length = 3 * reader.side() * reader.side();
    Ok(planes
        .chunks_exact(length)
        .map(|planes| Some(Picture::from_planes(planes, reader.side(), "")))
        .collect())
}

/// One c_body `[1, latent]` in each of `poses`.
fn pictures(
    model: &BodyVae,
    c_body: &Tensor,
    poses: &[Pose],
    palettes: &[Palette],
) -> Result<Vec<Option<Picture>>, PageError> {
    let side = model.config().decoded_px;
    let many = || -> Result<Vec<Vec<u8>>> {
        let c_body = c_body.detach().broadcast_as((poses.len(), model.config().latent))?.contiguous()?;
        unfold(&model.decode(&c_body, poses, palettes)?)
    };
    Ok(many()?.into_iter().map(|rgb| Some(Picture::from_rgb(rgb, side, side, ""))).collect())
}
