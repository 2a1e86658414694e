//! `init_from`: the weights that a training begins with instead of random ones.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use photo::Digest;
use serde_json::{Value, json};
use train::Device;
use train::adapter;
use train::body::{self, BodyVaeConfig};
use train::cache::spec::digest_of_files;
use train::diffusion::tensor_file::TensorFile;
use train::parameters::Parameters;
use train::run::{InitFrom, RunSpec};

use super::{kinds, runs};

/// A kind of model that a training may begin with.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// What runs of it are called in `run.json`.
    pub run: &'static str,
    /// Its files; the first has the facts of its training.
    pub files: &'static [&'static str],
}

/// A body-VAE.
pub const BODY_VAE: Kind = Kind { run: kinds::BODY_VAE, files: &[body::file::WEIGHTS, body::file::CONFIG] };
/// An adapter.
pub const ADAPTER: Kind =
    Kind { run: kinds::ADAPTER, files: &[adapter::file::BODY, adapter::file::REFERENCE] };

/// A model that a training begins with.
#[derive(Clone, Debug)]
pub struct InitialModel {
    name: String,
    folder: PathBuf,
    sha256: Digest,
    /// The snapshots that it has seen, as far as this work folder knows them: erasing has to find what came of them.
    snapshots: BTreeSet<String>,
}

impl InitialModel {
    /// The model called `name`: a folder with one, or a run by id, name or folder. One of a withdrawn run is refused.
    pub fn find(name: &str, kind: Kind, runs_dir: &Path) -> Result<Self> {
        let path = Path::new(name);
        let folder = if path.join(kind.files[0]).is_file() {
            runs::refuse_model_of_withdrawn(path)?;
            path.to_owned()
        } else {
            let run = runs::find_usable(runs_dir, name).with_context(|| {
                format!("`init_from = {name:?}` is no folder with {}, and no run", kind.files[0])
            })?;
            let found = &run.record().spec.kind;
            if found != kind.run {
                bail!("`init_from = {name:?}`: the run is of kind `{found}`, `{}` is wanted", kind.run);
            }
            run.model_dir()
        };
        let paths: Vec<PathBuf> = kind.files.iter().map(|file| folder.join(file)).collect();
        let unusable = || format!("`init_from = {name:?}`");
        let sha256 = digest_of_files(&paths).with_context(unusable)?;
        let file = TensorFile::open(&paths[0]).with_context(unusable)?;
        let known = known_snapshots(runs_dir)?;
        let fact = file.metadata().get("snapshot").filter(|id| known.contains(*id));
        let mut snapshots: BTreeSet<String> = fact.cloned().into_iter().collect();
        let run = file.metadata().get("run").map(|id| runs::find_by_id(runs_dir, id)).transpose()?.flatten();
        if let Some(run) = run {
            runs::refuse_withdrawn(&run)?;
            snapshots.extend(run.record().snapshot_ids().into_iter().map(str::to_owned));
        }
        Ok(Self { name: name.to_owned(), folder, sha256, snapshots })
    }

    /// The spec of a training that begins with it. The files decide its id, not where they are.
    pub fn in_spec(&self, mut spec: RunSpec) -> RunSpec {
        spec.config["init_from"] = json!({"sha256": self.sha256});
        let snapshots = self.snapshots.iter().cloned().collect();
        spec.init_from = Some(InitFrom { name: self.name.clone(), snapshots });
        spec
    }

    /// Sets `parameters` of a body-VAE of this shape.
    pub fn begin_body_vae(
        &self,
        config: &BodyVaeConfig,
        parameters: &Parameters,
        device: &Device,
    ) -> Result<()> {
        let (shape, values) = body::file::values(&self.folder, device).with_context(|| self.context())?;
        if let Some((key, there, here)) = other_shape(&shape, config) {
            bail!(
                "{}: `model.{key}` is {there} there and {here} here; set it as it is there",
                self.context()
            );
        }
        let anew = parameters.set_known(&values).with_context(|| self.context())?;
        self.tell(parameters, anew.len());
        Ok(())
    }

    /// Sets `parameters` of an adapter that is to be trained through this base and with the body-VAE of this digest.
    pub fn begin_adapter(
        &self,
        parameters: &Parameters,
        base: &str,
        body_vae: Digest,
        device: &Device,
    ) -> Result<()> {
        let values = adapter::file::values(&self.folder, device).with_context(|| self.context())?;
        let names: BTreeSet<String> = parameters.named().into_iter().map(|(name, _)| name).collect();
        let is_stream = |name: &&String| !name.starts_with("lora.");
        let strange = values.keys().find(|name| !names.contains(*name));
        let lacking = names.iter().filter(is_stream).find(|name| !values.contains_key(*name));
        if let Some(name) = strange.or(lacking) {
            bail!("{}: it was trained through a base of another shape ({name})", self.context());
        }
        let anew = parameters.set_known(&values).with_context(|| {
            format!("{}: it was trained through a base or with encoders of other widths", self.context())
        })?;
        let facts = adapter::file::facts(&self.folder).with_context(|| self.context())?;
        if let Some(other) = facts.get("base").filter(|other| *other != base) {
            eprintln!("bolid: {} was trained through {other}, and goes on through {base}", self.name);
        }
        if facts.get("body_vae").is_some_and(|digest| *digest != body_vae.to_string()) {
            eprintln!(
                "bolid: {} was trained with another body-VAE; unless this one began from that one, it has to learn \
                 c_body anew",
                self.name
            );
        }
        self.tell(parameters, anew.len());
        Ok(())
    }

    fn tell(&self, parameters: &Parameters, anew: usize) {
        let count = parameters.named().len();
        eprintln!("bolid: {} of {count} tensors begin as in {}", count - anew, self.name);
    }

    fn context(&self) -> String {
        format!("`init_from = {:?}`", self.name)
    }
}

/// The ids of the snapshots beside the runs, withdrawn ones too: whoever is in others cannot be erased from here.
fn known_snapshots(runs_dir: &Path) -> Result<BTreeSet<String>> {
    let listing = snapshot::list(&runs_dir.with_file_name("snapshots"))?;
    let withdrawn = listing.withdrawn.into_iter().map(|(note, _)| note.id);
    Ok(listing.snapshots.into_iter().map(|found| found.id).chain(withdrawn).collect())
}

/// The first key by which shapes differ that have to be one: measures and palette are parts that may be added
/// or left out.
fn other_shape(there: &BodyVaeConfig, here: &BodyVaeConfig) -> Option<(String, Value, Value)> {
    let parts = ["measures", "palette"];
    let (there, here) = (json!(there), json!(here));
    let keys = here.as_object().into_iter().flat_map(|object| object.keys());
    keys.filter(|key| !parts.contains(&key.as_str()))
        .find(|key| there[*key] != here[*key])
        .map(|key| (key.clone(), there[key].clone(), here[key].clone()))
}
