//! `bolid runs export`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::Serialize;
use train::DType;
use train::body::file;

use super::exports;
use super::find::find_usable;
use crate::cli::{RunsExportArgs, WeightType};
use crate::output::Output;
use crate::training::kinds;

#[derive(Serialize)]
struct Exported {
    run: String,
    out: PathBuf,
    bytes: u64,
    sha256: String,
}

/// Writes a run's model into a folder of its own, and notes in the run where it went.
pub fn export(runs_dir: &Path, args: &RunsExportArgs, output: Output) -> Result<()> {
    let run = find_usable(runs_dir, &args.run)?;
    let kind = &run.record().spec.kind;
    if kind != kinds::BODY_VAE {
        bail!(
            "run `{}` is of the kind {kind}: its files are in its folder `model`, and `bolid export` knows adapters",
            args.run
        );
    }
    let dtype = match args.weights {
        WeightType::F16 => DType::F16,
        WeightType::F32 => DType::F32,
    };
    file::export(&run.model_dir(), &args.out, dtype)
        .with_context(|| format!("export the model of run `{}` to {}", args.run, args.out.display()))?;
    let weights = args.out.join(file::WEIGHTS);
    let export = exports::note(run.path(), &weights, "model")?;
    let bytes = weights.metadata().with_context(|| format!("read {}", weights.display()))?.len();
    let exported = Exported {
        run: run.record().id.clone(),
        out: args.out.clone(),
        bytes,
        sha256: export.sha256.to_string(),
    };
    output.show(&exported, |exported| {
        let (out, mb) = (exported.out.display(), exported.bytes as f64 / 1e6);
        format!("{out}: {mb:.1} MB, {}", exported.sha256)
    })?;
    Ok(())
}
