//! How well copies of photos are found: recall for each way of copying, and precision, on people of unseen seeds or on
//! photos of a folder. `make evaluate-duplicates`, or `cargo run --release --example near_duplicates -- SEED|FOLDER…`

use std::collections::BTreeMap;
use std::fs;
use std::io::Cursor;
use std::path::Path;

use anyhow::{Context, Result};
use curate::duplicates::stars;
use curate::hash::Fingerprint;
use image::RgbImage;
use image::codecs::jpeg::JpegEncoder;
use image::imageops::{self, FilterType};
use photo::Rules;
use rayon::prelude::*;
use synth::{Collection, CollectionSpec};

const PEOPLE: usize = 5;
const PHOTOS_EACH: usize = 16;
/// Below the quality of most galleries, so that blocks show.
const QUALITY: u8 = 60;

/// A way of copying: its name, and what it does before the copy is saved again.
type Change = (&'static str, fn(&RgbImage) -> RgbImage);

const CHANGES: [Change; 6] = [
    ("re-encoded", RgbImage::clone),
    ("rescaled to 0.9", |photo| scaled(photo, 0.9)),
    ("rescaled to 0.5", |photo| scaled(photo, 0.5)),
    ("cropped by 3 %", |photo| cropped(photo)),
    ("mirrored", imageops::flip_horizontal),
    ("mirrored, cropped, rescaled", |photo| scaled(&imageops::flip_horizontal(&cropped(photo)), 0.9)),
];

fn main() -> Result<()> {
    let max_distance = Rules::default().duplicates.max_distance;
    for of in std::env::args().skip(1) {
        let files = match of.parse() {
            Ok(seed) => synthetic(seed),
            Err(_) => in_folder(Path::new(&of))?,
        };
        let photos = files.par_iter().map(|bytes| copied(bytes)).collect::<Result<Vec<_>>>();
        report(&of, &photos.with_context(|| format!("make copies of the photos of {of}"))?, max_distance);
    }
    Ok(())
}

/// What photos are compared by, as it is stored.
fn print_of(photo: &curate::Photo) -> Result<Fingerprint> {
    let facts = &photo.facts;
    Ok(Fingerprint { whole: facts.perceptual_hash.parse()?, inner: facts.inner_hash.parse()? })
}

/// The fingerprints of a photo and of its copies, in the order of [`CHANGES`].
struct Copies {
    original: Fingerprint,
    copies: Vec<Fingerprint>,
}

/// The good photos of a collection.
fn synthetic(seed: u64) -> Vec<Vec<u8>> {
    let spec = CollectionSpec { seed, identities: PEOPLE, photos_per_identity: PHOTOS_EACH };
    let photos = Collection::new(spec).identities.into_iter().flat_map(|person| person.photos);
    let good: Vec<_> = photos.filter(|photo| photo.plant.is_none()).collect();
    good.par_iter().map(synth::Photo::bytes).collect()
}

/// The files of a folder that can be decoded.
fn in_folder(folder: &Path) -> Result<Vec<Vec<u8>>> {
    let listing = fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))?;
    let mut paths = listing.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.sort();
    let files = paths.into_iter().filter(|path| path.is_file());
    let bytes = files.map(|path| fs::read(&path).with_context(|| format!("read {}", path.display())));
    let bytes = bytes.collect::<Result<Vec<_>>>()?;
    Ok(bytes.into_par_iter().filter(|bytes| curate::decode(bytes).is_ok()).collect())
}

fn copied(bytes: &[u8]) -> Result<Copies> {
    let decoded = curate::decode(bytes)?;
    let copy = |(_, change): &Change| -> Result<Fingerprint> {
        let mut bytes = Cursor::new(Vec::new());
        change(&decoded.image).write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, QUALITY))?;
        print_of(&curate::decode(bytes.get_ref())?)
    };
    Ok(Copies { original: print_of(&decoded)?, copies: CHANGES.iter().map(copy).collect::<Result<_>>()? })
}

fn report(of: &str, photos: &[Copies], max_distance: u32) {
    println!("{of}: {} photos, {} copies of each", photos.len(), CHANGES.len());
    let originals = photos.iter().map(|photo| photo.original);
    let copies = (0..CHANGES.len()).flat_map(|change| photos.iter().map(move |photo| photo.copies[change]));
    let places = stars(&originals.chain(copies).collect::<Vec<_>>(), max_distance);
    let (mut found, mut joined) = (0, 0_u32);
    for (change, (name, _)) in CHANGES.iter().enumerate() {
        let right =
            (0..photos.len()).filter(|&photo| places[(change + 1) * photos.len() + photo].centre == photo);
        let mut distances: BTreeMap<u32, usize> = BTreeMap::new();
        for photo in photos {
            *distances.entry(photo.original.distance(photo.copies[change])).or_default() += 1;
        }
        let right = right.count();
        found += right;
        let recall = 100.0 * right as f64 / photos.len() as f64;
        println!("  {name:28} recall {recall:5.1} %   distance: photos {distances:?}");
    }
    let mut strangers = 0_u32;
    for (at, place) in places.iter().enumerate().filter(|(at, place)| place.centre != *at) {
        joined += 1;
        strangers += u32::from(at % photos.len() != place.centre % photos.len());
    }
    let nearest = (0..photos.len())
        .flat_map(|a| (0..a).map(move |b| (a, b)))
        .map(|(a, b)| photos[a].original.distance(photos[b].original))
        .min();
    let all = photos.len() * CHANGES.len();
    println!(
        "  all: recall {:.1} %, precision {:.1} %; two different photos differ in {} bits at least",
        100.0 * found as f64 / all as f64,
        100.0 * f64::from(joined - strangers) / f64::from(joined.max(1)),
        nearest.unwrap_or(64),
    );
}

fn scaled(photo: &RgbImage, scale: f64) -> RgbImage {
    let side = |length: u32| (f64::from(length) * scale).round() as u32;
    imageops::resize(photo, side(photo.width()), side(photo.height()), FilterType::Triangle)
}

/// Cuts 3 % of the width and the height off, unevenly, as a hand does.
fn cropped(photo: &RgbImage) -> RgbImage {
    let (width, height) = photo.dimensions();
    let (cut_x, cut_y) = (width * 3 / 100, height * 3 / 100);
    imageops::crop_imm(photo, cut_x / 4, cut_y * 3 / 4, width - cut_x, height - cut_y).to_image()
}
