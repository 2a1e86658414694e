//! Views of one person as the body-VAE reads them: of a snapshot, or of photos that were never curated.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use curate::people::Counted;
use curate::{Detectors, PeopleClass};
use photo::Rules;
use rayon::prelude::*;
use serde::Serialize;
use snapshot::{Pixels, Snapshot};
use train::body::{Pose, Posterior, Views};
use train::views::ViewReader;
use train::views::pooling::pool;

use super::model::ChosenModel;
use crate::plan::Plan;

/// Views of one person that are read at the most (paper, 4.2).
const MOST_VIEWS: usize = 100;
/// Views whose features are computed at a time: 16 of 1024 px take about 200 MB.
const CHUNK: usize = 16;

/// A photo that was not taken.
#[derive(Serialize)]
pub struct PassedOver {
    /// The photo.
    pub file: PathBuf,
    /// Why.
    pub reason: String,
}

/// Views of one person, and the files that show none.
pub struct PersonViews {
    /// Whose they are.
    pub identity: String,
    /// The views.
    pub views: Views,
    /// The files that were not taken.
    pub passed_over: Vec<PassedOver>,
}

/// The Gaussian over c_body that `views` say.
pub fn posterior(chosen: &ChosenModel, views: &Views) -> Result<Posterior> {
    Ok(chosen.saved.model.encode(views, Some(CHUNK))?)
}

/// The kept photos of a person of a snapshot.
pub fn of_snapshot(
    person: &str,
    wanted: Option<usize>,
    chosen: &ChosenModel,
    path: &Path,
) -> Result<PersonViews> {
    let snapshot = Snapshot::open(path)?;
    let rows: Vec<usize> =
        (0..snapshot.photos().len()).filter(|&row| snapshot.photos()[row].identity == person).collect();
    if rows.is_empty() {
        let mut names: Vec<&str> = snapshot.photos().iter().map(|photo| photo.identity.as_str()).collect();
        names.dedup();
        let nearest = names.into_iter().min_by_key(|name| strsim::damerau_levenshtein(name, person));
        bail!(
            "`{person}`: snapshot {} has no such person; the nearest name is {}",
            snapshot.id(),
            nearest.unwrap_or("none")
        );
    }
    let taken = how_many(person, wanted, rows.len())?;
    let side = chosen.saved.model.config().view_px;
    let reader = ViewReader::new(&snapshot, side)?;
    let rows = &rows[..taken];
    let planes = reader.read(rows, Pixels::Weighted)?;
    let views = Views::new(&planes, side, &reader.poses(rows), chosen.saved.model.device())?;
    Ok(PersonViews { identity: person.to_owned(), views, passed_over: Vec::new() })
}

/// As many as asked for, or all up to a hundred.
fn how_many(person: &str, wanted: Option<usize>, available: usize) -> Result<usize> {
    match wanted {
        Some(wanted) if wanted > available => {
            bail!("`{person}`: {wanted} views were asked for, there are {available}")
        }
        Some(wanted) => Ok(wanted),
        None => Ok(available.min(MOST_VIEWS)),
    }
}

/// The files of a folder, sorted.
pub fn files_of(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect())
        .with_context(|| format!("read folder {}", folder.display()))?;
    files.retain(|file| file.is_file());
    files.sort();
    Ok(files)
}

/// The photos among `files` that show one person, prepared as the plan says; they are called `person`.
pub fn of_files(
    person: &str,
    files: &[PathBuf],
    wanted: Option<usize>,
    chosen: &ChosenModel,
    plan: &Plan,
) -> Result<PersonViews> {
    let detectors = plan.detectors()?;
    let side = chosen.saved.model.config().view_px;
    let seen: Vec<Result<(Vec<u8>, Pose), PassedOver>> = files
        .par_iter()
        .with_max_len(1) // one decoded photo per thread bounds memory
        .map(|file| {
            view(file, plan, &detectors, side)
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
        bail!("`{person}`: none of {} files shows one person: {}", files.len(), reasons.join("; "));
    }
    let taken = how_many(person, wanted, poses.len())?;
    planes.truncate(taken * 3 * side * side);
    poses.truncate(taken);
    let views = Views::new(&planes, side, &poses, chosen.saved.model.device())?;
    let identity =
        Path::new(person).file_name().map_or(person.into(), |name| name.to_string_lossy()).into_owned();
    Ok(PersonViews { identity, views, passed_over })
}

/// A file's weighted pixels at `side` px and its pose.
fn view(file: &Path, plan: &Plan, detectors: &Detectors, side: usize) -> Result<(Vec<u8>, Pose)> {
    let rules: &Rules = &plan.recipe().rules;
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
    let prepared = curate::prepare(&photo.image, &person, &plan.recipe().prepare)?;
    let size = prepared.size_px as usize;
    if !size.is_multiple_of(side) {
        bail!("`prepare.size_px = {size}` is no multiple of the model's {side} px");
    }
    let mut pixels = vec![0; 3 * side * side];
    pool(&prepared.weighted, size, side, &mut pixels);
    Ok((pixels, Pose::new(&prepared.joints, size)))
}
