//! Writes the training data of the demo models: photos with people and their joints, regions with and without marks.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context;
use clap::Parser;
use image::imageops::{self, FilterType};
use image::{Rgb, RgbImage};
use photo::tiles::REGIONS;
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde_json::{Value, json};
use synth::{Body, Framing, Mark, Rendered, Shot, encode, noise};

/// The detectors' input, pixels per side.
const LETTERBOX: u32 = 640;
/// What is stored of it: means of 2×2 pixels.
const STORED: u32 = 320;
/// The watermark classifier's input, pixels per side.
const REGION: u32 = 256;
/// The grey around letterboxed photos.
const GREY: u8 = 114;

/// Writes people.u8, people.jsonl, marks.u8 and marks.jsonl.
#[derive(Parser)]
struct Arguments {
    /// Decides everything.
    #[arg(long)]
    seed: u64,
    /// Photos for the detectors.
    #[arg(long, default_value_t = 0)]
    people: u64,
    /// Full-size photos for the watermark classifier; every second one is marked.
    #[arg(long, default_value_t = 0)]
    marks: u64,
    /// The folder to write into.
    #[arg(long)]
    out: PathBuf,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    std::fs::create_dir_all(&arguments.out).with_context(|| format!("create {}", arguments.out.display()))?;
    let people_seed = noise::subseed(arguments.seed, 1);
    let marks_seed = noise::subseed(arguments.seed, 2);
    write(&arguments.out, "people", arguments.people, |index| vec![people_sample(people_seed, index)])?;
    write(&arguments.out, "marks", arguments.marks, |photo| mark_samples(marks_seed, photo))
}

/// Writes the samples of `count` photos in order, a batch in memory at a time.
fn write(
    folder: &Path,
    name: &str,
    count: u64,
    make: impl Fn(u64) -> Vec<(RgbImage, Value)> + Sync,
) -> anyhow::Result<()> {
    let create = |extension: &str| {
        let path = folder.join(format!("{name}.{extension}"));
        File::create(&path).map(BufWriter::new).with_context(|| format!("create {}", path.display()))
    };
    let (mut pixels, mut lines) = (create("u8")?, create("jsonl")?);
    let start = Instant::now();
    const BATCH: u64 = 64;
    let mut written = 0;
    for first in (0..count).step_by(BATCH as usize) {
        let batch: Vec<_> = (first..(first + BATCH).min(count)).into_par_iter().map(&make).collect();
        for (image, mut line) in batch.into_iter().flatten() {
            line["index"] = written.into();
            written += 1;
            pixels.write_all(image.as_raw())?;
            writeln!(lines, "{line}")?;
        }
        let done = (first + BATCH).min(count);
        eprintln!(
            "{name}: {done} of {count} photos, {written} images, {:.1} s",
            start.elapsed().as_secs_f32()
        );
    }
    Ok(())
}

/// How many people a photo for the detectors has.
fn people_count(rng: &mut ChaCha8Rng) -> u64 {
    match rng.random_range(0..100) {
        0..15 => 0,
        15..65 => 1,
        65..87 => 2,
        87..97 => 3,
        _ => 4,
    }
}

fn shot(seed: u64, rng: &mut ChaCha8Rng, long_side: u32, count: u64, framings: &[Framing]) -> Shot {
    let aspect = match rng.random_range(0..100) {
        0..68 => rng.random_range(1.15..1.6),
        68..80 => 1.0,
        _ => 1.0 / rng.random_range(1.15..1.6f32),
    };
    let short = |ratio: f32| (long_side as f32 / ratio).round() as u32;
    let (width, height) =
        if aspect >= 1.0 { (short(aspect), long_side) } else { (long_side, short(1.0 / aspect)) };
    let people = (0..count).map(|i| Body::sample(noise::subseed(seed, 50 + i))).collect();
    Shot { seed, width, height, people, framing: *framings.choose(rng).expect("framings are listed") }
}

fn to_image(rendered: &Rendered) -> RgbImage {
    RgbImage::from_raw(rendered.width, rendered.height, rendered.rgb.clone()).expect("three bytes a pixel")
}

/// The image after a JPEG file.
fn through_jpeg(image: &RgbImage, quality: u8) -> RgbImage {
    image::load_from_memory(&encode::jpeg(image, quality)).expect("own JPEG decodes").to_rgb8()
}

fn people_sample(seed: u64, index: u64) -> (RgbImage, Value) {
    use Framing::{Full, Hips, Knees, Wild};
    let seed = noise::subseed(seed, index);
    let rng = &mut noise::stream(seed, 30);
    let count = people_count(rng);
    // some photos take the whole way from full size, so that the detectors see that texture too
    let long_side = if rng.random_bool(0.15) { rng.random_range(1000..1700) } else { LETTERBOX };
    let framings = [Wild, Wild, Wild, Wild, Wild, Wild, Full, Full, Full, Knees, Hips];
    let shot = shot(seed, rng, long_side, count, &framings);
    let rendered = synth::render(&shot);
    let mut image = to_image(&rendered);
    if rng.random_bool(0.2) {
        let mark = Mark::sample(noise::subseed(seed, 9));
        let ink = mark.ink(shot.width as usize, shot.height as usize);
        mark.apply(&mut image, &ink);
    }
    let image = through_jpeg(&image, rng.random_range(55..97));
    let scale = LETTERBOX as f32 / shot.width.max(shot.height) as f32;
    let fitted = |length: u32| ((length as f32 * scale).round() as u32).max(1);
    let (w, h) = (fitted(shot.width), fitted(shot.height));
    let image = if (w, h) == image.dimensions() {
        image
    } else {
        imageops::resize(&image, w, h, FilterType::Triangle)
    };
    let (left, top) = ((LETTERBOX - w) / 2, (LETTERBOX - h) / 2);
    let mut boxed = RgbImage::from_pixel(LETTERBOX, LETTERBOX, Rgb([GREY; 3]));
    imageops::replace(&mut boxed, &image, i64::from(left), i64::from(top));
    let stored = RgbImage::from_fn(STORED, STORED, |x, y| {
        let sum = |channel: usize| -> u8 {
            let at = |dx: u32, dy: u32| u32::from(boxed.get_pixel(2 * x + dx, 2 * y + dy)[channel]);
            ((at(0, 0) + at(1, 0) + at(0, 1) + at(1, 1) + 2) / 4) as u8
        };
        Rgb([sum(0), sum(1), sum(2)])
    });
    let truth = rendered.truth.moved(scale, left as f32, top as f32, LETTERBOX, LETTERBOX);
    // a sliver of a person at the frame's edge is nobody to be found
    let counted = truth.people.iter().filter(|person| person.area_px >= 60.0);
    let people: Vec<Value> = counted
        .map(|person| {
            let b = person.bbox;
            let face = person.face.map(|f| [f.x0, f.y0, f.x1, f.y1]);
            json!({"box": [b.x0, b.y0, b.x1, b.y1], "joints": person.joints, "face": face})
        })
        .collect();
    (stored, json!({"index": 0, "width": shot.width, "height": shot.height, "people": people}))
}

fn mark_samples(seed: u64, photo: u64) -> Vec<(RgbImage, Value)> {
    use Framing::{Full, Hips, Knees, Wild};
    let seed = noise::subseed(seed, photo);
    let rng = &mut noise::stream(seed, 31);
    let count = people_count(rng);
    let long_side = rng.random_range(1100..1800);
    let shot = shot(seed, rng, long_side, count, &[Full, Full, Full, Knees, Hips, Wild]);
    let clean = to_image(&synth::render(&shot));
    let quality = rng.random_range(60..97);
    let mark = photo.is_multiple_of(2).then(|| Mark::sample(noise::subseed(seed, 9)));
    let mut samples = Vec::new();
    if let Some(mark) = &mark {
        let ink = mark.ink(shot.width as usize, shot.height as usize);
        let mut marked = clean.clone();
        mark.apply(&mut marked, &ink);
        let marked = through_jpeg(&marked, quality);
        for region in REGIONS {
            let rect = region.rect(shot.width, shot.height);
            let (of_one, of_all) = ink.shares(rect);
            let label = match (of_one, of_all) {
                _ if region == REGIONS[0] => 1,
                (one, all) if all >= 0.15 || one >= 0.5 => 1,
                (one, _) if one < 0.002 => 0,
                _ => continue,
            };
            let line = json!({"index": 0, "region": region, "label": label, "kind": mark.kind, "strength": mark.strength, "photo": photo});
            samples.push((cut(&marked, region.rect(shot.width, shot.height)), line));
        }
    }
    let clean = through_jpeg(&clean, quality);
    for region in REGIONS {
        let line =
            json!({"index": 0, "region": region, "label": 0, "kind": null, "strength": null, "photo": photo});
        samples.push((cut(&clean, region.rect(shot.width, shot.height)), line));
    }
    samples
}

fn cut(image: &RgbImage, rect: photo::tiles::PixelRect) -> RgbImage {
    let region = imageops::crop_imm(image, rect.x, rect.y, rect.width, rect.height).to_image();
    imageops::resize(&region, REGION, REGION, FilterType::Triangle)
}
