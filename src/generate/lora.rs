//! LoRAs that were trained here belong to a run, as adapters do.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use train::diffusion::lora;
use train::run::RunFolder;

use crate::cli::Global;
use crate::training::runs;

/// The runs that made these files, where they are in the work folder. A withdrawn one is refused.
pub fn runs(loras: &[(PathBuf, f64)], global: &Global) -> Result<Vec<RunFolder>> {
    let runs_dir = global.workdir.join("runs");
    loras.iter().filter_map(|(path, _)| find_run(path, &runs_dir).transpose()).collect()
}

/// The run that a LoRA came from, where it is known; one that saw what was erased is refused.
fn find_run(path: &Path, runs_dir: &Path) -> Result<Option<RunFolder>> {
    let doing = || format!("read the LoRA {}", path.display());
    let file = path.canonicalize().with_context(doing)?;
    file.parent().map(runs::refuse_model_of_withdrawn).transpose()?;
    let facts = lora::facts(path).with_context(doing)?;
    let run = facts.get("run").map(|id| runs::find_by_id(runs_dir, id)).transpose()?.flatten();
    run.as_ref().map(runs::refuse_withdrawn).transpose()?;
    Ok(run)
}
