//! Which recipe and which list of models a command works by, where none is named.
//!
//! | what a command does | recipe, in this order |
//! |---|---|
//! | takes photos in | `--recipe`, `--demo`; `recipe.toml` here; the work folder's; the checkout's demo |
//! | works on stored photos, or retries | the same, if it names one of their sources; otherwise the defaults |
//! | reads a snapshot | `--recipe`; one of those above that names all its sources; the snapshot's own settings |
//!
//! The work folder's recipe is the one that its photos were taken in by. By the defaults, all that is stored is worked on.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use catalog::Catalog;
use curate::{Registry, Role};

use crate::bundled;
use crate::cli::{Global, NoRecipe, RecipeArgs, RegistryArgs};
use crate::ends::causes;
use crate::plan::{ListOfModels, LoadedRecipe, Plan};
use crate::workspace::{open_to_read, require_workdir};

/// What `bolid init` writes.
const HERE: &str = "recipe.toml";

/// In a checkout, the demo's.
const CHECKOUT: &str = "data/recipes/demo.toml";

/// The file in the work folder with the path of the recipe that it was made by.
const NOTE: &str = "recipe-path";

/// The user's own list of models, in the folder of configurations.
const OWN_MODELS: &str = "bolid/models.toml";

/// The recipe that is named, if one is.
///
/// # Errors
/// Where the demo's cannot be written.
pub fn named(args: &RecipeArgs, workdir: &Path) -> Result<Option<PathBuf>> {
    if args.demo {
        return bundled::unpack(workdir).map(Some);
    }
    Ok(args.recipe.clone())
}

/// The recipe that is named, read: what is wrong with it is told before anything is opened.
///
/// # Errors
/// What cannot be read, or makes no sense.
pub fn named_recipe(args: &RecipeArgs, global: &Global) -> Result<Option<LoadedRecipe>> {
    if args.demo {
        require_workdir(global)?; // its recipe is written there
    }
    named(args, &global.workdir)?.map(|path| LoadedRecipe::read(&path, &args.overrides)).transpose()
}

/// The recipe of a command that takes photos in.
///
/// # Errors
/// What cannot be read, or makes no sense; [`NoRecipe`].
pub fn load(args: &RecipeArgs, workdir: &Path) -> Result<LoadedRecipe> {
    LoadedRecipe::read(&recipe(args, workdir)?, &args.overrides)
}

/// The plan of a command that measures what is not in the catalog.
///
/// # Errors
/// As [`load`], or what is wrong with the list of models.
pub fn plan(args: &RecipeArgs, workdir: &Path) -> Result<Plan> {
    Ok(Plan::of(load(args, workdir)?)?)
}

/// The file of the recipe for a command that takes photos in.
///
/// # Errors
/// [`NoRecipe`], saying what to do.
fn recipe(args: &RecipeArgs, workdir: &Path) -> Result<PathBuf> {
    if let Some(named) = named(args, workdir)? {
        return Ok(named);
    }
    let found = found(workdir).chain([PathBuf::from(CHECKOUT)]).find(|path| path.exists());
    let found = found.ok_or_else(|| NoRecipe { workdir: workdir.to_owned() })?;
    eprintln!("bolid: by the recipe {}", found.display());
    Ok(found)
}

/// The recipe of `bolid dataset`: where there is no recipe, the rest of the way for what is stored.
///
/// # Errors
/// As [`recipe`], or what is wrong with it.
pub async fn for_dataset(args: &RecipeArgs, workdir: &Path) -> Result<LoadedRecipe> {
    match recipe(args, workdir) {
        Err(error) if error.is::<NoRecipe>() && Catalog::is_in(workdir) => {
            for_stored(args, &open_to_read(workdir).await?).await
        }
        found => LoadedRecipe::read(&found?, &args.overrides),
    }
}

/// The recipe of a command that works on stored photos.
///
/// # Errors
/// What is wrong with the recipe, or that nothing is stored.
pub async fn for_stored(args: &RecipeArgs, catalog: &Catalog) -> Result<LoadedRecipe> {
    let workdir = catalog.workdir();
    if let Some(named) = named(args, workdir)? {
        return LoadedRecipe::read(&named, &args.overrides);
    }
    let stored: Vec<String> = catalog.site_counts().await?.into_iter().map(|site| site.site).collect();
    if let Some(found) = naming(&stored, &args.overrides, workdir)? {
        let names = found.site_names();
        let others: Vec<_> = stored.iter().filter(|site| !names.contains(site)).map(String::as_str).collect();
        if !others.is_empty() {
            eprintln!("bolid: {} is stored as well, and not in that recipe", others.join(", "));
        }
        return Ok(found);
    }
    let Some(first) = stored.first() else { return Err(NoRecipe { workdir: workdir.to_owned() }.into()) };
    let name = if stored.len() == 1 { plain(first) } else { "stored".to_owned() };
    eprintln!("bolid: no recipe: all that is stored ({}), by the defaults", stored.join(", "));
    let models = models_without_recipe(workdir)?;
    let sources = stored.iter().map(|site| (site.clone(), None)).collect();
    LoadedRecipe::of_sources(&name, sources, models, &args.overrides)
}

/// The recipe, where none is named, that names one of `sources`; the checkout's demo only where it
/// names all of them.
///
/// # Errors
/// What is wrong with a recipe that is here, or that the work folder was made by.
pub fn naming(sources: &[String], overrides: &[String], workdir: &Path) -> Result<Option<LoadedRecipe>> {
    let mut naming = None;
    for path in found(workdir).filter(|path| path.exists()) {
        let found = LoadedRecipe::read(&path, overrides)?;
        let names = found.site_names();
        if sources.iter().any(|source| names.contains(source)) {
            naming = Some(found);
            break;
        }
    }
    let naming = naming.or_else(|| covering(&[PathBuf::from(CHECKOUT)], overrides, sources));
    if let Some(found) = &naming {
        tell(found);
    }
    Ok(naming)
}

/// Says by which recipe, where nobody named it.
fn tell(found: &LoadedRecipe) {
    if let Some(path) = &found.path {
        eprintln!("bolid: by the recipe {}", path.display());
    }
}

/// A recipe by which the sources of a snapshot can be asked again; `names` are the snapshot's sources
/// with their licences.
///
/// # Errors
/// What is wrong with the recipe that is named.
pub fn for_snapshot(
    args: &RecipeArgs,
    workdir: &Path,
    name: &str,
    sources: BTreeMap<String, Option<String>>,
) -> Result<LoadedRecipe> {
    if let Some(named) = named(args, workdir)? {
        return LoadedRecipe::read(&named, &args.overrides);
    }
    let candidates: Vec<PathBuf> = found(workdir).chain([PathBuf::from(CHECKOUT)]).collect();
    let names: Vec<String> = sources.keys().cloned().collect();
    match covering(&candidates, &args.overrides, &names) {
        Some(found) => {
            tell(&found);
            Ok(found)
        }
        None => LoadedRecipe::of_sources(name, sources, models_without_recipe(workdir)?, &args.overrides),
    }
}

/// The first usable recipe that names all of `sources`.
fn covering(candidates: &[PathBuf], overrides: &[String], sources: &[String]) -> Option<LoadedRecipe> {
    let mut recipes =
        candidates.iter().filter(|path| path.exists()).filter_map(|path| read_or_pass_over(path, overrides));
    let covers = |found: &LoadedRecipe| {
        let names = found.site_names();
        !sources.is_empty() && sources.iter().all(|source| names.contains(source))
    };
    recipes.find(covers)
}

fn read_or_pass_over(path: &Path, overrides: &[String]) -> Option<LoadedRecipe> {
    match LoadedRecipe::read(path, overrides) {
        Ok(found) => Some(found),
        Err(error) => {
            tracing::warn!("the recipe {} is passed over: {}", path.display(), causes(&error));
            None
        }
    }
}

/// Recipes that nobody named: here, and that of the work folder.
fn found(workdir: &Path) -> impl Iterator<Item = PathBuf> {
    [Some(PathBuf::from(HERE)), remembered(workdir)].into_iter().flatten()
}

fn remembered(workdir: &Path) -> Option<PathBuf> {
    let text = fs::read_to_string(workdir.join(NOTE)).ok()?;
    Some(PathBuf::from(text.trim_end())).filter(|path| path.exists())
}

/// Notes by which recipe the work folder's photos were taken in, for later commands that name none.
///
/// # Errors
/// Where the note cannot be written.
pub fn remember(workdir: &Path, recipe: &Path) -> Result<()> {
    let Some(path) = recipe.canonicalize().ok().and_then(|path| path.to_str().map(str::to_owned)) else {
        return Ok(()); // a path that no text can hold is named each time
    };
    let note = workdir.join(NOTE);
    let partial = workdir.join(format!("{NOTE}.partial"));
    let write = || fs::write(&partial, path + "\n").and_then(|()| fs::rename(&partial, &note));
    write().with_context(|| format!("note the recipe in {}", note.display()))
}

/// Forgets the recipe of the work folder, where photos were taken in that it does not name. One that
/// cannot be read at the moment is kept.
///
/// # Errors
/// Where the note cannot be removed.
pub fn forget_other_than(workdir: &Path, source: &str) -> Result<()> {
    let Some(path) = remembered(workdir) else { return Ok(()) };
    let names_it = |found: LoadedRecipe| found.site_names().iter().any(|name| name == source);
    if LoadedRecipe::read(&path, &[]).map_or(true, names_it) {
        return Ok(());
    }
    let note = workdir.join(NOTE);
    fs::remove_file(&note).with_context(|| format!("remove {}", note.display()))?;
    eprintln!(
        "bolid: the recipe {} does not name `{source}` and is no longer that of {}; name it with --recipe",
        path.display(),
        workdir.display()
    );
    Ok(())
}

/// The recipes that a command without one may mean, as far as they can be read.
pub fn readable(workdir: &Path) -> impl Iterator<Item = LoadedRecipe> {
    found(workdir).filter(|path| path.exists()).filter_map(|path| LoadedRecipe::read(&path, &[]).ok())
}

/// A source's name as the name of a snapshot: letters, digits, `_` and `-`.
pub fn plain(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' };
    let name: String = name.chars().map(plain).take(60).collect();
    let name = name.trim_matches('-');
    if name.is_empty() { "mine".to_owned() } else { name.to_owned() }
}

/// The user's own list of models, whether it is there or not.
pub fn own_models() -> Option<PathBuf> {
    let folder = |variable: &str| env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    let configurations = folder("XDG_CONFIG_HOME").or_else(|| Some(folder("HOME")?.join(".config")));
    configurations.map(|folder| folder.join(OWN_MODELS))
}

/// The user's own list of models, where it has what measuring needs.
pub fn usable_own_models() -> Option<Registry> {
    let registry = Registry::read(&own_models()?).ok()?;
    let mut needed = Role::REQUIRED.into_iter().filter(|role| !role.may_be_off());
    needed.all(|role| registry.has(role)).then_some(registry)
}

/// The models where no recipe names any: `BOLID_MODELS`, the user's own, or the demo's.
fn models_without_recipe(workdir: &Path) -> Result<ListOfModels> {
    let unread = |path| ListOfModels { path, registry: None };
    if let Some(named) = env::var_os("BOLID_MODELS").filter(|named| !named.is_empty()) {
        return Ok(unread(PathBuf::from(named)));
    }
    match usable_own_models() {
        Some(own) => Ok(ListOfModels { path: own.path().to_owned(), registry: Some(own) }),
        None => bundled::unpack_list_of_models(workdir).map(unread),
    }
}

/// The list of models that a `bolid models` command reads.
///
/// # Errors
/// Where there is none, saying what makes one.
pub fn models_to_read(args: &RegistryArgs, workdir: &Path) -> Result<PathBuf> {
    if let Some(named) = &args.models {
        return Ok(named.clone());
    }
    let of_recipes = readable(workdir).map(|found| found.recipe.models);
    let others = own_models().into_iter().chain([PathBuf::from("data/models/models.toml")]);
    of_recipes.chain(others).find(|path| path.exists()).with_context(|| {
        "there is no list of models here; `bolid models add` makes one of your own, `bolid init` writes the \
         demo's beside a recipe, and --models FILE names another"
    })
}

/// The list of models that a `bolid models` command changes: never the demo's, which belongs to the program.
///
/// # Errors
/// Where the list that is named is the demo's, or there is no place for one.
pub fn models_to_write(args: &RegistryArgs, workdir: &Path) -> Result<PathBuf> {
    if let Some(named) = &args.models {
        anyhow::ensure!(
            !bundled::is_own(named, workdir),
            "{} belongs to bolid itself and is not changed; name a list of your own with --models, or leave it out",
            named.display()
        );
        return Ok(named.clone());
    }
    let mut of_recipes = readable(workdir).map(|found| found.recipe.models);
    of_recipes
        .find(|path| path.exists() && !bundled::is_own(path, workdir))
        .or_else(own_models)
        .context("neither XDG_CONFIG_HOME nor HOME is set; name a list of models with --models FILE")
}
