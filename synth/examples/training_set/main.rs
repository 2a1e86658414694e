//! Writes the training data of the demo models: photos with people and their joints, regions with and without marks,
//! and what the watermark model's training is mixed from: grounds, textures, layers.

mod captions;
mod grounds;
mod marks;
mod people;
mod portraits;

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context;
use clap::Parser;
use rayon::prelude::*;
use serde_json::{Value, json};
use synth::{noise, texture};

/// The watermark classifier's input, pixels per side.
const REGION: u32 = 256;

/// Writes a .u8 file of pixels and a .jsonl file of facts per kind of sample.
#[derive(Parser)]
struct Arguments {
    /// Decides everything.
    #[arg(long)]
    seed: u64,
    /// Photos for the detectors: people.u8.
    #[arg(long, default_value_t = 0)]
    people: u64,
    /// Full-size photos of any kind for the watermark classifier, every second one marked: marks.u8.
    #[arg(long, default_value_t = 0)]
    marks: u64,
    /// Photos as the demo gallery has them, each without and with a mark: gallery.u8.
    #[arg(long, default_value_t = 0)]
    gallery: u64,
    /// Photos without marks, every second one as in the demo gallery: grounds.u8.
    #[arg(long, default_value_t = 0)]
    grounds: u64,
    /// Pictures of surfaces and things: textures.u8.
    #[arg(long, default_value_t = 0)]
    textures: u64,
    /// Marks without a photo, RGBA: layers.u8.
    #[arg(long, default_value_t = 0)]
    layers: u64,
    /// Small photos of one person with captions, for the demo base: portraits.u8.
    #[arg(long, default_value_t = 0)]
    portraits: u64,
    /// Small photos as the demo gallery has them, with captions, for the demo captioner: captions.u8.
    #[arg(long, default_value_t = 0)]
    captions: u64,
    /// The folder to write into.
    #[arg(long)]
    out: PathBuf,
}

/// Pixels of one picture, and what is known of it.
type Sample = (Vec<u8>, Value);

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let out = &arguments.out;
    std::fs::create_dir_all(out).with_context(|| format!("create {}", out.display()))?;
    let seed = |concern: u64| noise::subseed(arguments.seed, concern);
    write(out, "people", arguments.people, |index| vec![people::sample(seed(1), index)])?;
    write(out, "marks", arguments.marks, |photo| marks::of_photo(seed(2), photo))?;
    let gallery = marks::Gallery::new(seed(3), arguments.gallery);
    write(out, "gallery", arguments.gallery, |photo| gallery.samples(photo))?;
    let grounds = grounds::Grounds::new(seed(4), arguments.grounds);
    write(out, "grounds", arguments.grounds, |photo| grounds.samples(photo))?;
    write(out, "textures", arguments.textures, |index| {
        let picture = texture::picture(noise::subseed(seed(5), index), REGION);
        vec![(picture.into_raw(), json!({"index": 0}))]
    })?;
    write(out, "layers", arguments.layers, |index| grounds::layers(seed(6), index))?;
    write(out, "portraits", arguments.portraits, |index| vec![portraits::sample(seed(7), index)])?;
    write(out, "captions", arguments.captions, |index| vec![captions::sample(seed(8), index)])
}

/// Writes the samples of `count` photos in order, a batch in memory at a time. Nothing is written of nothing, except
/// what `evaluate.py` expects to find.
fn write(
    folder: &Path,
    name: &str,
    count: u64,
    make: impl Fn(u64) -> Vec<Sample> + Sync,
) -> anyhow::Result<()> {
    if count == 0 && !["people", "marks"].contains(&name) {
        return Ok(());
    }
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
        for (raw, mut line) in batch.into_iter().flatten() {
            line["index"] = written.into();
            written += 1;
            pixels.write_all(&raw)?;
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
