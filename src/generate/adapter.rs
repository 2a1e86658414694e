//! Which adapter, and what it was trained with.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use train::adapter::file::{self, BODY};
use train::run::RunFolder;

use super::error::RequestError;
use crate::cli::{GenerateArgs, Global};
use crate::training::{kinds, runs};

/// The adapter that comes with the project.
const ADAPTER: &str = "data/models/adapter";

/// An adapter's folder, and where it comes from.
pub struct ChosenAdapter {
    /// The folder.
    pub folder: PathBuf,
    /// The run that made it, where that is here.
    pub run: Option<RunFolder>,
    facts: BTreeMap<String, String>,
}

impl ChosenAdapter {
    /// The adapter in the folder `name`, or of the run of this name. One whose run is withdrawn is refused.
    pub fn find(name: &str, global: &Global) -> Result<Self> {
        let runs_dir = global.workdir.join("runs");
        let path = Path::new(name);
        let folder = if path.join(BODY).is_file() {
            runs::refuse_model_of_withdrawn(path)?;
            path.to_owned()
        } else {
            let run = runs::find_usable(&runs_dir, name).with_context(|| {
                format!("find the adapter `{name}`: it is no folder with {BODY}, and no run")
            })?;
            let kind = &run.record().spec.kind;
            if kind != kinds::ADAPTER {
                bail!("run `{name}` is a {kind}, no adapter; `bolid runs list` names the adapters");
            }
            run.model_dir()
        };
        let facts =
            file::facts(&folder).with_context(|| format!("read the adapter in {}", folder.display()))?;
        let run = facts.get("run").map(|id| runs::find_by_id(&runs_dir, id)).transpose()?.flatten();
        run.as_ref().map(runs::refuse_withdrawn).transpose()?;
        Ok(Self { folder, run, facts })
    }

    /// The base that it was trained through.
    pub fn base(&self) -> Option<String> {
        self.facts.get("base").cloned()
    }

    /// What its run calls the body-VAE that it was trained with.
    pub fn body_model(&self) -> Option<&str> {
        self.run.as_ref()?.record().spec.config["body"]["model"].as_str()
    }

    /// The SHA-256 of that body-VAE.
    pub fn body_vae(&self) -> Option<&str> {
        self.facts.get("body_vae").map(String::as_str)
    }

    /// The id of the run that made it, whether or not that is here.
    pub fn run_id(&self) -> Option<&str> {
        self.facts.get("run").map(String::as_str)
    }

    /// The snapshot that it was trained on.
    pub fn snapshot(&self) -> Option<&str> {
        self.facts.get("snapshot").map(String::as_str)
    }
}

/// The adapter that was named, or the project's where one is needed.
pub fn choose(args: &GenerateArgs, global: &Global, is_needed: bool) -> Result<Option<ChosenAdapter>> {
    match &args.adapter {
        Some(name) => ChosenAdapter::find(name, global).map(Some),
        None if !is_needed => Ok(None),
        None if Path::new(ADAPTER).join(BODY).is_file() => ChosenAdapter::find(ADAPTER, global).map(Some),
        None => Err(RequestError::NoAdapter(ADAPTER.to_owned()).into()),
    }
}
