//! `bolid models list|add|remove|verify`.

use std::path::Path;

use anyhow::{Result, bail};
use curate::detect::{self, NewModel};
use curate::model::{self, ModelEntry};
use curate::{Registry, Role, Runtime};
use serde::Serialize;

use crate::cli::{AddArgs, RegistryArgs, RemoveArgs};
use crate::output::Output;
use crate::{runtime, which};

/// A row per registered model.
pub fn list(args: &RegistryArgs, workdir: &Path, output: Output) -> Result<()> {
    let path = which::models_to_read(args, workdir)?;
    eprintln!("bolid: the models of {}", path.display());
    let registry = Registry::read(&path)?;
    let header = ["model", "role", "file", "sha256", "input", "output", "licence"];
    output.show_all(registry.models(), &header, |model: &ModelEntry| {
        let [width, height] = model.input_size;
        vec![
            model.name.clone(),
            model.role.to_string(),
            model.file.display().to_string(),
            model.sha256.short(),
            format!("{width}×{height}"),
            model.output.clone(),
            model.licence.clone().unwrap_or_else(|| "not stated".to_owned()),
        ]
    })?;
    Ok(())
}

/// Registers a file, after a check that it fits its role.
pub fn add(args: &AddArgs, workdir: &Path, output: Output) -> Result<()> {
    let AddArgs { file, role, name, licence, source, registry } = args;
    let registry = which::models_to_write(registry, workdir)?;
    let stem =
        || file.file_stem().map_or_else(|| "model".to_owned(), |stem| stem.to_string_lossy().into_owned());
    let new = NewModel {
        licence: licence.clone(),
        source: source.clone(),
        ..NewModel::new(name.clone().unwrap_or_else(stem), *role, file)
    };
    let entry = detect::add(&registry, &new, &runtime::onnx_runtime()?)?;
    output.show(&entry, |entry| {
        format!("registered {} for {} in {} ({})", entry.name, entry.role, registry.display(), entry.sha256)
    })?;
    say_how_to_use(&registry, entry.role, workdir)
}

/// Takes a model off a list.
pub fn remove(args: &RemoveArgs, workdir: &Path, output: Output) -> Result<()> {
    let registry = which::models_to_write(&args.registry, workdir)?;
    let entry = model::remove(&registry, &args.name)?;
    output.show(&entry, |entry| {
        format!(
            "removed {} from {}; its file stays: {}",
            entry.name,
            registry.display(),
            entry.file.display()
        )
    })?;
    Ok(())
}

/// What is still to be done before a model is used: that a recipe names the list, and one of several models.
pub fn say_how_to_use(registry: &Path, role: Role, workdir: &Path) -> Result<()> {
    let same = |path: &Path| path.canonicalize().ok() == registry.canonicalize().ok();
    if !which::readable(workdir).any(|found| same(&found.recipe.models)) {
        eprintln!("bolid: a recipe uses it by: models = {:?}", registry.display().to_string());
    }
    let models = Registry::read(registry)?;
    let others: Vec<&str> =
        models.models().iter().filter(|model| model.role == role).map(|model| model.name.as_str()).collect();
    if others.len() > 1 {
        eprintln!(
            "bolid: the list has several for {role} ({}); a recipe chooses one under [detectors], as in: {role} = {:?}",
            others.join(", "),
            others[others.len() - 1]
        );
    }
    Ok(())
}

#[derive(Serialize)]
struct Checked {
    name: String,
    role: Role,
    problem: Option<String>,
    /// Whether boxes and joints are computed on demand.
    on_demand: bool,
}

/// Checks digest, inputs and outputs of every registered model.
pub fn verify(args: &RegistryArgs, workdir: &Path, output: Output) -> Result<()> {
    let path = &which::models_to_read(args, workdir)?;
    let registry = Registry::read(path)?;
    let runtime = runtime::onnx_runtime()?;
    let checked: Vec<_> = registry.models().iter().map(|entry| check(&registry, entry, &runtime)).collect();
    output.show_all(&checked, &["model", "role", "state"], |checked| {
        let on_demand = if checked.on_demand { "; boxes on demand" } else { "" };
        let fits = || format!("fits its role, digest right{on_demand}");
        let state = checked.problem.clone().unwrap_or_else(fits);
        vec![checked.name.clone(), checked.role.to_string(), state]
    })?;
    let wrong = checked.iter().filter(|checked| checked.problem.is_some()).count();
    if wrong > 0 {
        bail!("{wrong} of {} models in {} cannot be used", checked.len(), path.display());
    }
    Ok(())
}

fn check(registry: &Registry, entry: &ModelEntry, runtime: &Runtime) -> Checked {
    let fit = detect::check(registry, entry, runtime);
    Checked {
        name: entry.name.clone(),
        role: entry.role,
        on_demand: fit.as_ref().is_ok_and(|fit| fit.has_split_head),
        problem: fit.err().map(|error| error.to_string()),
    }
}
