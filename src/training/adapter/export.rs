//! `bolid export adapter`: files that diffusers and ComfyUI load.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::Serialize;
use snapshot::{Pixels, Snapshot};
use train::adapter::Body;
use train::adapter::file::{self, BODY, LORA, LORA_KOHYA, REFERENCE};
use train::cache::encoders::bodies;
use train::ipadpt;
use train::run::{RunFolder, RunLog};
use train::views::ViewReader;
use train::{DType, Device};

use super::card::card;
use crate::cli::{ExportAdapterArgs, Global, WeightType};
use crate::output::Output;
use crate::training::{kinds, model, runs};

/// The person's c_body, for ComfyUI.
const PERSON: &str = "body.ipadpt";
/// Its negative: nobody in particular.
const NEGATIVE: &str = "neg.ipadpt";
/// The model card.
const CARD: &str = "README.md";
/// Views of the person that are read at the most (paper, 4.2).
const MOST_VIEWS: usize = 100;

/// What was written.
#[derive(Serialize)]
struct Exported {
    run: String,
    person: String,
    files: Vec<PathBuf>,
}

/// Runs the command.
pub fn run(args: &ExportAdapterArgs, global: &Global, output: Output) -> Result<()> {
    let runs_dir = global.workdir.join("runs");
    let run = runs::find_usable(&runs_dir, &args.run)?;
    let kind = &run.record().spec.kind;
    if kind != kinds::ADAPTER {
        bail!("run `{}` is a {kind}, no adapter; `bolid runs list` names the adapters", args.run);
    }
    let written = [BODY, REFERENCE, LORA, LORA_KOHYA, PERSON, NEGATIVE, CARD];
    if let Some(there) = written.iter().map(|name| args.out.join(name)).find(|path| path.exists()) {
        bail!("{} is there already; export to a folder without an adapter", there.display());
    }
    let snapshot = snapshot_of(&run, &global.workdir.join("snapshots"))?;
    let person = person(args, &snapshot)?;
    let c_body = c_body(&run, &runs_dir, &snapshot, &person)?;
    let dtype = match args.weights {
        WeightType::F16 => DType::F16,
        WeightType::F32 => DType::F32,
    };
    let (facts, mut names) = file::export(&run.model_dir(), &args.out, dtype)
        .with_context(|| format!("export the adapter of run `{}` to {}", args.run, args.out.display()))?;
    let width = c_body.len();
    ipadpt::write(&args.out.join(PERSON), &[1, width], &c_body)?;
    ipadpt::write(&args.out.join(NEGATIVE), &[1, width], &vec![0.0; width])?;
    let text = card(&run.record().spec.name, &facts, &last_validation(&run)?, &person);
    let path = args.out.join(CARD);
    fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
    names.extend([PERSON, NEGATIVE, CARD]);
    let files: Vec<PathBuf> = names.iter().map(|name| args.out.join(name)).collect();
    for path in &files {
        runs::exports::note(run.path(), path, "adapter")?;
    }
    let exported = Exported { run: run.record().id.clone(), person, files };
    output.show(&exported, |exported| {
        let files: Vec<String> = exported.files.iter().map(|file| file.display().to_string()).collect();
        format!("{}\nbody.ipadpt is {}", files.join("\n"), exported.person)
    })?;
    Ok(())
}

/// The snapshot that the run was trained on.
fn snapshot_of(run: &RunFolder, folder: &Path) -> Result<Snapshot> {
    let id = &run.record().spec.snapshot.id;
    let path = snapshot::find(folder, id).with_context(|| format!("find the snapshot {id} of the run"))?;
    Ok(Snapshot::open(&path)?)
}

/// The person asked for, or the first.
fn person(args: &ExportAdapterArgs, snapshot: &Snapshot) -> Result<String> {
    let names = || snapshot.photos().iter().map(|photo| photo.identity.as_str());
    match &args.person {
        Some(wanted) if names().any(|name| name == wanted) => Ok(wanted.clone()),
        Some(wanted) => {
            let nearest = names().min_by_key(|name| strsim::damerau_levenshtein(name, wanted));
            bail!(
                "export: snapshot {} has no person `{wanted}`; the nearest name is {}",
                snapshot.id(),
                nearest.unwrap_or("none")
            )
        }
        None => names().next().map(str::to_owned).context("export: the snapshot has no photos"),
    }
}

/// c_body of a person, of the body-VAE that the adapter was trained with.
fn c_body(run: &RunFolder, runs_dir: &Path, snapshot: &Snapshot, person: &str) -> Result<Vec<f32>> {
    let wanted = run.record().spec.config["body"]["model"].as_str().context("the run names no body-VAE")?;
    let chosen = model::load(runs_dir, wanted, &Device::Cpu)?.saved;
    let facts = file::facts(&run.model_dir())?;
    if facts.get("body_vae").is_some_and(|digest| *digest != chosen.digest.to_string()) {
        bail!("the body-VAE `{wanted}` is another than the one that the adapter was trained with");
    }
    let photos = snapshot.photos();
    let mut rows: Vec<usize> = (0..photos.len()).filter(|&row| photos[row].identity == person).collect();
    rows.truncate(MOST_VIEWS);
    let reader = ViewReader::new(snapshot, chosen.model.config().view_px)?;
    let (weighted, poses) = (reader.read(&rows, Pixels::Weighted)?, reader.poses(&rows));
    let (mean, log_variance) = bodies(&chosen.model, &weighted, &poses)?;
    let (means, variances): (Vec<Vec<f32>>, Vec<Vec<f32>>) = (mean.to_vec2()?, log_variance.to_vec2()?);
    let said: Vec<(Vec<f32>, Vec<f32>)> = means.into_iter().zip(variances).collect();
    Ok(Body::of_views(&said, &poses, chosen.model.config().latent).mean)
}

/// The numbers of the run's last validation.
fn last_validation(run: &RunFolder) -> Result<BTreeMap<String, f64>> {
    let log = RunLog::read(&run.log_path())?;
    let last = log.iter().rev().find(|line| line["kind"] == "validation");
    let numbers = last.and_then(|line| line["numbers"].as_object());
    let number = |(name, value): (&String, &serde_json::Value)| Some((name.clone(), value.as_f64()?));
    Ok(numbers.into_iter().flatten().filter_map(number).collect())
}
