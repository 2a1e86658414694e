//! `bolid encode`: photos of one person to a Gaussian over c_body.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use serde::Serialize;
use train::embedding_file::EmbeddingFile;
use train::ipadpt;

use super::person::{self, PassedOver};
use super::{model, runs, together};
use crate::cli::{EmbeddingFormat, EncodeArgs, Global};
use crate::exit::Done;
use crate::output::Output;
use crate::which;

/// What was written, and from what.
#[derive(Serialize)]
struct Encoded {
    identity: String,
    views: usize,
    passed_over: Vec<PassedOver>,
    run: String,
    model: String,
    files: Vec<PathBuf>,
}

/// Runs the command.
pub fn run(args: &EncodeArgs, global: &Global, output: Output) -> Result<Done> {
    together::refuse_group("encode")?;
    let chosen = model::load(&global.workdir.join("runs"), &args.run, &args.device.open()?)?;
    let folder = Path::new(&args.person);
    let found = match &args.snapshot {
        Some(name) => {
            let path = snapshot::find(&global.workdir.join("snapshots"), name)?;
            person::of_snapshot(&args.person, args.views, &chosen, &path)?
        }
        None if folder.is_dir() => {
            let files = person::files_of(folder)?;
            let plan = which::plan(&args.recipe, &global.workdir)?;
            person::of_files(&args.person, &files, args.views, &chosen, &plan)?
        }
        None => bail!(
            "encode `{}`: it is no folder of photos; for a person of a snapshot, name it: --snapshot SNAPSHOT",
            args.person
        ),
    };
    let posterior = person::posterior(&chosen, &found.views)?;
    let file = EmbeddingFile {
        mean: posterior.mean()?.detach().flatten_all()?.to_vec1()?,
        log_variance: posterior.log_variance()?.detach().flatten_all()?.to_vec1()?,
        run: chosen.saved.run.clone().unwrap_or_default(),
        model: chosen.saved.digest,
        views: found.views.len(),
        identity: found.identity,
    };
    let (files, what) = match args.format {
        EmbeddingFormat::Safetensors => {
            file.write(&args.out)?;
            (vec![args.out.clone()], "embedding")
        }
        EmbeddingFormat::Ipadpt => {
            let negative = ipadpt::write_embedding(&args.out, &file.mean)?;
            (vec![args.out.clone(), negative], "ipadpt")
        }
    };
    if let Some(run) = &chosen.run {
        for path in &files {
            runs::exports::note(run.path(), path, what)?;
        }
    }
    let encoded = Encoded {
        identity: file.identity,
        views: file.views,
        passed_over: found.passed_over,
        run: file.run,
        model: file.model.to_string(),
        files,
    };
    output.show(&encoded, text)?;
    Ok(Done::with(encoded.passed_over.len()))
}

fn text(encoded: &Encoded) -> String {
    let files = encoded.files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", ");
    let mut text = format!("{} views of {} → {files}", encoded.views, encoded.identity);
    for photo in &encoded.passed_over {
        text.push_str(&format!("\npassed over: {}: {}", photo.file.display(), photo.reason));
    }
    text
}
