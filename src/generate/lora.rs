//! LoRAs that were trained here belong to a run, as adapters do.

use std::path::PathBuf;

use anyhow::{Context, Result};
use train::diffusion::lora;
use train::run::RunFolder;

use crate::cli::Global;
use crate::training::runs;

/// The runs that made these files, where they are in the work folder. A withdrawn one is refused.
pub fn runs(loras: &[(PathBuf, f64)], global: &Global) -> Result<Vec<RunFolder>> {
    let runs_dir = global.workdir.join("runs");
    let run = |(path, _): &(PathBuf, f64)| -> Result<Option<RunFolder>> {
        let doing = || format!("read the LoRA {}", path.display());
        let file = path.canonicalize().with_context(doing)?;
        file.parent().map(runs::refuse_model_of_withdrawn).transpose()?;
        let facts = lora::facts(path).with_context(doing)?;
        let run = facts.get("run").map(|id| runs::find_by_id(&runs_dir, id)).transpose()?.flatten();
        run.as_ref().map(runs::refuse_withdrawn).transpose()?;
        Ok(run)
    };
    loras.iter().filter_map(|lora| run(lora).transpose()).collect()
}
