//! int8 variants that fall back to the model they were made of where they are uncertain, on the tiny files of
//! `fixtures/make_models.py`.

use std::fs;
use std::path::Path;

use crate::support::{fixture, new, runtime};
use curate::detect::{self, NewModel, cache_key};
use curate::model::{Fallback, ModelEntry};
use curate::{
    DecodedPhoto, Detectors, Device, Measurements, MinDecodeSize, ModelChoice, ModelError, ModelOutput,
    ModelSchedule, Registry, Role, SingleModel, decode, decode_for,
};
use image::codecs::jpeg::JpegEncoder;
use image::{Rgb, RgbImage};
use photo::Digest;
use tempfile::TempDir;

/// Registers a fixture, as a variant of another where one is named.
fn add(registry: &Path, name: &str, role: Role, original: Option<&str>) -> ModelEntry {
    let fallback = original.map(|original| Fallback {
        name: original.to_owned(),
        file: fixture(original),
        sha256: Digest::of(fs::read(fixture(original)).unwrap()),
    });
    let new = NewModel { fallback, ..new(name, role) };
    detect::add(registry, &new, &runtime()).unwrap()
}

/// A photo of one colour, of `side` px.
fn photo(colour: [u8; 3], side: u32) -> Vec<u8> {
    let mut jpeg = Vec::new();
    let image = RgbImage::from_pixel(side, side, Rgb(colour));
    image.write_with_encoder(JpegEncoder::new_with_quality(&mut jpeg, 100)).unwrap();
    jpeg
}

/// The highest score of a model of the registry, and whether its fallback ran.
fn seen(registry: &Path, name: &str, photo: &DecodedPhoto) -> (f32, bool) {
    let registry = Registry::read(registry).unwrap();
    let one = SingleModel::load(&registry, registry.named(name).unwrap(), &runtime()).unwrap();
    let found = one.detect(photo).unwrap();
    let score = match found.value {
        ModelOutput::Faces(faces) => faces.first().map_or(0.0, |face| face.score),
        ModelOutput::Watermark(score) => score.highest().map_or(0.0, |(_, score)| score),
        other => panic!("{other:?}"),
    };
    ((score * 1000.0).round() / 1000.0, found.used_fallback)
}

#[test]
fn a_clear_case_is_the_variants_and_an_unclear_one_the_originals() {
    let folder = TempDir::new().unwrap();
    let registry = folder.path().join("models.toml");
    add(&registry, "faces_variant", Role::Faces, Some("faces"));
    // The variant says 0.9 of the red of 255; what it gives 0.07 might be a detection by its original.
    let cases = [(5, 0.0, false), (20, 0.0, true), (153, 0.6, true), (230, 0.812, false)];
    for (red, score, twice) in cases {
        let photo = decode(&photo([red, 0, 0], 64)).unwrap();
        let (found, second) = seen(&registry, "faces_variant", &photo);
        assert!((found - score).abs() < 0.006 && second == twice, "red {red}: {found}, {second}");
    }
    add(&registry, "watermark_variant", Role::Watermark, Some("watermark"));
    // The original's logit is 20 · (blue − 0.5), the variant's half of it.
    for (blue, score, twice) in
        [(250, 0.991, false), (153, 0.881, true), (140, 0.728, true), (5, 0.008, false)]
    {
        let photo = decode(&photo([0, 0, blue], 64)).unwrap();
        let (found, second) = seen(&registry, "watermark_variant", &photo);
        assert!((found - score).abs() < 0.03 && second == twice, "blue {blue}: {found}, {second}");
    }
}

#[test]
fn without_its_original_a_variant_has_the_last_word() {
    let folder = TempDir::new().unwrap();
    let registry = folder.path().join("models.toml");
    add(&registry, "faces_variant", Role::Faces, None);
    let photo = decode(&photo([153, 0, 0], 64)).unwrap();
    let (found, twice) = seen(&registry, "faces_variant", &photo);
    assert!((found - 0.54).abs() < 0.006 && !twice, "{found}");
}

#[test]
fn only_the_second_look_decodes_the_photo_whole() {
    let folder = TempDir::new().unwrap();
    let registry = folder.path().join("models.toml");
    add(&registry, "faces_variant", Role::Faces, Some("faces"));
    add(&registry, "people", Role::People, None);
    add(&registry, "watermark", Role::Watermark, None);
    let read = Registry::read(&registry).unwrap();
    let detectors = Detectors::load(&read, &ModelChoice::default(), &runtime(), Device::Cpu).unwrap();
    for (red, expected) in [(153, vec![MinDecodeSize::WHOLE]), (230, Vec::new())] {
        let bytes = photo([red, 0, 0], 1600);
        let reduced = decode_for(&bytes, detectors.min_decode_size()).unwrap();
        assert_eq!(reduced.image.width(), 800);
        let mut asked = Vec::new();
        let known = Measurements::of(reduced.facts.clone());
        let measured = detectors.complete(&reduced, known, &ModelSchedule::All, &mut |need| {
            asked.push(need);
            decode_for(&bytes, need).ok()
        });
        assert_eq!(asked, expected, "red {red}");
        let faces = measured.unwrap().faces.unwrap();
        assert_eq!(
            faces[0].bbox.x1 - faces[0].bbox.x0,
            400.0,
            "a quarter of the photo, in px of the whole one"
        );
    }
}

#[test]
fn scores_of_a_variant_with_an_original_are_not_those_of_the_variant_alone() {
    let folder = TempDir::new().unwrap();
    let registry = folder.path().join("models.toml");
    let need = MinDecodeSize { shorter_px: 64, longer_px: 64 };
    let of = |original| {
        let entry = add(&registry, "faces_variant", Role::Faces, original);
        cache_key(Role::Faces, &[entry], need, Device::Cpu).unwrap()
    };
    let (alone, with_faces) = (of(None), of(Some("faces")));
    assert_ne!(alone, with_faces);
    assert_ne!(with_faces, of(Some("faces_with_a_sixth_row")));
    assert_eq!(alone, of(None));
}

#[test]
fn an_original_that_is_missing_or_another_file_is_named() {
    let folder = TempDir::new().unwrap();
    let registry = folder.path().join("models.toml");
    let entry = add(&registry, "faces_variant", Role::Faces, Some("faces"));
    let text = fs::read_to_string(&registry).unwrap();
    let check = |from: &str, to: &str| {
        fs::write(&registry, text.replace(from, to)).unwrap();
        let read = Registry::read(&registry).unwrap();
        detect::check(&read, read.named("faces_variant").unwrap(), &runtime()).unwrap_err()
    };
    let missing = check("/faces.onnx", "/gone.onnx");
    assert!(matches!(&missing, ModelError::File { name, .. } if name == "faces"), "{missing}");
    assert!(missing.to_string().contains("gone.onnx"), "{missing}");
    let sha256 = entry.fallback.unwrap().sha256.to_string();
    let other = check(&sha256, &Digest::of(b"another file").to_string());
    assert!(matches!(&other, ModelError::WrongDigest { name, .. } if name == "faces"), "{other}");
}
