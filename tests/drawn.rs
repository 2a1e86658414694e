//! Drawn views against the pipeline: the tensors of a small rendering are those of a large photo that went through
//! JPEG, the pose model and `curate::prepare`, and joints are disturbed as the project's pose model disturbs them.

use std::path::Path;

use curate::{Detectors, Device, ModelChoice, PrepareSettings, Registry, Runtime};
use image::RgbImage;
use photo::{BoundingBox, Joints, Person, Rules};
use rayon::prelude::*;
use synth::disturb::disturb;
use synth::{Body, Rendered, Shot, View, encode, noise};

const SIZE_PX: u32 = 128;

fn detectors() -> Detectors {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let runtime = Runtime::load(&project.join(".cache/onnxruntime/libonnxruntime.so"))
        .unwrap_or_else(|error| panic!("this test runs the pose model: {error}"));
    let registry = Registry::read(&project.join("data/models/models.toml")).expect("the demo models");
    Detectors::load(&registry, &ModelChoice::default(), &runtime, Device::Cpu).expect("the demo models fit")
}

fn min_score() -> f32 {
    Rules::default().joints.min_score
}

/// The view that `seed` names, of a person of its own.
fn small(seed: u64, longer_px: u32) -> View {
    View::draw(seed, &Body::sample(noise::subseed(seed, 1)), longer_px, min_score())
}

/// The same shot as a photo of a gallery has it.
fn large(shot: &Shot, longer_px: u32) -> Rendered {
    let scale = f64::from(longer_px) / f64::from(shot.width.max(shot.height));
    let length = |small: u32| (f64::from(small) * scale).round() as u32;
    synth::render(&Shot { width: length(shot.width), height: length(shot.height), ..shot.clone() })
}

/// What the pose model says of a photo's one person, and the photo as its file has it.
fn detected(detectors: &Detectors, photo: &Rendered, quality: u8) -> Option<(Person, RgbImage)> {
    let image = RgbImage::from_raw(photo.width, photo.height, photo.rgb.clone()).expect("a photo's pixels");
    let photo = curate::decode(&encode::jpeg(&image, quality)).expect("our own JPEG");
    let people = detectors.people(&photo).expect("the pose model runs");
    let largest = people.into_iter().max_by(|a, b| a.bbox.area().total_cmp(&b.bbox.area()))?;
    Some((largest, photo.image))
}

/// Means of `factor`² pixels of each plane, as training reduces tensors.
fn pooled(planes: &[u8], size: usize, factor: usize) -> Vec<f32> {
    let side = size / factor;
    let mut sums = vec![0.0; 3 * side * side];
    for (i, &value) in planes.iter().enumerate() {
        let (plane, y, x) = (i / (size * size), i / size % size, i % size);
        sums[(plane * side + y / factor) * side + x / factor] += f32::from(value);
    }
    sums.iter().map(|sum| sum / (factor * factor) as f32).collect()
}

fn mean_difference(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum::<f32>() / a.len() as f32
}

/// Joints by how a detector fares with them.
const GROUPS: [(&str, std::ops::Range<usize>); 7] = [
    ("face", 0..5),
    ("shoulders", 5..7),
    ("elbows", 7..9),
    ("wrists", 9..11),
    ("hips", 11..13),
    ("knees", 13..15),
    ("ankles", 15..17),
];

/// One joint: where it truly is, and what was made of it.
#[derive(Clone, Copy, Debug)]
struct Observed {
    joint: usize,
    kind: Kind,
    /// Distance to the truth over the height of the person's box.
    error: f32,
    confidence: f32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Visible,
    Hidden,
    Outside,
}

fn observed(truth: &Joints, found: &Joints, bbox: &BoundingBox, frame: (f32, f32)) -> Vec<Observed> {
    let pairs = truth.0.iter().zip(&found.0).enumerate();
    let observe = pairs.map(|(joint, (truth, found))| Observed {
        joint,
        kind: match truth.confidence > 0.0 {
            true => Kind::Visible,
            false if (0.0..frame.0).contains(&truth.x) && (0.0..frame.1).contains(&truth.y) => Kind::Hidden,
            false => Kind::Outside,
        },
        error: (found.x - truth.x).hypot(found.y - truth.y) / bbox.height(),
        confidence: found.confidence,
    });
    observe.collect()
}

/// What became of the joints of a kind.
#[derive(Clone, Copy, Debug, Default)]
struct Summary {
    count: usize,
    /// The share with a confidence that counts.
    kept: f32,
    /// Of those: quantiles 0.5, 0.75, 0.9, 0.97 of the error.
    errors: [f32; 4],
    /// Of those: quantiles 0.1, 0.5, 0.9 of the confidence.
    confidences: [f32; 3],
}

fn summary(all: &[Observed], kind: Kind, joints: &std::ops::Range<usize>) -> Summary {
    let of_kind: Vec<_> = all.iter().filter(|o| o.kind == kind && joints.contains(&o.joint)).collect();
    let kept: Vec<_> = of_kind.iter().filter(|o| o.confidence >= min_score()).collect();
    let quantiles = |values: &mut Vec<f32>, share: f32| {
        values.sort_by(f32::total_cmp);
        let at = share * values.len().saturating_sub(1) as f32;
        values.get(at.round() as usize).copied().unwrap_or(f32::NAN)
    };
    let mut errors: Vec<f32> = kept.iter().map(|o| o.error).collect();
    let mut confidences: Vec<f32> = kept.iter().map(|o| o.confidence).collect();
    Summary {
        count: of_kind.len(),
        kept: kept.len() as f32 / of_kind.len().max(1) as f32,
        errors: [0.5, 0.75, 0.9, 0.97].map(|share| quantiles(&mut errors, share)),
        confidences: [0.1, 0.5, 0.9].map(|share| quantiles(&mut confidences, share)),
    }
}

/// What the pose model and what [`disturb`] make of the joints of the same photos.
fn both(seeds: std::ops::Range<u64>, longer_px: u32) -> (Vec<Observed>, Vec<Observed>, usize) {
    let detectors = detectors();
    let all: Vec<_> = seeds
        .into_par_iter()
        .map(|seed| {
            let photo = large(&small(seed, 256).shot, longer_px);
            let person = &photo.truth.people[0];
            let frame = (photo.width as f32, photo.height as f32);
            let Some((found, _)) = detected(&detectors, &photo, 90) else { return None };
            let emulated = disturb(&person.joints, &person.bbox, frame, &mut noise::stream(seed, 90));
            Some((
                observed(&person.joints, &found.joints, &person.bbox, frame),
                observed(&person.joints, &emulated, &person.bbox, frame),
            ))
        })
        .collect();
    let missed = all.iter().filter(|pair| pair.is_none()).count();
    let (model, emulated): (Vec<_>, Vec<_>) = all.into_iter().flatten().unzip();
    (model.concat(), emulated.concat(), missed)
}

fn table(name: &str, all: &[Observed]) {
    for kind in [Kind::Visible, Kind::Hidden, Kind::Outside] {
        for (group, joints) in &GROUPS {
            let Summary { count, kept, errors, confidences } = summary(all, kind, joints);
            println!(
                "{name:9} {kind:?} {group:9} n {count:4} kept {kept:.3} errors {errors:.4?} confidence {confidences:.3?}"
            );
        }
    }
}

#[test]
#[ignore = "the calibration: prints what the pose model does with 150 photos, and what is made of it; 5 minutes"]
fn joints_are_disturbed_as_the_pose_model_disturbs_them() {
    let (model, emulated, missed) = both(7000..7150, 1200);
    table("model", &model);
    table("emulated", &emulated);
    println!("{missed} people missed");
    if let Ok(path) = std::env::var("CALIBRATION_CSV") {
        let lines = model.iter().map(|o| format!("{},{:?},{},{}\n", o.joint, o.kind, o.error, o.confidence));
        std::fs::write(path, lines.collect::<String>()).expect("the table can be written");
    }
}

#[test]
#[ignore = "in progress"]
fn a_drawn_view_has_the_tensors_of_the_pipeline() {
    let detectors = detectors();
    let settings = PrepareSettings::default();
    for seed in 0..8 {
        let view = small(seed, 2 * SIZE_PX);
        let photo = large(&view.shot, 1200);
        let (person, image) = detected(&detectors, &photo, 90).expect("somebody is found");
        let person = Person { joints: person.joints.gated(min_score()), ..person };
        let prepared = curate::prepare(&image, &person, &settings).expect("a joint is visible");
        let factor = (settings.size_px / SIZE_PX) as usize;
        let pool = |planes: &[u8]| pooled(planes, settings.size_px as usize, factor);
        let (expected, expected_weighted) = (pool(&prepared.image), pool(&prepared.weighted));

        let drawn = |scale: u32| {
            let size_px = SIZE_PX * scale;
            let sigma_px = settings.sigma_px * f64::from(size_px) / f64::from(settings.size_px);
            let small = PrepareSettings { size_px, sigma_px, ..settings.clone() };
            let Rendered { width, height, rgb, truth } = view.rendered.clone();
            let image = RgbImage::from_raw(width, height, rgb).expect("a view's pixels");
            let person = Person { bbox: truth.people[0].bbox, score: 1.0, joints: view.joints };
            let prepared = curate::prepare(&image, &person, &small).expect("a joint is visible");
            let pool = |planes: &[u8]| pooled(planes, size_px as usize, scale as usize);
            (pool(&prepared.image), pool(&prepared.weighted))
        };
        let (image, weighted) = drawn(1);
        let (image2, weighted2) = drawn(2);
        let sharp = |image: &[f32]| {
            let side = SIZE_PX as usize;
            let steps =
                image.chunks(side).flat_map(|row| row.windows(2).map(|pair| (pair[0] - pair[1]).abs()));
            steps.sum::<f32>() / image.len() as f32
        };
        println!(
            "seed {seed}: image {:.2} pooled {:.2} weighted {:.2} pooled {:.2}; steps {:.2} {:.2} {:.2}",
            mean_difference(&image, &expected),
            mean_difference(&image2, &expected),
            mean_difference(&weighted, &expected_weighted),
            mean_difference(&weighted2, &expected_weighted),
            sharp(&expected),
            sharp(&image),
            sharp(&image2),
        );
    }
}
