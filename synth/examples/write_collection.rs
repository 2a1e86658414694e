//! Writes a collection as folders of files, with what is known of each photo in truth.jsonl.

use std::fs;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

use anyhow::Context;
use clap::Parser;
use rayon::prelude::*;
use serde_json::json;
use synth::{Collection, CollectionSpec};

/// Writes a collection as folders of files.
#[derive(Parser)]
struct Arguments {
    /// Decides everything.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many people have a gallery.
    #[arg(long, default_value_t = 8)]
    identities: usize,
    /// Photos of each.
    #[arg(long, default_value_t = 24)]
    photos_per_identity: usize,
    /// The folder to write into.
    #[arg(long)]
    out: PathBuf,
}

fn main() -> anyhow::Result<()> {
    let Arguments { seed, identities, photos_per_identity, out } = Arguments::parse();
    let collection = Collection::new(CollectionSpec { seed, identities, photos_per_identity });
    fs::create_dir_all(&out).with_context(|| format!("create {}", out.display()))?;
    let mut lines = BufWriter::new(fs::File::create(out.join("truth.jsonl"))?);
    for identity in &collection.identities {
        let folder = out.join(&identity.slug);
        fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
        let known: Vec<anyhow::Result<_>> = identity
            .photos
            .par_iter()
            .map(|photo| {
                let path = folder.join(&photo.file_name);
                fs::write(&path, photo.bytes()).with_context(|| format!("write {}", path.display()))?;
                let (reason, truth) = (photo.expected_reason(), photo.truth());
                Ok(json!({"identity": identity.slug, "photo": photo, "reason": reason, "truth": truth}))
            })
            .collect();
        for line in known {
            writeln!(lines, "{}", line?)?;
        }
        eprintln!("{}: {} photos", identity.name, identity.photos.len());
    }
    Ok(())
}
