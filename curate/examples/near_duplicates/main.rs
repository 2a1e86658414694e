//! How well copies of photos are found: recall for each way of copying, and precision, on people of unseen
//! seeds or on photos of a folder; and how many different people before one plain wall are taken for one
//! photo. `make evaluate-duplicates`, or `cargo run --release -p curate --example near_duplicates --
//! SEED|FOLDER…`

mod copy;
mod wall;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use curate::judge::clustering::assign_where;
use photo::Rules;
use rayon::prelude::*;
use synth::{Collection, CollectionSpec};

use crate::copy::{CHANGES, Copies, Descriptor};

const PEOPLE: usize = 5;
const PHOTOS_EACH: usize = 16;

fn main() -> Result<()> {
    let max_distance = Rules::default().duplicates.max_distance;
    for of in std::env::args().skip(1) {
        let (photos, before_walls) = match of.parse() {
            Ok(seed) => (synthetic(seed), wall::people(seed)),
            Err(_) => {
                let files = in_folder(Path::new(&of))?;
                let walls = wall::ovals(&files)?;
                (files.into_iter().map(|bytes| (bytes, None)).collect(), walls)
            }
        };
        let copied = |photos: &[copy::PhotoFile]| -> Result<Vec<Copies>> {
            let copies = photos
                .par_iter()
                .map(|(bytes, person)| Copies::of(bytes, *person))
                .collect::<Result<Vec<_>>>();
            copies.with_context(|| format!("make copies of the photos of {of}"))
        };
        report(&of, &copied(&photos)?, max_distance);
        // Copies of people before a wall are near each other's originals, too.
        let first_wall = before_walls.first().context("there are walls")?;
        report(&format!("{of}, before a wall"), &copied(first_wall)?, max_distance);
        wall::report(&of, &before_walls, max_distance)?;
    }
    Ok(())
}

/// The good photos of a collection, with the box of the person.
fn synthetic(seed: u64) -> Vec<copy::PhotoFile> {
    let spec = CollectionSpec { seed, identities: PEOPLE, photos_per_identity: PHOTOS_EACH };
    let photos = Collection::new(spec).identities.into_iter().flat_map(|person| person.photos);
    let good: Vec<_> = photos.filter(|photo| photo.plant.is_none()).collect();
    let person = |photo: &synth::SyntheticPhoto| Some(photo.truth()?.people.first()?.bbox);
    good.par_iter().map(|photo| (photo.bytes(), person(photo))).collect()
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

fn report(of: &str, photos: &[Copies], max_distance: u32) {
    println!("{of}: {} photos, {} copies of each", photos.len(), CHANGES.len());
    let originals = photos.iter().map(|photo| &photo.original);
    let copies = (0..CHANGES.len()).flat_map(|change| photos.iter().map(move |photo| &photo.copies[change]));
    let all: Vec<&Descriptor> = originals.chain(copies).collect();
    let prints: Vec<_> = all.iter().map(|looked| looked.print).collect();
    let is_same =
        |photo: usize, centre: usize, mirrored| all[centre].sight.is_same(&all[photo].sight, mirrored);
    let places = assign_where(&prints, max_distance, is_same);
    let (mut found, mut joined) = (0, 0_u32);
    for (change, copy::Change { name, .. }) in CHANGES.iter().enumerate() {
        let right =
            (0..photos.len()).filter(|&photo| places[(change + 1) * photos.len() + photo].leader == photo);
        let mut distances: BTreeMap<u32, usize> = BTreeMap::new();
        let mut most_apart = 0.0_f32;
        for photo in photos {
            let (original, copy) = (&photo.original, &photo.copies[change]);
            *distances.entry(original.print.distance(copy.print)).or_default() += 1;
            let apart = [false, true].map(|mirrored| original.sight.apart(&copy.sight, mirrored));
            most_apart = most_apart.max(apart[0].min(apart[1]));
        }
        let right = right.count();
        found += right;
        let recall = 100.0 * right as f64 / photos.len() as f64;
        println!(
            "  {name:28} recall {recall:5.1} %   at most {most_apart:4.1} levels apart; distance: photos {distances:?}"
        );
    }
    let mut strangers = 0_u32;
    for (at, place) in places.iter().enumerate().filter(|(at, place)| place.leader != *at) {
        joined += 1;
        strangers += u32::from(at % photos.len() != place.leader % photos.len());
    }
    let nearest = (0..photos.len())
        .flat_map(|a| (0..a).map(move |b| (a, b)))
        .map(|(a, b)| photos[a].original.print.distance(photos[b].original.print))
        .min();
    let all = photos.len() * CHANGES.len();
    println!(
        "  all: recall {:.1} %, precision {:.1} %; two different photos differ in {} bits at least",
        100.0 * found as f64 / all as f64,
        100.0 * f64::from(joined - strangers) / f64::from(joined.max(1)),
        nearest.unwrap_or(64),
    );
}
