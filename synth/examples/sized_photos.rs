//! Writes photos of a collection at sizes of one's own, as JPEGs: for benchmarks.

use std::fs;
use std::path::PathBuf;

use anyhow::Context;
use clap::Parser;
use rayon::prelude::*;
use synth::collection::Plant;
use synth::{Collection, CollectionSpec};

/// Writes photos of a collection at other sizes; the good ones, and those that models have to find.
#[derive(Parser)]
struct Arguments {
    /// Decides everything.
    #[arg(long, default_value_t = 77)]
    seed: u64,
    /// Photos of each size.
    #[arg(long, default_value_t = 24)]
    photos: usize,
    /// Sizes of upright photos; wide ones have the sides swapped.
    #[arg(long, value_delimiter = ',', default_value = "1200x1600,3000x4000")]
    sizes: Vec<String>,
    /// The folder to write into, a subfolder for each size.
    #[arg(long)]
    out: PathBuf,
}

fn main() -> anyhow::Result<()> {
    let Arguments { seed, photos, sizes, out } = Arguments::parse();
    for size in sizes {
        let (width, height) = size.split_once('x').context("a size is written as 1200x1600")?;
        let (width, height): (u32, u32) = (width.parse()?, height.parse()?);
        let folder = out.join(&size);
        fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
        // More than are written, since copies, broken, small and odd files are left out.
        let spec = CollectionSpec { seed, identities: photos.div_ceil(10), photos_per_identity: 24 };
        let all = Collection::new(spec).identities.into_iter().flat_map(|identity| identity.photos);
        let is_for_models = |plant: &Option<Plant>| {
            let found = matches!(
                plant,
                Some(Plant::Watermark { .. } | Plant::NoPerson | Plant::SeveralPeople { .. })
            );
            plant.is_none() || found
        };
        let chosen = all.filter(|photo| is_for_models(&photo.plant) && photo.quirk.is_none()).take(photos);
        chosen.collect::<Vec<_>>().into_par_iter().enumerate().try_for_each(|(i, photo)| {
            let path = folder.join(format!("{size}-{i:04}.jpg"));
            let bytes = photo.resized(width, height).bytes();
            fs::write(&path, bytes).with_context(|| format!("write {}", path.display()))
        })?;
    }
    Ok(())
}
