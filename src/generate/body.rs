//! Whose body: a person of a snapshot, a file, photos, a seed, or anybody.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use train::Device;
use train::embedding_file::EmbeddingFile;
use train::generate::Embedding;
use train::run::RunFolder;

use super::adapter::ChosenAdapter;
use crate::cli::{GenerateArgs, Global};
use crate::training::model::{self, ChosenModel};
use crate::training::person;
use crate::which;

/// The body-VAE where nothing says another.
const BODY_VAE: &str = "data/models/body-vae";

/// A body, or whoever comes.
#[derive(Clone, Debug)]
pub enum BodyChoice {
    /// The same in every picture.
    One(Embedding),
    /// Another in every picture.
    Prior { width: usize },
}

/// Finds bodies, each once.
pub struct Bodies<'a> {
    args: &'a GenerateArgs,
    global: &'a Global,
    adapter: Option<&'a ChosenAdapter>,
    model: Option<ChosenModel>,
    found: HashMap<Vec<String>, BodyChoice>,
}

impl<'a> Bodies<'a> {
    /// None found yet.
    pub fn new(args: &'a GenerateArgs, global: &'a Global, adapter: Option<&'a ChosenAdapter>) -> Self {
        Self { args, global, adapter, model: None, found: HashMap::new() }
    }

    /// The run of the body-VAE, where bodies were read with one that is here.
    pub fn run(&self) -> Option<&RunFolder> {
        self.model.as_ref()?.run.as_ref()
    }

    /// The body that the words of `--body` name.
    pub fn resolve(&mut self, who: &[String]) -> Result<BodyChoice> {
        if let Some(found) = self.found.get(who) {
            return Ok(found.clone());
        }
        let choice = self.find(who).with_context(|| format!("--body {}", who.join(" ")))?;
        self.found.insert(who.to_vec(), choice.clone());
        Ok(choice)
    }

    fn find(&mut self, who: &[String]) -> Result<BodyChoice> {
        let first = who[0].as_str();
        if let ([_], Some(seed)) = (who, first.strip_prefix("seed:")) {
            let seed =
                seed.parse().with_context(|| format!("`{seed}` is no seed, a whole number from 0 on"))?;
            return Ok(BodyChoice::One(Embedding::of_seed(seed, self.width()?)));
        }
        if let ([_], "prior") = (who, first) {
            return Ok(BodyChoice::Prior { width: self.width()? });
        }
        let paths: Vec<PathBuf> = who.iter().map(PathBuf::from).collect();
        if let ([path], true) = (&paths[..], first.ends_with(".safetensors")) {
            return self.of_file(path).map(BodyChoice::One);
        }
        let is_photos = paths.iter().all(|path| path.exists());
        if !is_photos && who.len() > 1 {
            let missing = paths.iter().find(|path| !path.exists()).map(|path| path.display().to_string());
            bail!("{} does not exist; several words are photos of one person", missing.unwrap_or_default());
        }
        if is_photos { self.of_photos(first, &paths) } else { self.of_person(first) }.map(BodyChoice::One)
    }

    fn of_file(&self, path: &Path) -> Result<Embedding> {
        let file = EmbeddingFile::read(path)?;
        refuse_other_model(self.adapter, &file.model.to_string())?;
        let name = format!("{} ({} views)", file.identity, file.views);
        Ok(Embedding { name, values: file.mean })
    }

    fn of_photos(&mut self, first: &str, paths: &[PathBuf]) -> Result<Embedding> {
        let mut files = Vec::new();
        for path in paths {
            if path.is_dir() { files.extend(person::files_of(path)?) } else { files.push(path.clone()) }
        }
        let plan = which::plan(&self.args.recipe, &self.global.workdir)?;
        let model = self.model()?;
        let found = person::of_files(first, &files, None, model, &plan)?;
        for passed in &found.passed_over {
            eprintln!("bolid: passed over: {}: {}", passed.file.display(), passed.reason);
        }
        let views = found.views.len();
        let name =
            if paths.len() == 1 { first.to_owned() } else { format!("{first} and {} more", paths.len() - 1) };
        embedding(model, &found.views, format!("{name} ({views} views)"))
    }

    fn of_person(&mut self, name: &str) -> Result<Embedding> {
        let of_adapter = self.adapter.and_then(ChosenAdapter::snapshot);
        let Some(snapshot) = self.args.snapshot.as_deref().or(of_adapter) else {
            bail!("it is no file; for a person of a snapshot, name the snapshot with --snapshot");
        };
        let path = snapshot::find(&self.global.workdir.join("snapshots"), snapshot)
            .context("it is no file; as a person it needs a snapshot (--snapshot)")?;
        let model = self.model()?;
        let found = person::of_snapshot(name, None, model, &path)?;
        let views = found.views.len();
        embedding(model, &found.views, format!("{name} ({views} views)"))
    }

    /// Width of c_body.
    fn width(&mut self) -> Result<usize> {
        Ok(self.model()?.saved.model.config().latent)
    }

    /// The body-VAE, loaded once.
    fn model(&mut self) -> Result<&ChosenModel> {
        if self.model.is_none() {
            let runs_dir = self.global.workdir.join("runs");
            let named = self.args.body_model.as_deref();
            self.model = Some(body_vae(&runs_dir, self.adapter, named, &self.args.device.open()?)?);
        }
        self.model.as_ref().context("the body-VAE was just loaded")
    }
}

/// The body-VAE called `named` on `device`, else the one that the adapter was trained with.
pub fn body_vae(
    runs_dir: &Path,
    adapter: Option<&ChosenAdapter>,
    named: Option<&str>,
    device: &Device,
) -> Result<ChosenModel> {
    let name = named.or(adapter.and_then(ChosenAdapter::body_model)).unwrap_or(BODY_VAE);
    let chosen = model::load(runs_dir, name, device)?;
    refuse_other_model(adapter, &chosen.saved.digest.to_string())?;
    Ok(chosen)
}

/// The numbers of another body-VAE mean something else.
fn refuse_other_model(adapter: Option<&ChosenAdapter>, digest: &str) -> Result<()> {
    match adapter.and_then(ChosenAdapter::body_vae) {
        Some(wanted) if wanted != digest => bail!(
            "the body-VAE {} is not the one that the adapter was trained with, {}; name that one with --body-model, or \
             encode the photos with it",
            &digest[..12],
            &wanted[..wanted.len().min(12)]
        ),
        _ => Ok(()),
    }
}

fn embedding(model: &ChosenModel, views: &train::body::Views, name: String) -> Result<Embedding> {
    let posterior = person::posterior(model, views)?;
    Ok(Embedding { name, values: posterior.mean()?.detach().flatten_all()?.to_vec1()? })
}
