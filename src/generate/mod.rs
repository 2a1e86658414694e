//! `bolid generate`: pictures of a prompt and a body.
//!
//! | file | what |
//! |---|---|
//! | [`request`] | what was typed, or written in a picture, checked before a model is loaded |
//! | [`error`] | what cannot be drawn as it was typed |
//! | [`axis`] | the axes of a sheet |
//! | [`body`] | whose body |
//! | [`base`] | which base |
//! | [`adapter`] | which adapter, and what it was trained with |
//! | [`lora`] | the runs of LoRAs that were trained here |
//! | [`draw`](mod@draw), [`drawn`] | one picture; what is said of it |
//! | [`repeat`](mod@repeat) | a picture again, from what is written in it |
//! | [`destination`] | where pictures go |

pub mod adapter;
mod axis;
mod base;
pub mod body;
mod destination;
mod draw;
mod drawn;
mod error;
mod lora;
mod repeat;
mod request;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use train::diffusion::scheduler::Sampler;
use train::generate::{Embedding, ModelFiles, Models, Settings, png};
use train::report::{Grid, Picture, Row};

use crate::cli::{GenerateArgs, Global};
use crate::exit::Done;
use crate::output::Output;
use crate::training::{model, together};
use adapter::ChosenAdapter;
pub use base::{BASE, base_folder};
use body::BodyChoice;
use destination::Destination;
use draw::{draw, scheduler_of};
use drawn::Drawn;
pub use error::RequestError;
use request::Request;
pub use request::name_of;

/// Runs the command.
pub fn run(args: &GenerateArgs, global: &Global, output: Output) -> Result<Done> {
    together::refuse_group("generate")?;
    let drawn = match &args.from {
        Some(path) => vec![repeat::repeat(args, path, global)?],
        None => anew(args, global)?,
    };
    output.show_all(&drawn, &["file", "seed", "body", "prompt"], |drawn| {
        let body = drawn.body.clone().unwrap_or_default();
        vec![drawn.file.display().to_string(), drawn.seed.to_string(), body, drawn.prompt.clone()]
    })?;
    Ok(Done::Success)
}

/// What was asked for: a picture, a few, or a sheet.
fn anew(args: &GenerateArgs, global: &Global) -> Result<Vec<Drawn>> {
    let request = Request::new(args)?;
    let adapter = adapter::choose(args, global, request.wants_adapter())?;
    let base_name = args.base.clone().or_else(|| adapter.as_ref().and_then(ChosenAdapter::base));
    let lora_runs = lora::runs(&request::loras(&args.loras)?, global)?;
    let models = load(args, base_name.as_deref().unwrap_or(BASE), adapter.as_ref())?;
    let scheduler = scheduler_of(&models, args.spacing.as_deref());
    let kind = request.kind.map_or_else(|| scheduler.sampler(), Ok)?;
    for steps in request.steps() {
        Sampler::new(kind, &scheduler, steps)?; // refuses what the schedule cannot do before anything is drawn
    }
    let size = request.size(models.size_px(), models.cell_px())?;
    let mut bodies = body::Bodies::new(args, global, adapter.as_ref());
    let reference = args.reference.as_ref().map(|path| embed(&models, path)).transpose()?;
    let common = Settings {
        prompt: String::new(),
        negative_prompt: args.negative_prompt.clone(),
        body: None,
        reference,
        lambda_body: args.lambda_body,
        lambda_ref: args.lambda_ref,
        guidance: args.guidance,
        scheduler: name_of(kind).to_owned(),
        spacing: args.spacing.clone(),
        steps: args.steps,
        seed: args.seed,
        width: size.0,
        height: size.1,
        models: models.names().clone(),
        program_version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let mut cells = Vec::new();
    for cell in request.cells() {
        let body = match &cell.body {
            Some(who) => match bodies.resolve(who)? {
                BodyChoice::One(body) => Some(body),
                BodyChoice::Prior { width } => Some(Embedding::of_seed(cell.seed, width)),
            },
            None => None,
        };
        cells.push(Settings {
            prompt: cell.prompt,
            body,
            lambda_body: cell.lambda_body,
            lambda_ref: cell.lambda_ref,
            guidance: cell.guidance,
            steps: cell.steps,
            seed: cell.seed,
            ..common.clone()
        });
    }
    let destination = Destination::new(args, global, cells.len())?;
    let mut drawn = Vec::new();
    let mut pictures = Vec::new();
    for settings in &cells {
        let picture = draw(&models, settings, args.preview.as_deref())?;
        let file = destination.file(settings, drawn.len());
        png::write(&file, &picture, settings)?;
        let told = Drawn::new(file, settings);
        let of_adapter = adapter.iter().filter_map(|adapter| adapter.run.as_ref());
        told.note(of_adapter.chain(bodies.run()).chain(&lora_runs))?;
        drawn.push(told);
        if request.columns().is_some() {
            pictures.push(picture);
        }
    }
    if let (Some(columns), Some(folder)) = (request.columns(), destination.folder()) {
        let rows = pictures.chunks(columns);
        let row =
            |cells: &[Picture]| Row { cells: cells.iter().cloned().map(Some).collect(), ..Row::default() };
        let sheet = Grid { rows: rows.map(row).collect(), ..Grid::default() }.montage();
        let file = folder.join("grid.png");
        png::write_plain(&file, &sheet)?;
        eprintln!("bolid: {}: {}", file.display(), request.legend());
    }
    Ok(drawn)
}

fn load(args: &GenerateArgs, base: &str, adapter: Option<&ChosenAdapter>) -> Result<Models> {
    let files = ModelFiles {
        base_name: base.to_owned(),
        base: base_folder(base, &args.revision)?,
        unet: args.unet.clone(),
        loras: request::loras(&args.loras)?,
        adapter: adapter.map(|adapter| adapter.folder.clone()),
        image_encoder: args.image_encoder.as_deref().map(model::image_encoder_folder).transpose()?,
    };
    Models::load(files, &args.device.open()?).with_context(|| format!("load the base `{base}`"))
}

/// The embedding of a picture on the disk.
fn embed(models: &Models, path: &Path) -> Result<Embedding> {
    let read = || format!("read the reference {}", path.display());
    let bytes = fs::read(path).with_context(read)?;
    let photo = curate::decode(&bytes).with_context(read)?;
    let (width, height) = photo.image.dimensions();
    Ok(models.embed(&path.display().to_string(), photo.image.as_raw(), width as usize, height as usize)?)
}
