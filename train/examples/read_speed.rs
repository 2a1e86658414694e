//! Views a second from a snapshot in the page cache, its shards plain and compressed by zstd in turn: `make
//! bench-read`, or
//!
//!     cargo run --release -p train --example read_speed -- SNAPSHOT
//!
//! The first people of SNAPSHOT are written twice into a temporary folder, once each way. What is read is the weighted
//! tensor, or the image where there is no other, as a training of the body-VAE reads it.

use std::collections::HashMap;
use std::path::Path;
use std::time::Instant;
use std::{env, fs};

use photo::Digest;
use serde_json::json;
use snapshot::{IdentityRows, KeptPhoto, PhotoRow, Pixels, PreparedTensors, Snapshot, Writer};
use train::views::ViewReader;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Rounds in turn: a noisy minute should not fall on one side alone.
const TURNS: usize = 5;
/// Tensors that are copied, at the most: both copies stay in the page cache of a small machine.
const COPIED_BYTES: usize = 1 << 30;
/// Views at a time, as a step of the body-VAE has.
const VIEWS: usize = 144;

/// A copy of the snapshot.
struct Copy {
    name: &'static str,
    snapshot: Snapshot,
    written_s: f64,
    shard_bytes: u64,
}

fn main() -> Outcome<()> {
    let path = env::args().nth(1).ok_or("usage: read_speed SNAPSHOT")?;
    let original = Snapshot::open(Path::new(&path))?;
    let photos = first_people(&original);
    let folder = tempfile::tempdir()?;
    let copies =
        [copy(&original, photos, "none", folder.path())?, copy(&original, photos, "zstd", folder.path())?];

    let size = original.manifest().spec.size_px as usize;
    let first = original.shard(photos.first().ok_or("the snapshot has no photos")?)?;
    let pixels = if first.holds(Pixels::Weighted) { Pixels::Weighted } else { Pixels::Image };
    let rows: Vec<usize> = (0..photos.len()).collect();
    println!(
        "{} tensors of {} photos from {path}, u8, {size} px, {} threads, in the page cache",
        pixels.name(),
        photos.len(),
        rayon::current_num_threads()
    );
    for Copy { name, shard_bytes, written_s, .. } in &copies {
        println!("  {name:<5} {:>6.0} MB of shards, written in {written_s:.1} s", *shard_bytes as f64 / 1e6);
    }
    println!("  size: plain is {:.2} of zstd", ratio(&copies, |copy| copy.shard_bytes as f64));
    for side in [size, 128] {
        if side > size || !size.is_multiple_of(side) {
            continue;
        }
        let mut seconds = [f64::INFINITY; 2];
        for _ in 0..TURNS {
            for (copy, fastest) in copies.iter().zip(&mut seconds) {
                let reader = ViewReader::new(&copy.snapshot, side)?;
                let start = Instant::now();
                for rows in rows.chunks(VIEWS) {
                    std::hint::black_box(reader.read(rows, pixels)?);
                }
                *fastest = fastest.min(start.elapsed().as_secs_f64());
            }
        }
        let bytes = (photos.len() * 3 * size * size) as f64;
        for (Copy { name, .. }, seconds) in copies.iter().zip(seconds) {
            println!(
                "  {name:<5} at {side:>4} px: {:>8.0} views/s, {:.2} GB/s of pixels",
                photos.len() as f64 / seconds,
                bytes / seconds / 1e9
            );
        }
        println!("  speed at {side} px: plain is {:.1} times zstd", seconds[1] / seconds[0]);
        if side == 128 {
            break;
        }
    }
    Ok(())
}

fn ratio(copies: &[Copy; 2], of: impl Fn(&Copy) -> f64) -> f64 {
    of(&copies[0]) / of(&copies[1])
}

/// The photos of as many people as may be copied, one person at least.
fn first_people(snapshot: &Snapshot) -> &[KeptPhoto] {
    let photos = snapshot.photos();
    let most = COPIED_BYTES / (6 * (snapshot.manifest().spec.size_px as usize).pow(2));
    let mut end = 0;
    for person in photos.chunk_by(|a, b| a.identity == b.identity) {
        if end > 0 && end + person.len() > most {
            break;
        }
        end += person.len();
    }
    &photos[..end]
}

fn copy(original: &Snapshot, photos: &[KeptPhoto], compression: &str, folder: &Path) -> Outcome<Copy> {
    let mut spec = original.manifest().spec.clone();
    spec.prepare["compression"] = json!(compression);
    let start = Instant::now();
    let mut writer = Writer::create(folder, spec)?;
    for person in photos.chunk_by(|a, b| a.identity == b.identity) {
        let by_digest: HashMap<Digest, &KeptPhoto> =
            person.iter().map(|photo| (photo.facts.sha256, photo)).collect();
        let rows = IdentityRows {
            identity: person[0].identity.clone(),
            photos: person.iter().map(|photo| photo.facts.clone()).collect(),
            ..IdentityRows::default()
        };
        writer.add_identity(rows, |row: &PhotoRow| tensors(original, by_digest[&row.sha256]))?;
    }
    let snapshot = Snapshot::open(&writer.finish(0)?.path)?;
    let written_s = start.elapsed().as_secs_f64();
    let mut shard_bytes = 0;
    for entry in fs::read_dir(snapshot.path().join("shards"))? {
        shard_bytes += entry?.metadata()?.len();
    }
    let name = if compression == "none" { "plain" } else { "zstd" };
    Ok(Copy { name, snapshot, written_s, shard_bytes })
}

fn tensors(snapshot: &Snapshot, photo: &KeptPhoto) -> Result<PreparedTensors, snapshot::Error> {
    let shard = snapshot.shard(photo)?;
    let read = |pixels| {
        let mut bytes = vec![0; if shard.holds(pixels) { 3 * shard.size_px().pow(2) } else { 0 }];
        if !bytes.is_empty() {
            shard.read_pixels(pixels, photo.row as usize, &mut bytes)?;
        }
        Ok(bytes)
    };
    Ok(PreparedTensors { image: read(Pixels::Image)?, weighted: read(Pixels::Weighted)? })
}
