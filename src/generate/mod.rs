//! `bolid generate`: pictures of a prompt and a body.
//!
//! | file | what |
//! |---|---|
//! | [`request`] | what was typed, checked before a model is loaded |
//! | [`axis`] | the axes of a sheet |
//! | [`body`] | whose body |
//! | [`adapter`] | which adapter, and what it was trained with |

mod adapter;
mod axis;
mod body;
mod request;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::Serialize;
use train::adapter::Lambdas;
use train::adapter::pipeline::PictureSpec;
use train::diffusion::sampling::Sampling;
use train::diffusion::scheduler::{Sampler, SchedulerConfig};
use train::generate::settings::ModelNames;
use train::generate::{Embedding, ModelFiles, Models, Settings, png};
use train::report::{Grid, Picture, Row};

use crate::Done;
use crate::cli::{GenerateArgs, Global};
use crate::output::Output;
use crate::progress;
use crate::training::model;
use adapter::ChosenAdapter;
use body::BodyChoice;
use request::Request;
pub use request::RequestError;

/// The base where nothing says another.
const BASE: &str = "data/models/tiny-sd";
/// A preview is made after each so many steps: decoding takes as long as a step or two.
const PREVIEW_EVERY: usize = 5;

/// A picture that was drawn.
#[derive(Serialize)]
struct Drawn {
    file: PathBuf,
    seed: u64,
    body: Option<String>,
    prompt: String,
}

/// Runs the command.
pub fn run(args: &GenerateArgs, global: &Global, output: Output) -> Result<Done> {
    let drawn = match &args.from {
        Some(path) => vec![again(args, path, global)?],
        None => anew(args, global)?,
    };
    output.show_all(&drawn, &["file", "seed", "body", "prompt"], |drawn| {
        let body = drawn.body.clone().unwrap_or_default();
        vec![drawn.file.display().to_string(), drawn.seed.to_string(), body, drawn.prompt.clone()]
    })?;
    Ok(Done::Well)
}

/// What was asked for: a picture, a few, or a sheet.
fn anew(args: &GenerateArgs, global: &Global) -> Result<Vec<Drawn>> {
    let request = Request::new(args)?;
    let adapter = adapter::choose(args, global, request.wants_adapter())?;
    let base_name = args.base.clone().or_else(|| adapter.as_ref().and_then(ChosenAdapter::base));
    let models = load(args, base_name.as_deref().unwrap_or(BASE), adapter.as_ref())?;
    let scheduler = scheduler_of(&models, args.spacing.as_deref());
    let kind = request.kind.map_or_else(|| scheduler.sampler(), Ok)?;
    for steps in request.steps() {
        Sampler::new(kind, &scheduler, steps)?; // refuses what the schedule cannot do before anything is drawn
    }
    let size = request.size(models.size_px(), models.cell_px())?;
    let mut bodies = body::Bodies::new(args, global, adapter.as_ref());
    let reference = args.reference.as_ref().map(|path| embed(&models, path)).transpose()?;
    let text = Settings {
        prompt: String::new(),
        negative_prompt: args.negative_prompt.clone(),
        body: None,
        reference,
        lambda_body: args.lambda_body,
        lambda_ref: args.lambda_ref,
        guidance: args.guidance,
        scheduler: request::name_of(kind).to_owned(),
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
            ..text.clone()
        });
    }
    let place = Place::new(args, global, cells.len())?;
    let mut drawn = Vec::new();
    let mut pictures = Vec::new();
    for settings in &cells {
        let picture = draw(&models, settings, args.preview.as_deref())?;
        let file = place.file(settings, drawn.len());
        png::write(&file, &picture, settings)?;
        drawn.push(told(file, settings));
        pictures.push(picture);
    }
    if let (Some(columns), Some(folder)) = (request.columns(), place.folder()) {
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

/// A picture of the settings written in another, with the same models.
fn again(args: &GenerateArgs, path: &Path, global: &Global) -> Result<Drawn> {
    let settings = png::read(path)?;
    let wanted = &settings.models;
    let named = |given: Option<String>, written: Option<&train::generate::settings::ModelName>| {
        given.or_else(|| written.map(|name| name.path.clone()))
    };
    let adapter_name = named(args.adapter.clone(), wanted.adapter.as_ref());
    let files = ModelFiles {
        base_name: args.base.clone().unwrap_or_else(|| wanted.base.path.clone()),
        base: model::base_folder(args.base.as_deref().unwrap_or(&wanted.base.path), &args.revision)?,
        unet: args.unet.clone().or_else(|| wanted.unet.as_ref().map(|name| PathBuf::from(&name.path))),
        loras: wanted.loras.iter().map(|(name, scale)| (PathBuf::from(&name.path), *scale)).collect(),
        adapter: adapter_name.map(|name| adapter::folder(&name, global)).transpose()?,
        image_encoder: None,
    };
    let models = Models::load(files)?;
    refuse_others(path, wanted, models.names())?;
    let picture = draw(&models, &settings, args.preview.as_deref())?;
    let file = Place::new(args, global, 1)?.file(&settings, 0);
    png::write(&file, &picture, &settings)?;
    Ok(told(file, &settings))
}

/// Other models would draw another picture.
fn refuse_others(path: &Path, wanted: &ModelNames, found: &ModelNames) -> Result<()> {
    let adapter = |names: &ModelNames| names.adapter.as_ref().map(|name| name.sha256);
    let unet = |names: &ModelNames| names.unet.as_ref().map(|name| name.sha256);
    let loras = |names: &ModelNames| -> Vec<_> { names.loras.iter().map(|(name, _)| name.sha256).collect() };
    let what = if wanted.base.sha256 != found.base.sha256 {
        format!("base `{}`", found.base.path)
    } else if adapter(wanted) != adapter(found) {
        "adapter".to_owned()
    } else if unet(wanted) != unet(found) {
        "UNet".to_owned()
    } else if loras(wanted) != loras(found) {
        "LoRA".to_owned()
    } else {
        return Ok(());
    };
    bail!(
        "{}: the {what} is not the one that it was drawn with (its SHA-256 differs); name that one with --base, --adapter or \
         --unet",
        path.display()
    )
}

fn load(args: &GenerateArgs, base: &str, adapter: Option<&ChosenAdapter>) -> Result<Models> {
    let loras = args.loras.iter().map(|text| request::lora(text)).collect::<Result<_, _>>()?;
    let folder = model::base_folder(base, &args.revision)?;
    if !folder.is_dir() {
        bail!(
            "base `{base}`: there is no such folder; give one in diffusers' layout, or a repository id, with --base"
        );
    }
    let files = ModelFiles {
        base_name: base.to_owned(),
        base: folder,
        unet: args.unet.clone(),
        loras,
        adapter: adapter.map(|adapter| adapter.folder.clone()),
        image_encoder: args.image_encoder.clone(),
    };
    Models::load(files).with_context(|| format!("load the base `{base}`"))
}

fn scheduler_of(models: &Models, spacing: Option<&str>) -> SchedulerConfig {
    let scheduler = models.scheduler().clone();
    match spacing {
        Some(spacing) => scheduler.with("timestep_spacing", spacing),
        None => scheduler,
    }
}

/// The embedding of a picture on the disk.
fn embed(models: &Models, path: &Path) -> Result<Embedding> {
    let read = || format!("read the reference {}", path.display());
    let bytes = fs::read(path).with_context(read)?;
    let photo = curate::decode(&bytes).with_context(read)?;
    let (width, height) = photo.image.dimensions();
    Ok(models.embed(&path.display().to_string(), photo.image.as_raw(), width as usize, height as usize)?)
}

/// One picture.
fn draw(models: &Models, settings: &Settings, preview: Option<&Path>) -> Result<Picture> {
    let scheduler = scheduler_of(models, settings.spacing.as_deref());
    let kind = settings.scheduler.parse().map_err(|text: String| RequestError::Scheduler(text))?;
    // As in diffusers, a scale up to 1 is no guidance at all.
    let sampling = Sampling { kind, steps: settings.steps, guidance: settings.guidance.max(1.0) };
    let pipeline = models.pipeline(&scheduler, sampling, (settings.width, settings.height));
    let spec = PictureSpec {
        text: models.text(&settings.prompt)?,
        negative: models.text(&settings.negative_prompt)?,
        c_body: settings.body.as_ref().map(|body| body.values.clone()),
        reference: settings.reference.as_ref().map(|reference| reference.values.clone()),
        seed: settings.seed,
    };
    let of = |lambda: f64, given: &Option<Embedding>| if given.is_some() { lambda } else { 0.0 };
    let lambdas = Lambdas {
        reference: of(settings.lambda_ref, &settings.reference),
        body: of(settings.lambda_body, &settings.body),
    };
    let bar = progress::stage("draw", settings.steps as u64, "steps");
    let picture = pipeline.draw_one(models.adapter(), &spec, lambdas, &mut |step, steps, look| {
        bar.set_position(step as u64);
        match preview {
            Some(path) if step % PREVIEW_EVERY == 0 && step < steps => png::write_plain(path, &look()?),
            _ => Ok(()),
        }
    });
    bar.finish_and_clear();
    let picture = picture.with_context(|| format!("draw {:?} of seed {}", settings.prompt, settings.seed))?;
    if let Some(path) = preview {
        png::write_plain(path, &picture)?;
    }
    Ok(picture)
}

fn told(file: PathBuf, settings: &Settings) -> Drawn {
    Drawn {
        file,
        seed: settings.seed,
        body: settings.body.as_ref().map(|body| body.name.clone()),
        prompt: settings.prompt.clone(),
    }
}

/// Where pictures go.
enum Place {
    File(PathBuf),
    Folder(PathBuf),
}

impl Place {
    fn new(args: &GenerateArgs, global: &Global, count: usize) -> Result<Self> {
        let out = args.out.clone().unwrap_or_else(|| global.workdir.join("pictures"));
        let is_file = out.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("png"));
        if is_file && count == 1 {
            return Ok(Self::File(out));
        }
        if is_file || out.is_file() {
            bail!("--out {}: {count} pictures need a folder", out.display());
        }
        fs::create_dir_all(&out).with_context(|| format!("make the folder {}", out.display()))?;
        Ok(Self::Folder(out))
    }

    fn folder(&self) -> Option<&Path> {
        match self {
            Self::File(_) => None,
            Self::Folder(folder) => Some(folder),
        }
    }

    /// By the settings, so that no picture takes another's place: `0002-seed7-1a2b3c.png`.
    fn file(&self, settings: &Settings, number: usize) -> PathBuf {
        match self {
            Self::File(file) => file.clone(),
            Self::Folder(folder) => {
                let id = &photo::Digest::of_json(settings).to_string()[..6];
                folder.join(format!("{number:04}-seed{}-{id}.png", settings.seed))
            }
        }
    }
}
