//! A collection: proportions, plants, copies, determinism.

use std::collections::{BTreeMap, BTreeSet};

use image::ImageReader;
use rayon::prelude::*;
use synth::collection::SyntheticPhoto;
use synth::spoil::{Change, Damage};
use synth::{Collection, CollectionSpec, Plant, Quirk};

fn collection(seed: u64) -> Collection {
    Collection::new(CollectionSpec { seed, ..CollectionSpec::default() })
}

fn all(collection: &Collection) -> Vec<&SyntheticPhoto> {
    collection.identities.iter().flat_map(|identity| &identity.photos).collect()
}

fn decoded(photo: &SyntheticPhoto) -> image::DynamicImage {
    image::load_from_memory(&photo.bytes()).unwrap()
}

#[test]
fn seven_of_ten_photos_are_good_and_every_kind_of_reject_is_planted() {
    for seed in [1, 2, 77] {
        let collection = collection(seed);
        assert_eq!(collection.identities.len(), 8);
        let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
        for photo in all(&collection) {
            let kind = match &photo.plant {
                None => "good".to_owned(),
                Some(Plant::Watermark { mark }) => format!("watermark {}", mark.kind.name()),
                Some(Plant::SeveralPeople { count }) => format!("people {count}"),
                Some(Plant::NearDuplicate { change, .. }) => format!("near {change:?}"),
                Some(Plant::Broken { damage }) => format!("broken {damage:?}"),
                Some(plant) => plant.reason().to_owned(),
            };
            *kinds.entry(kind).or_default() += 1;
        }
        let good = kinds["good"] as f32 / 192.0;
        assert!((0.67..0.75).contains(&good), "{kinds:?}");
        // 4 marks, 0, 2 and 3 people, too small, duplicate, 4 or 5 changes (some fall back to mirroring), 4 damages
        assert!(kinds.len() >= 18, "{kinds:?}");
    }
}

#[test]
fn names_and_files_are_unique() {
    let collection = collection(3);
    let slugs: BTreeSet<_> = collection.identities.iter().map(|identity| &identity.slug).collect();
    assert_eq!(slugs.len(), 8);
    for identity in &collection.identities {
        let files: BTreeSet<_> = identity.photos.iter().map(|photo| &photo.file_name).collect();
        assert_eq!(files.len(), 24, "{}", identity.name);
        assert!(identity.slug.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'), "{}", identity.slug);
    }
}

#[test]
fn copies_come_after_a_good_original() {
    for seed in 0..20 {
        for identity in &collection(seed).identities {
            for photo in &identity.photos {
                if let Some(of) = photo.original() {
                    assert!(of < photo.index);
                    assert_eq!(identity.photos[of].plant, None);
                    assert_eq!(identity.photos[of].quirk, None);
                }
            }
        }
    }
}

#[test]
fn sizes_are_as_stated_and_only_planted_ones_are_small() {
    for photo in all(&collection(4)) {
        let small = photo.width.min(photo.height) < 1000;
        assert_eq!(small, photo.plant == Some(Plant::TooSmall), "{photo:?}");
        assert!(photo.width.max(photo.height) <= 1800);
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes_on_one_and_many_threads() {
    let (first, second) = (collection(5), collection(5));
    assert_eq!(first, second);
    let bytes = |collection: &Collection, threads: usize| -> Vec<Vec<u8>> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| all(collection)[..8].par_iter().map(|photo| photo.bytes()).collect())
    };
    assert_eq!(bytes(&first, 1), bytes(&second, 4));
}

#[test]
fn duplicates_are_the_same_bytes_and_near_duplicates_look_the_same() {
    let collection = collection(6);
    let (mut same, mut near) = (0, BTreeSet::new());
    for identity in &collection.identities {
        for photo in &identity.photos {
            let Some(of) = photo.original() else { continue };
            let original = &identity.photos[of];
            match photo.plant {
                Some(Plant::Duplicate { .. }) if same == 0 => {
                    assert_eq!(photo.bytes(), original.bytes());
                    same += 1;
                }
                Some(Plant::NearDuplicate { change, .. }) if near.insert(change) => {
                    let (mut a, b) = (decoded(original), decoded(photo));
                    assert_eq!((b.width(), b.height()), (photo.width, photo.height));
                    if change == Change::Mirrored {
                        a = a.fliph();
                    }
                    let little = |image: &image::DynamicImage| image.thumbnail_exact(24, 32).to_rgb8();
                    let (a, b) = (little(&a), little(&b));
                    let apart: u32 = a.iter().zip(b.iter()).map(|(a, b)| u32::from(a.abs_diff(*b))).sum();
                    let mean = apart as f32 / a.len() as f32;
                    assert!(mean < 12.0, "{change:?}: {mean}");
                }
                _ => {}
            }
        }
    }
    assert!(same == 1 && near.len() >= 4, "{same} {near:?}");
}

#[test]
fn the_truth_of_a_mirrored_copy_has_left_and_right_exchanged() {
    let collection = collection(6);
    let mirrored = |photo: &&SyntheticPhoto| {
        matches!(photo.plant, Some(Plant::NearDuplicate { change: Change::Mirrored, .. }))
    };
    let identity = collection.identities.iter().find(|i| i.photos.iter().any(|p| mirrored(&p))).unwrap();
    let copy = identity.photos.iter().find(mirrored).unwrap();
    let (copied, original) =
        (copy.truth().unwrap(), identity.photos[copy.original().unwrap()].truth().unwrap());
    let scale = copied.width as f32 / original.width as f32;
    let (left, right) = (copied.people[0].joints.0[5], original.people[0].joints.0[6]);
    assert!((copied.width as f32 - (left.x + 0.5) - (right.x + 0.5) * scale).abs() < 0.01);
    assert_eq!(left.confidence, right.confidence);
}

#[test]
fn harmless_quirks_keep_the_upright_photo() {
    let collection = collection(7);
    let find = |quirk| all(&collection).into_iter().find(|photo| photo.quirk == Some(quirk)).unwrap();
    let png = find(Quirk::PngNamedJpg);
    assert!(png.bytes().starts_with(b"\x89PNG") && png.file_name.ends_with(".jpg"));
    assert_eq!(png.expected_reason(), None);
    let turned = find(Quirk::ExifOrientation);
    let bytes = turned.bytes();
    let mut decoder =
        ImageReader::new(std::io::Cursor::new(&bytes)).with_guessed_format().unwrap().into_decoder().unwrap();
    let orientation = image::ImageDecoder::orientation(&mut decoder).unwrap();
    assert_eq!(orientation, image::metadata::Orientation::Rotate90);
    let mut image = image::DynamicImage::from_decoder(decoder).unwrap();
    image.apply_orientation(orientation);
    assert_eq!((image.width(), image.height()), (turned.width, turned.height));
    let rendered = turned.rendered();
    let top_left = |rgb: &[u8]| rgb[..300].iter().map(|&c| f32::from(c)).sum::<f32>() / 300.0;
    assert!((top_left(image.to_rgb8().as_raw()) - top_left(&rendered.rgb)).abs() < 6.0);
}

#[test]
fn broken_files_are_broken_and_a_mark_changes_the_photo() {
    let collection = collection(8);
    let photos = all(&collection);
    let broken =
        |wanted: Damage| photos.iter().find(|p| p.plant == Some(Plant::Broken { damage: wanted })).unwrap();
    assert!(broken(Damage::Empty).bytes().is_empty());
    assert!(broken(Damage::Html).bytes().starts_with(b"<!DOCTYPE html>"));
    assert!(image::load_from_memory(&broken(Damage::Garbage).bytes()).is_err());
    let cut = broken(Damage::Truncated).bytes();
    assert!(cut.starts_with(b"\xff\xd8") && !cut.ends_with(b"\xff\xd9"));
    let marked = photos.iter().find(|p| matches!(p.plant, Some(Plant::Watermark { .. }))).unwrap();
    let (image, clean) = (decoded(marked).to_rgb8(), marked.rendered());
    let changed = image.iter().zip(&clean.rgb).filter(|(a, b)| a.abs_diff(**b) > 40).count();
    assert!(changed > 300, "{changed}");
    assert!(marked.truth().unwrap().watermark.is_some());
}
