//! `bolid encode`: photos of one person to a Gaussian over c_body.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use curate::people::Counted;
use curate::{Detectors, PeopleClass};
use photo::Rules;
use rayon::prelude::*;
use serde::Serialize;
use snapshot::{Pixels, Snapshot};
use train::Device;
use train::body::{Pose, Views};
use train::embedding_file::EmbeddingFile;
use train::ipadpt;
use train::views::ViewReader;
use train::views::pooling::pool;

use super::model::{self, ChosenModel};
use super::runs;
use crate::Done;
use crate::cli::{EmbeddingFormat, EncodeArgs, Global};
use crate::output::Output;
use crate::plan::Plan;

/// Views of one person that are read at the most (paper, 4.2).
const MOST_VIEWS: usize = 100;
/// Views whose features are computed at a time: 16 of 1024 px take about 200 MB.
const CHUNK: usize = 16;

/// A photo of a folder that was not taken.
#[derive(Serialize)]
struct PassedOver {
    file: PathBuf,
    reason: String,
}

/// What was written, and from what.
#[derive(Serialize)]
struct Encoded {
    identity: String,
    views: usize,
    passed_over: Vec<PassedOver>,
    run: String,
    model: String,
    files: Vec<PathBuf>,
}

/// Views of one person, and the files that show none.
struct PersonViews {
    identity: String,
    views: Views,
    passed_over: Vec<PassedOver>,
}

/// Runs the command.
pub fn run(args: &EncodeArgs, global: &Global, output: Output) -> Result<Done> {
    let chosen = model::load(&global.workdir.join("runs"), &args.run)?;
    let folder = Path::new(&args.person);
    let found = match &args.snapshot {
        Some(name) => of_snapshot(args, &chosen, &global.workdir.join("snapshots"), name)?,
        None if folder.is_dir() => of_folder(args, &chosen, folder)?,
        None => bail!(
            "encode `{}`: it is no folder of photos; for a person of a snapshot, name it: --snapshot SNAPSHOT",
            args.person
        ),
    };
    let posterior = chosen.saved.model.encode(&found.views, Some(CHUNK))?;
    let file = EmbeddingFile {
        mean: posterior.mean()?.detach().flatten_all()?.to_vec1()?,
        log_variance: posterior.log_variance()?.detach().flatten_all()?.to_vec1()?,
        run: chosen.saved.run.clone().unwrap_or_default(),
        model: chosen.saved.digest,
        views: found.views.len(),
        identity: found.identity,
    };
    let (files, what) = match args.format {
        EmbeddingFormat::Safetensors => {
            file.write(&args.out)?;
            (vec![args.out.clone()], "embedding")
        }
        EmbeddingFormat::Ipadpt => {
            let negative = ipadpt::write_embedding(&args.out, &file.mean)?;
            (vec![args.out.clone(), negative], "ipadpt")
        }
    };
    if let Some(run) = &chosen.run {
        for path in &files {
            runs::exports::note(run.path(), path, what)?;
        }
    }
    let encoded = Encoded {
        identity: file.identity,
        views: file.views,
        passed_over: found.passed_over,
        run: file.run,
        model: file.model.to_string(),
        files,
    };
    output.show(&encoded, text)?;
    Ok(Done::with(encoded.passed_over.len()))
}

fn text(encoded: &Encoded) -> String {
    let files = encoded.files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", ");
    let mut text = format!("{} views of {} → {files}", encoded.views, encoded.identity);
    for photo in &encoded.passed_over {
        text.push_str(&format!("\npassed over: {}: {}", photo.file.display(), photo.reason));
    }
    text
}

/// The kept photos of a person of a snapshot.
fn of_snapshot(args: &EncodeArgs, chosen: &ChosenModel, folder: &Path, name: &str) -> Result<PersonViews> {
    let snapshot = Snapshot::open(&snapshot::find(folder, name)?)?;
    let rows: Vec<usize> =
        (0..snapshot.photos().len()).filter(|&row| snapshot.photos()[row].identity == args.person).collect();
    if rows.is_empty() {
        let mut names: Vec<&str> = snapshot.photos().iter().map(|photo| photo.identity.as_str()).collect();
        names.dedup();
        let nearest = names.into_iter().min_by_key(|name| strsim::damerau_levenshtein(name, &args.person));
        bail!(
            "encode `{}`: snapshot {} has no such person; the nearest name is {}",
            args.person,
            snapshot.id(),
            nearest.unwrap_or("none")
        );
    }
    let taken = how_many(args, rows.len())?;
    let side = chosen.saved.model.config().view_px;
    let reader = ViewReader::new(&snapshot, side)?;
    let rows = &rows[..taken];
    let planes = reader.read(rows, Pixels::Weighted)?;
    let views = Views::new(&planes, side, &reader.poses(rows), &Device::Cpu)?;
    Ok(PersonViews { identity: args.person.clone(), views, passed_over: Vec::new() })
}

/// As many as asked for, or all up to a hundred.
fn how_many(args: &EncodeArgs, available: usize) -> Result<usize> {
    match args.views {
        Some(wanted) if wanted > available => {
            bail!("encode `{}`: {wanted} views were asked for, there are {available}", args.person)
        }
        Some(wanted) => Ok(wanted),
        None => Ok(available.min(MOST_VIEWS)),
    }
}

/// The photos of a folder that show one person, prepared as the recipe says.
fn of_folder(args: &EncodeArgs, chosen: &ChosenModel, folder: &Path) -> Result<PersonViews> {
    let plan = Plan::load(&args.recipe)?;
    let detectors = plan.detectors()?;
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect())
        .with_context(|| format!("read folder {}", folder.display()))?;
    files.retain(|file| file.is_file());
    files.sort();
    let side = chosen.saved.model.config().view_px;
    let seen: Vec<Result<(Vec<u8>, Pose), PassedOver>> = files
        .par_iter()
        .with_max_len(1) // one decoded photo per thread bounds memory
        .map(|file| {
            view(file, &plan, &detectors, side)
                .map_err(|error| PassedOver { file: file.clone(), reason: format!("{error:#}") })
        })
        .collect();
    let (mut planes, mut poses, mut passed_over) = (Vec::new(), Vec::new(), Vec::new());
    for one in seen {
        match one {
            Ok((pixels, pose)) => {
                planes.extend(pixels);
                poses.push(pose);
            }
            Err(passed) => passed_over.push(passed),
        }
    }
    if poses.is_empty() {
        let reasons: Vec<String> =
            passed_over.iter().map(|photo| format!("{}: {}", photo.file.display(), photo.reason)).collect();
        bail!(
            "encode {}: none of its {} files shows one person: {}",
            folder.display(),
            files.len(),
            reasons.join("; ")
        );
    }
    let taken = how_many(args, poses.len())?;
    planes.truncate(taken * 3 * side * side);
    poses.truncate(taken);
    let views = Views::new(&planes, side, &poses, &Device::Cpu)?;
    let identity = folder.file_name().unwrap_or(folder.as_os_str()).to_string_lossy().into_owned();
    Ok(PersonViews { identity, views, passed_over })
}

/// A file's weighted pixels at `side` px and its pose.
fn view(file: &Path, plan: &Plan, detectors: &Detectors, side: usize) -> Result<(Vec<u8>, Pose)> {
    let rules: &Rules = &plan.recipe.rules;
    let bytes = fs::read(file).context("read")?;
    let photo = curate::decode(&bytes)?;
    let (faces, people) = (detectors.faces(&photo)?, detectors.people(&photo)?);
    let counted = Counted::new(&faces, &people, rules);
    let person = match (counted.class(), counted.main_person()) {
        (PeopleClass::One, Some(person)) => person,
        (class, _) => bail!("people seen: {}, one is needed", class.name()),
    };
    let mut person = *person;
    person.joints = person.joints.gated(rules.joints.min_score);
    let prepared = curate::prepare(&photo.image, &person, &plan.recipe.prepare)?;
    let size = prepared.size_px as usize;
    if !size.is_multiple_of(side) {
        bail!("`prepare.size_px = {size}` is no multiple of the model's {side} px");
    }
    let mut pixels = vec![0; 3 * side * side];
    pool(&prepared.weighted, size, side, &mut pixels);
    Ok((pixels, Pose::new(&prepared.joints, size)))
}
