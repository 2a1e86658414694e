//! `bolid models quantize`: an int8 variant of a model, calibrated on photos, with how well it agrees with the original.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use curate::input::{self, Input};
use curate::measure::need;
use curate::model::{self, ModelEntry, NewModel};
use curate::{One, Photo, Registry, Role, Runtime, Seen, decode_for};
use photo::Rules;
use photo::tiles::REGIONS;
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};
use serde::Serialize;

use crate::cli::QuantizeArgs;
use crate::output::Output;
use crate::runtime;

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
    agree: usize,
    mean_difference: f64,
}

/// Calibrates on every second photo, registers the variant beside the original, and compares both on the other photos.
pub fn run(args: &QuantizeArgs, output: Output) -> Result<()> {
    let path = &args.registry.models;
    let registry = Registry::read(path)?;
    let entry = registry.named(&args.name)?;
    let runtime = runtime::onnx_runtime()?;
    let original = One::load(&registry, entry, &runtime)?;
    let (calibration, comparison) = photos(&args.photos)?;
    let name = args.as_name.clone().unwrap_or_else(|| format!("{}-int8", entry.name));
    let file = registry.file(entry).with_file_name(format!("{name}.onnx"));
    quantize(&args.python, entry, &registry.file(entry), &calibration, &file)?;
    let new = NewModel {
        name: name.clone(),
        role: entry.role,
        file,
        normalisation: Some(entry.normalisation),
        licence: entry.licence.clone(),
        source: Some(format!("int8 variant of {}", entry.name)),
    };
    let model = model::add(path, &new, &runtime)?;
    let (agree, mean_difference) = compare(&original, path, &model, &comparison, &runtime)?;
    let (calibrated_on, compared_on) = (calibration.len(), comparison.len());
    let agreement = Agreement { model, calibrated_on, compared_on, agree, mean_difference };
    output.show(&agreement, |found| {
        format!(
            "registered {} for {} in {}, calibrated on {calibrated_on} photos\non {compared_on} other photos it agrees \
             with {} on {agree}; the highest scores differ by {mean_difference:.4} in the mean",
            found.model.name,
            found.model.role,
            path.display(),
            entry.name
        )
    })?;
    Ok(())
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

fn read(path: &Path, entry: &ModelEntry) -> Result<Photo> {
    let bytes = fs::read(path).with_context(|| format!("read photo {}", path.display()))?;
    decode_for(&bytes, need([entry])).with_context(|| format!("decode photo {}", path.display()))
}

fn quantize(python: &Path, entry: &ModelEntry, file: &Path, photos: &[PathBuf], target: &Path) -> Result<()> {
    let folder = tempfile::tempdir().context("create a temporary folder")?;
    let inputs = folder.path().join("inputs");
    fs::create_dir(&inputs).context("create a temporary folder")?;
    for (i, path) in photos.iter().enumerate() {
        let photo = read(path, entry)?;
        let of_photo = match entry.role {
            Role::Watermark => REGIONS.map(|region| input::squeezed(entry, &photo, region)).to_vec(),
            Role::Faces | Role::People => vec![input::letterboxed(entry, &photo).1],
            Role::FaceEmbedding => bail!(NO_EMBEDDINGS),
        };
        for (k, input) in of_photo.iter().enumerate() {
            fs::write(inputs.join(format!("{i:04}-{k}.npy")), npy(input)).context("write a model's input")?;
        }
    }
    let partial = folder.path().join("int8.onnx");
    let done = Command::new(python)
        .args(["-c", SCRIPT, "--model"])
        .arg(file)
        .arg("--inputs")
        .arg(&inputs)
        .arg("--output")
        .arg(&partial)
        .output()
        .with_context(|| {
            format!("run `{}`; `make python` sets it up, or name another with --python", python.display())
        })?;
    if !done.status.success() {
        let said = String::from_utf8_lossy(&done.stderr);
        let last = said.trim_end().lines().last().unwrap_or("no word");
        bail!(
            "quantize the model `{}` with `{}`: {last}. It needs the packages onnx, onnxruntime and numpy: `make python`",
            entry.name,
            python.display()
        );
    }
    fs::copy(&partial, target).with_context(|| format!("write the model {}", target.display()))?;
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

/// On how many photos the two say the same by the default rules, and the mean difference of their highest scores.
fn compare(
    original: &One,
    registry: &Path,
    variant: &ModelEntry,
    photos: &[PathBuf],
    runtime: &Runtime,
) -> Result<(usize, f64)> {
    let variant_model = One::load(&Registry::read(registry)?, variant, runtime)?;
    let rules = Rules::default();
    let compared: Vec<(bool, f64)> = photos
        .par_iter()
        .map(|path| {
            let photo = read(path, variant)?;
            let (a, b) = (said(&original.see(&photo)?, &rules)?, said(&variant_model.see(&photo)?, &rules)?);
            Ok((a.0 == b.0, f64::from((a.1 - b.1).abs())))
        })
        .collect::<Result<_>>()?;
    let difference =
        compared.iter().map(|(_, difference)| difference).sum::<f64>() / compared.len().max(1) as f64;
    Ok((compared.iter().filter(|(same, _)| *same).count(), difference))
}

/// How many (0, 1, 2 for more) count by the rules, and the highest score.
fn said(seen: &Seen, rules: &Rules) -> Result<(usize, f32)> {
    let count = |scores: &[f32], least: f32| {
        let counted = scores.iter().filter(|&&score| score >= least).count().min(2);
        (counted, scores.iter().copied().fold(0.0, f32::max))
    };
    Ok(match seen {
        Seen::Watermark(score) => {
            let highest = score.highest().map_or(0.0, |(_, score)| score);
            (usize::from(highest > rules.watermark.max_score), highest)
        }
        Seen::Faces(faces) => {
            count(&faces.iter().map(|face| face.score).collect::<Vec<_>>(), rules.faces.min_score)
        }
        Seen::People(people) => {
            count(&people.iter().map(|person| person.score).collect::<Vec<_>>(), rules.people.min_score)
        }
        Seen::FaceEmbedding(_) => bail!(NO_EMBEDDINGS),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
