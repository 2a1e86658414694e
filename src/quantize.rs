//! `bolid models quantize`: an int8 variant of a model, calibrated on photos, with how well it agrees with
//! the original, to which it falls back where it is uncertain.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use curate::detect::{self, NewModel, min_decode_size};
use curate::model::tensor::Input;
use curate::model::{self, Fallback, ModelEntry};
use curate::{DecodedPhoto, ModelOutput, Registry, Role, SingleModel, decode_for};
use photo::Rules;
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};
use serde::Serialize;

use crate::cli::QuantizeArgs;
use crate::output::Output;
use crate::{models, runtime, which};

/// What quantizes; it travels with the program, so that both always fit.
const SCRIPT: &str = include_str!("../scripts/quantize_model.py");

/// Photos to calibrate on at most: the ranges of activations hardly move beyond some dozens.
const CALIBRATION_PHOTOS: usize = 64;

/// It would have to be calibrated on aligned faces, and be judged by how it moves similarities, not by scores.
const NO_EMBEDDINGS: &str = "models for face embeddings are not quantized: `rules.identity.min_similarity` depends on \
    small differences of what they say, and they are asked only of photos that may be kept; use the model as it is";

#[derive(Serialize)]
struct Agreement {
    model: ModelEntry,
    calibrated_on: usize,
    compared_on: usize,
    /// On how many photos both say the same by the default rules.
    agree: usize,
    /// On how many photos the variant was uncertain, so that the original ran.
    asked_twice: usize,
    /// How far their highest scores are from each other in the mean, where the variant was certain.
    mean_difference: Option<f64>,
    /// How far their visible joints are from each other there in the mean, as a share of the box's larger side.
    joints_moved: Option<f64>,
    /// The time the variant took, fallbacks included, as a share of the original's.
    time_share: f64,
    /// Whether it is in the list now: it saves time, or was wanted anyway.
    registered: bool,
}

/// Times of two dozen photos differ by some percent from run to run; a variant that takes a larger share of
/// its original's time than this saves nothing.
const NO_SAVING: f64 = 0.95;

/// Calibrates on every second photo, compares both on the other photos, and registers the variant where it
/// saves time. Its file lies beside the list; an earlier variant of the same model and name stays as it is
/// until then.
pub fn run(args: &QuantizeArgs, workdir: &Path, output: Output) -> Result<()> {
    let registry = Registry::read(&which::models_to_read(&args.registry, workdir)?)?;
    let path = &which::models_to_write(&args.registry, workdir)?;
    let entry = registry.named(&args.name)?;
    let runtime = runtime::onnx_runtime()?;
    if let Some(original) = &entry.fallback {
        bail!("`{}` is an int8 variant of `{}` already; quantize that", entry.name, original.name);
    }
    let original = SingleModel::load(&registry, entry, &runtime)?;
    let (calibration, comparison) = photos(&args.photos)?;
    let name = args.as_name.clone().unwrap_or_else(|| format!("{}-int8", entry.name));
    let file = path.with_file_name(format!("{name}.onnx"));
    refuse_a_place_of_others(path, entry, &registry.file(entry), &name, &file)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    fs::create_dir_all(folder).with_context(|| format!("create the folder {}", folder.display()))?;
    // Until it is registered it lies beside its place, where an earlier variant may be in use.
    let beside = tempfile::Builder::new().prefix(".quantize-").tempdir_in(folder);
    let beside = beside.with_context(|| format!("create a folder in `{}`", folder.display()))?;
    let made = beside.path().join("int8.onnx");
    quantize(&args.python, entry, &registry.file(entry), &calibration, &made)?;
    let new = NewModel {
        normalisation: Some(entry.normalisation),
        fallback: Some(Fallback {
            name: entry.name.clone(),
            file: model::relative_to(path, &registry.file(entry)),
            sha256: entry.sha256,
        }),
        licence: entry.licence.clone(),
        source: Some(format!("int8 variant of {}", entry.name)),
        ..NewModel::new(&name, entry.role, &made)
    };
    let mut model = detect::inspect(path, &new, &runtime)?;
    let variant = SingleModel::load(&Registry::empty(path), &model, &runtime)?;
    let compared = compare(&original, &variant, &model, &comparison)?;
    let time_share = compared.iter().map(|one| one.took).sum::<Duration>().as_secs_f64()
        / compared.iter().map(|one| one.original_took).sum::<Duration>().as_secs_f64();
    let registered = args.anyway || saves(time_share);
    model.file = PathBuf::from(format!("{name}.onnx"));
    if registered {
        let kept = beside.path().join("earlier.onnx");
        replace(&file, &made, &kept, || Ok(model::declare(path, &model)?))?;
    }
    let agreement = Agreement {
        calibrated_on: calibration.len(),
        compared_on: comparison.len(),
        agree: compared.iter().filter(|one| one.same).count(),
        asked_twice: compared.iter().filter(|one| one.used_fallback).count(),
        mean_difference: mean(compared.iter().filter(|one| !one.used_fallback).map(|one| one.apart)),
        joints_moved: mean(
            compared.iter().filter(|one| !one.used_fallback).filter_map(|one| one.joints_moved),
        ),
        time_share,
        registered,
        model,
    };
    output.show(&agreement, |found| report(found, &entry.name, path))?;
    if registered { models::say_how_to_use(path, entry.role, workdir) } else { Ok(()) }
}

fn saves(time_share: f64) -> bool {
    time_share <= NO_SAVING
}

/// Puts `made` in the place of `file`, and then changes the list by `declare`. Where that fails, the list
/// names the earlier file still, which is put back; until then it is `kept`.
fn replace(file: &Path, made: &Path, kept: &Path, declare: impl FnOnce() -> Result<()>) -> Result<()> {
    let is_earlier = file.exists();
    if is_earlier {
        // Some file systems know no second name for a file.
        fs::hard_link(file, kept)
            .or_else(|_| fs::copy(file, kept).map(drop))
            .with_context(|| format!("keep the model {}", file.display()))?;
    }
    fs::rename(made, file).with_context(|| format!("write the model {}", file.display()))?;
    let Err(error) = declare() else { return Ok(()) };
    let undone = if is_earlier { fs::rename(kept, file) } else { fs::remove_file(file) };
    undone.with_context(|| format!("{error:#}; and put the earlier {} back", file.display()))?;
    Err(error)
}

/// Refuses a name or file that belongs to the original or to any other model of the list. Only an earlier
/// variant of the same model is replaced.
fn refuse_a_place_of_others(
    list: &Path,
    original: &ModelEntry,
    original_file: &Path,
    name: &str,
    target: &Path,
) -> Result<()> {
    let is_target = |file: &Path| {
        file == target || matches!((file.canonicalize(), target.canonicalize()), (Ok(a), Ok(b)) if a == b)
    };
    if is_target(original_file) {
        bail!(
            "the variant would overwrite {}, the file of `{}` itself; give it another name with --as-name",
            target.display(),
            original.name
        );
    }
    let listed = if list.exists() { Registry::read(list)? } else { Registry::empty(list) };
    for other in listed.models() {
        let fallback = other.fallback.as_ref();
        let is_earlier =
            other.name == name && fallback.is_some_and(|fallback| fallback.name == original.name);
        if other.name == name && !is_earlier {
            bail!(
                "`{name}` in {} is another model; give the variant another name with --as-name",
                list.display()
            );
        }
        let fallback_file = other.fallback_entry().map(|fallback| listed.file(&fallback));
        let own_file = (!is_earlier).then(|| listed.file(other));
        if own_file.iter().chain(&fallback_file).any(|file| is_target(file)) {
            bail!(
                "the variant would overwrite {}, which `{}` in {} needs; give it another name with --as-name",
                target.display(),
                other.name,
                list.display()
            );
        }
    }
    Ok(())
}

fn report(found: &Agreement, original: &str, registry: &Path) -> String {
    let Agreement { model, calibrated_on, compared_on, agree, asked_twice, .. } = found;
    let scores = found
        .mean_difference
        .map(|apart| format!("; on the rest the highest scores differ by {apart:.4} in the mean"));
    let joints = found.joints_moved.map(|share| format!(", joints by {:.1} % of the person", 100.0 * share));
    let (registered, advice) = match (found.registered, saves(found.time_share)) {
        (true, true) => ("registered", ""),
        (true, false) => ("registered", ", which is no saving"),
        (false, _) => ("not registered:", ", which is no saving, so it is not kept (--anyway keeps it)"),
    };
    format!(
        "{registered} {} for {} in {}, calibrated on {calibrated_on} photos\n\
         on {compared_on} other photos it agrees with {original} on {agree}; on {asked_twice} it was in doubt \
         and asked {original}{}{}\n\
         it took {:.0} % of the time of {original}{advice}",
        model.name,
        model.role,
        registry.display(),
        scores.unwrap_or_default(),
        joints.unwrap_or_default(),
        100.0 * found.time_share
    )
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (count, sum) = values.fold((0_usize, 0.0), |(count, sum), value| (count + 1, sum + value));
    (count > 0).then(|| sum / count as f64)
}

/// The photos of a folder, every second one to calibrate on.
fn photos(folder: &Path) -> Result<(Vec<PathBuf>, Vec<PathBuf>)> {
    let listing =
        fs::read_dir(folder).with_context(|| format!("read the photos' folder {}", folder.display()))?;
    let mut files: Vec<PathBuf> = listing.map(|entry| anyhow::Ok(entry?.path())).collect::<Result<_>>()?;
    files.retain(|file| image::ImageFormat::from_path(file).is_ok());
    files.sort();
    if files.len() < 2 {
        bail!("{} holds {} photos; calibration and comparison need one each", folder.display(), files.len());
    }
    let (calibration, comparison): (Vec<_>, Vec<_>) =
        files.into_iter().enumerate().partition(|(i, _)| i % 2 == 0);
    let paths =
        |numbered: Vec<(usize, PathBuf)>| numbered.into_iter().map(|(_, path)| path).collect::<Vec<_>>();
    let mut calibration = paths(calibration);
    calibration.truncate(CALIBRATION_PHOTOS);
    Ok((calibration, paths(comparison)))
}

fn read(path: &Path, entry: &ModelEntry) -> Result<DecodedPhoto> {
    let bytes = fs::read(path).with_context(|| format!("read photo {}", path.display()))?;
    decode_for(&bytes, min_decode_size([entry])).with_context(|| format!("decode photo {}", path.display()))
}

fn quantize(python: &Path, entry: &ModelEntry, file: &Path, photos: &[PathBuf], target: &Path) -> Result<()> {
    let folder = tempfile::tempdir().context("create a temporary folder")?;
    let inputs = folder.path().join("inputs");
    fs::create_dir(&inputs).context("create a temporary folder")?;
    for (i, path) in photos.iter().enumerate() {
        let photo = read(path, entry)?;
        if entry.role == Role::FaceEmbedding {
            bail!(NO_EMBEDDINGS);
        }
        for (k, input) in detect::inputs(entry, &photo).iter().enumerate() {
            fs::write(inputs.join(format!("{i:04}-{k}.npy")), npy(input)).context("write a model's input")?;
        }
    }
    let done = Command::new(python)
        .args(["-c", SCRIPT, "--model"])
        .arg(file)
        .arg("--inputs")
        .arg(&inputs)
        .arg("--output")
        .arg(target)
        .output()
        .with_context(|| {
            format!("run `{}`; `make python` sets it up, or name another with --python", python.display())
        })?;
    if !done.status.success() {
        let said = String::from_utf8_lossy(&done.stderr);
        let last = said.trim_end().lines().last().unwrap_or("no word");
        bail!(
            "quantize the model `{}` with `{}`: {last}. It needs the packages onnx, onnxruntime and numpy: \
             `make python`",
            entry.name,
            python.display()
        );
    }
    Ok(())
}

/// A NumPy file of f32 `[1, 3, height, width]`.
fn npy(input: &Input) -> Vec<u8> {
    let Input { values, width, height } = input;
    let mut header =
        format!("{{'descr': '<f4', 'fortran_order': False, 'shape': (1, 3, {height}, {width}), }}");
    // The format wants what comes before the values to be a multiple of 64 bytes, ending with a line break.
    let length = (10 + header.len() + 1).next_multiple_of(64) - 10;
    header.extend(std::iter::repeat_n(' ', length - header.len() - 1));
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((length as u16).to_le_bytes());
    bytes.extend(header.bytes());
    bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    bytes
}

/// How two models compare on one photo.
struct Compared {
    same: bool,
    used_fallback: bool,
    apart: f64,
    joints_moved: Option<f64>,
    took: Duration,
    original_took: Duration,
}

fn compare(
    original: &SingleModel,
    variant: &SingleModel,
    entry: &ModelEntry,
    photos: &[PathBuf],
) -> Result<Vec<Compared>> {
    let rules = Rules::default();
    // Opened before, so that only detecting is timed.
    [original, variant].into_iter().try_for_each(|model| model.open_for(rayon::current_num_threads()))?;
    photos.par_iter().map(|photo| compare_on(photo, original, variant, entry, &rules)).collect()
}

/// What both models find in one photo, and how long each takes.
fn compare_on(
    photo: &Path,
    original: &SingleModel,
    variant: &SingleModel,
    entry: &ModelEntry,
    rules: &Rules,
) -> Result<Compared> {
    let photo = read(photo, entry)?;
    let begin = Instant::now();
    let a = original.detect(&photo)?.value;
    let original_took = begin.elapsed();
    let b = variant.detect(&photo)?;
    let took = begin.elapsed() - original_took;
    let (count, score) = said(&a, rules)?;
    let (count_of_variant, score_of_variant) = said(&b.value, rules)?;
    Ok(Compared {
        same: count == count_of_variant,
        used_fallback: b.used_fallback,
        apart: f64::from((score - score_of_variant).abs()),
        joints_moved: joints_moved(&a, &b.value),
        took,
        original_took,
    })
}

/// How far the visible joints of the surest person move, as a share of the larger side of the box.
fn joints_moved(a: &ModelOutput, b: &ModelOutput) -> Option<f64> {
    let (ModelOutput::People(a), ModelOutput::People(b)) = (a, b) else { return None };
    let (a, b) = (a.first()?, b.first()?);
    let size = f64::from((a.bbox.x1 - a.bbox.x0).max(a.bbox.y1 - a.bbox.y0));
    let pairs = a.joints.0.iter().zip(&b.joints.0);
    let seen = pairs.filter(|(a, _)| a.confidence >= Rules::default().joints.min_score);
    mean(seen.map(|(a, b)| f64::from((a.x - b.x).hypot(a.y - b.y)) / size))
}

/// How many (0, 1, 2 for more) count by the rules, and the highest score.
fn said(seen: &ModelOutput, rules: &Rules) -> Result<(usize, f32)> {
    let count = |scores: &[f32], least: f32| {
        let counted = scores.iter().filter(|&&score| score >= least).count().min(2);
        (counted, scores.iter().copied().fold(0.0, f32::max))
    };
    Ok(match seen {
        ModelOutput::Watermark(score) => {
            let highest = score.highest().map_or(0.0, |(_, score)| score);
            (usize::from(highest > rules.watermark.max_score), highest)
        }
        ModelOutput::Faces(faces) => {
            count(&faces.iter().map(|face| face.score).collect::<Vec<_>>(), rules.faces.min_score)
        }
        ModelOutput::People(people) => {
            count(&people.iter().map(|person| person.score).collect::<Vec<_>>(), rules.people.min_score)
        }
        ModelOutput::FaceEmbedding(_) => bail!(NO_EMBEDDINGS),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variant_that_takes_nearly_its_originals_time_or_more_saves_nothing() {
        assert_eq!([0.3, 0.94, 0.97, 1.0, 1.4].map(saves), [true, true, false, false, false]);
        assert!(!saves(f64::NAN), "of no photos");
    }

    #[test]
    fn an_earlier_variant_is_back_where_the_list_cannot_be_changed() {
        let folder = tempfile::tempdir().unwrap();
        let [file, made, kept] =
            ["model.onnx", "made.onnx", "kept.onnx"].map(|name| folder.path().join(name));
        let fails = || bail!("the list is read-only");
        fs::write(&made, "new").unwrap();
        let error = replace(&file, &made, &kept, fails).unwrap_err().to_string();
        assert_eq!((error.as_str(), file.exists()), ("the list is read-only", false));

        fs::write(&file, "earlier").unwrap();
        fs::write(&made, "new").unwrap();
        replace(&file, &made, &kept, fails).unwrap_err();
        assert_eq!(fs::read_to_string(&file).unwrap(), "earlier");

        fs::write(&made, "new").unwrap();
        replace(&file, &made, &kept, || Ok(())).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
    }

    // numpy.lib.format, version 1.0: magic, header length, a dict padded to a multiple of 64, then the values.
    #[test]
    fn inputs_are_written_as_numpy_reads_them() {
        let bytes = npy(&Input { values: vec![0.5; 3 * 2 * 4], width: 4, height: 2 });
        assert_eq!(&bytes[..8], b"\x93NUMPY\x01\x00");
        let length = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
        assert_eq!((10 + length) % 64, 0);
        let header = std::str::from_utf8(&bytes[10..10 + length]).unwrap();
        assert!(header.contains("'shape': (1, 3, 2, 4)") && header.ends_with('\n'), "{header}");
        assert_eq!(bytes.len(), 10 + length + 4 * 24);
        assert_eq!(bytes[10 + length..][..4], 0.5_f32.to_le_bytes());
    }
}
