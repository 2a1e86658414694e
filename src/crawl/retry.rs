//! `bolid retry`: what failed is tried again.

use std::env;
use std::mem;
use std::time::Duration;

use anyhow::{Context, Result};
use catalog::Catalog;

use super::settings::set_manners;
use super::shown::show;
use super::{Sites, ask};
use crate::cli::{Global, RetryArgs};
use crate::exit::Done;
use crate::opening::open;
use crate::output::Output;
use crate::plan::LoadedRecipe;
use crate::recipe::{Import, Recipe};
use crate::which::{self, named_recipe};
use crate::workspace::require_workdir;
use crate::{config, import};

/// `bolid retry`: what failed is forgotten, and what was never asked for is all that is due then. It ends with failures
/// where something failed again; what it was not asked to try is left out of account.
pub async fn retry(args: &RetryArgs, global: &Global, output: Output) -> Result<Done> {
    require_workdir(global)?;
    let (catalog, mut sites, imports) = if args.sites.site.is_some() || args.sites.base_url.is_some() {
        let sites = Sites::of_args(&args.sites, &global.workdir).await?;
        (open(global).await?, sites, Vec::new())
    } else {
        let named = named_recipe(&args.sites.recipe, global)?;
        let catalog = open(global).await?;
        let (sites, imports) = failed_sources(&catalog, args, named).await?;
        (catalog, sites, imports)
    };
    // What is forgotten has to be asked for in this run: all sources are looked at before the first is
    // forgotten.
    for settings in &sites.settings {
        settings.ready().with_context(|| format!("crawl {}", settings.site()))?; // also where nothing failed
    }
    for (import, recipe) in &imports {
        import::ready(&catalog, import, recipe, &args.sites.manners).await?;
    }
    let mut forgotten = 0;
    let mut due = Vec::new();
    for mut settings in mem::take(&mut sites.settings) {
        settings.fresh_for = Duration::MAX;
        let of_site = catalog.forget_failures(settings.site(), &args.class).await?;
        forgotten += of_site;
        due.extend((of_site > 0).then_some(settings));
    }
    sites.settings = due;
    for (import, _) in &imports {
        forgotten += catalog.forget_failures(&import.name, &args.class).await?;
    }
    output.show(&serde_json::json!({ "retried": forgotten }), |_| {
        format!("{forgotten} failures are tried again")
    })?;
    let mut done = ask(&catalog, sites, output).await?;
    for (found, recipe) in &imports {
        let report = import::again(&catalog, found, recipe, &args.sites.manners).await?;
        done = done.and(Done::with(usize::from(report.has_failures())));
        show(&report, &[], output)?;
    }
    Ok(done)
}

/// The sites and imports with such failures: those of the recipe that is named, or of one that names
/// some of them, and what was imported without a recipe. Each import comes with the recipe that it is
/// of.
async fn failed_sources(
    catalog: &Catalog,
    args: &RetryArgs,
    named: Option<LoadedRecipe>,
) -> Result<(Sites, Vec<(Import, Recipe)>)> {
    let mut failed = catalog.sites_with_failures(&args.class).await?;
    let overrides = &args.sites.recipe.overrides;
    let loaded = match named {
        Some(loaded) => Some(loaded),
        None => which::naming(&failed, overrides, catalog.workdir())?,
    };
    let mut sites = Sites::default();
    let mut imports = Vec::new();
    if let Some(loaded) = &loaded {
        if loaded.sites.iter().any(|target| failed.contains(&target.profile.site)) {
            sites = Sites::of_recipe(loaded).await?;
            sites.settings.iter_mut().for_each(|settings| set_manners(settings, &args.sites.manners));
            sites.settings.retain(|settings| failed.iter().any(|name| name == settings.site()));
        }
        let of_recipe = loaded.recipe.imports.iter().filter(|import| failed.contains(&import.name));
        imports.extend(of_recipe.map(|import| (import.clone(), loaded.recipe.clone())));
        let names = loaded.site_names();
        failed.retain(|name| !names.contains(name));
    }
    for import in import::stored(catalog, &failed, args.profile.as_deref()).await? {
        failed.retain(|name| *name != import.name);
        imports.push((import, config::without_recipe(overrides, env::vars())?));
    }
    if !failed.is_empty() {
        let failed = failed.join(", ");
        tracing::warn!(
            "not tried again, since no recipe in use names it: {failed}; name its profile with --site, or a --recipe"
        );
    }
    Ok((sites, imports))
}
