//! `bolid check-real`: do the detectors count people on labelled real photos as a person would, and what do they see?

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use curate::contact_sheet::{Marks, Tile, contact_sheet};
use curate::detect::{self, NewModel};
use curate::people::Counted;
use curate::{Detectors, Device, ModelChoice, PeopleClass, Registry, Role, Runtime};
use photo::Rules;
use rayon::iter::{IndexedParallelIterator, IntoParallelRefIterator, ParallelIterator};
use serde::{Deserialize, Serialize};

use crate::cli::CheckRealArgs;
use crate::output::Output;
use crate::{progress, runtime};

/// Tiles side by side: the sheet stays narrow enough for a screen.
const COLUMNS: u32 = 8;

/// A line of `manifest.csv`; other columns are left aside.
#[derive(Deserialize)]
struct Label {
    file: String,
    people: String,
}

#[derive(Serialize)]
struct Seen {
    file: String,
    labelled: &'static str,
    seen: &'static str,
    faces: usize,
    people: usize,
}

/// Measures every photo of the manifest, draws the sheet, and fails when the agreement is below the goal.
pub fn run(args: &CheckRealArgs, output: Output) -> Result<()> {
    let runtime = runtime::onnx_runtime()?;
    let scratch = tempfile::tempdir().context("create a temporary folder")?;
    let registry = registry(&args.models, scratch.path(), &runtime)?;
    let detectors = Detectors::load(&registry, &ModelChoice::default(), &runtime, Device::Cpu)?;
    let labels = labels(&args.photos)?;
    let bar = progress::stage("measure", labels.len() as u64, "photos");
    let rules = Rules::default();
    let seen: Vec<(Seen, Tile)> = labels
        .par_iter()
        .with_max_len(1) // one photo at a time per thread: memory is bounded by the number of threads
        .map(|label| {
            let seen = look(&detectors, &args.photos, label, &rules);
            bar.inc(1);
            seen
        })
        .collect::<Result<_>>()?;
    bar.finish_and_clear();
    let (seen, tiles): (Vec<_>, Vec<_>) = seen.into_iter().unzip();
    let sheet = contact_sheet(&tiles, COLUMNS);
    sheet.save(&args.sheet).with_context(|| format!("write the contact sheet {}", args.sheet.display()))?;
    show(&seen, args, output)
}

fn show(seen: &[Seen], args: &CheckRealArgs, output: Output) -> Result<()> {
    let misses: Vec<_> = seen.iter().filter(|seen| seen.labelled != seen.seen).collect();
    let agreement = 1.0 - misses.len() as f64 / seen.len().max(1) as f64;
    if !misses.is_empty() {
        output.show_all(&misses, &["photo", "labelled", "seen", "faces", "people"], |miss| {
            let texts = [miss.file.as_str(), miss.labelled, miss.seen].map(str::to_owned);
            texts.into_iter().chain([miss.faces, miss.people].map(|number| number.to_string())).collect()
        })?;
    }
    let summary = serde_json::json!({
        "photos": seen.len(), "misses": misses.len(), "agreement": agreement, "sheet": args.sheet,
    });
    output.show(&summary, |_| {
        let (all, sheet) = (seen.len(), args.sheet.display());
        format!(
            "people 0/1/2+ agrees on {} of {all} photos, {:.1} %; see {sheet}",
            all - misses.len(),
            agreement * 100.0
        )
    })?;
    if agreement < args.min_agreement {
        bail!("the agreement is below the goal of {:.1} %", args.min_agreement * 100.0);
    }
    Ok(())
}

fn look(detectors: &Detectors, folder: &Path, label: &Label, rules: &Rules) -> Result<(Seen, Tile)> {
    let path = folder.join(&label.file);
    let bytes = fs::read(&path).with_context(|| format!("read photo {}", path.display()))?;
    let photo = curate::decode_for(&bytes, detectors.min_decode_size())
        .with_context(|| format!("decode photo {}", path.display()))?;
    let (faces, people) = (detectors.faces(&photo)?, detectors.people(&photo)?);
    let counted = Counted::new(&faces, &people, rules);
    let seen = Seen {
        file: label.file.clone(),
        labelled: class(&label.people).with_context(|| format!("manifest line of {}", label.file))?.name(),
        seen: counted.class().name(),
        faces: counted.faces.len(),
        people: counted.people.len(),
    };
    let boxes: Vec<_> = counted.faces.iter().map(|face| face.bbox).collect();
    let bodies: Vec<_> = counted
        .people
        .iter()
        .map(|person| (person.bbox, person.joints.gated(rules.joints.min_score)))
        .collect();
    let text = format!("{} / {}", seen.labelled, seen.seen);
    let marks = Marks { faces: &boxes, people: &bodies };
    let size = (photo.facts.width, photo.facts.height);
    let tile = Tile::new(&seen.file, &photo.image, size, marks, &text, seen.labelled == seen.seen);
    Ok((seen, tile))
}

fn labels(folder: &Path) -> Result<Vec<Label>> {
    let path = folder.join("manifest.csv");
    let mut reader = csv::Reader::from_path(&path).with_context(|| format!("read {}", path.display()))?;
    reader.deserialize().collect::<Result<_, _>>().with_context(|| format!("read {}", path.display()))
}

/// `0`, `1`, `2`, … or `many`.
fn class(people: &str) -> Result<PeopleClass> {
    match people.trim() {
        "many" => Ok(PeopleClass::Several),
        number => {
            let count = number
                .parse()
                .with_context(|| format!("`{number}` is neither a number of people nor `many`"))?;
            Ok(PeopleClass::of_count(count))
        }
    }
}

/// The registry given, or one made of a folder's ONNX files by what they fit. A folder without a watermark model
/// borrows the project's, since counting people asks nothing of it.
fn registry(models: &Path, scratch: &Path, runtime: &Runtime) -> Result<Registry> {
    if models.is_file() {
        return Ok(Registry::read(models)?);
    }
    let path = scratch.join("models.toml");
    let mut missing = Role::REQUIRED.to_vec();
    let listing =
        fs::read_dir(models).with_context(|| format!("read the models' folder {}", models.display()))?;
    let mut files: Vec<PathBuf> = listing.map(|entry| anyhow::Ok(entry?.path())).collect::<Result<_>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "onnx"));
    files.sort();
    for file in files {
        let file = std::path::absolute(&file)?;
        let fits = missing.iter().position(|&role| register(&path, &file, role, runtime).is_ok());
        match fits {
            Some(place) => drop(missing.remove(place)),
            None => tracing::warn!(file = %file.display(), "fits no role that is still open; left aside"),
        }
    }
    if missing.contains(&Role::Watermark) {
        let own = Registry::read(Path::new("data/models/models.toml"))?;
        let entry = own.choose(Role::Watermark, None)?;
        register(&path, &std::path::absolute(own.file(entry))?, Role::Watermark, runtime)?;
        missing.retain(|&role| role != Role::Watermark);
    }
    if let [role, ..] = missing[..] {
        bail!(
            "no file in {} fits the role `{role}`, whose output is {}",
            models.display(),
            detect::contract(role).output
        );
    }
    Ok(Registry::read(&path)?)
}

fn register(registry: &Path, file: &Path, role: Role, runtime: &Runtime) -> Result<(), curate::ModelError> {
    detect::add(registry, &NewModel::new(role.to_string(), role, file), runtime).map(drop)
}
