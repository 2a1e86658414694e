//! Which adapter, and what it was trained with.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use train::adapter::file::{self, BODY};

use super::request::RequestError;
use crate::cli::{GenerateArgs, Global};
use crate::training::adapter::fit::KIND;
use crate::training::runs;

/// The adapter that comes with the project.
const ADAPTER: &str = "data/models/adapter";

/// An adapter's folder, and the facts written in it.
pub struct ChosenAdapter {
    /// The folder.
    pub folder: PathBuf,
    facts: BTreeMap<String, String>,
    /// What the run that made it calls its body-VAE, where the run is here.
    pub body_model: Option<String>,
}

impl ChosenAdapter {
    /// The base that it was trained through.
    pub fn base(&self) -> Option<String> {
        self.facts.get("base").cloned()
    }

    /// The SHA-256 of the body-VAE that it was trained with.
    pub fn body_vae(&self) -> Option<&str> {
        self.facts.get("body_vae").map(String::as_str)
    }

    /// The snapshot that it was trained on.
    pub fn snapshot(&self) -> Option<&str> {
        self.facts.get("snapshot").map(String::as_str)
    }
}

/// The adapter that was named, or the project's where one is needed.
pub fn choose(args: &GenerateArgs, global: &Global, is_needed: bool) -> Result<Option<ChosenAdapter>> {
    match &args.adapter {
        Some(name) => {
            let folder = folder(name, global)?;
            let run = runs::find_usable(&global.workdir.join("runs"), name).ok();
            let model =
                run.and_then(|run| Some(run.record().spec.config["body"]["model"].as_str()?.to_owned()));
            Ok(Some(ChosenAdapter { facts: facts(&folder)?, folder, body_model: model }))
        }
        None if !is_needed => Ok(None),
        None if Path::new(ADAPTER).join(BODY).is_file() => {
            let folder = PathBuf::from(ADAPTER);
            Ok(Some(ChosenAdapter { facts: facts(&folder)?, folder, body_model: None }))
        }
        None => Err(RequestError::NoAdapter(ADAPTER.to_owned()).into()),
    }
}

/// The folder with an adapter's files: that of `name`, or of the run of this name, which must not be withdrawn.
pub fn folder(name: &str, global: &Global) -> Result<PathBuf> {
    let path = Path::new(name);
    if path.join(BODY).is_file() {
        runs::refuse_model_of_withdrawn(path)?;
        return Ok(path.to_owned());
    }
    let run = runs::find_usable(&global.workdir.join("runs"), name)
        .with_context(|| format!("find the adapter `{name}`: it is no folder with {BODY}, and no run"))?;
    let kind = &run.record().spec.kind;
    if kind != KIND {
        bail!("run `{name}` is a {kind}, no adapter; `bolid runs list` names the adapters");
    }
    Ok(run.model_dir())
}

fn facts(folder: &Path) -> Result<BTreeMap<String, String>> {
    file::facts(folder).with_context(|| format!("read the adapter in {}", folder.display()))
}
