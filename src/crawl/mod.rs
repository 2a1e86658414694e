//! `bolid crawl`: photos come in from sites.
//!
//! | module | what |
//! |---|---|
//! | [`settings`] | how sites are asked: the recipe, and over it the command line |
//! | [`retry`](mod@retry) | `bolid retry` |
//! | [`progress_bar`], [`shown`] | the progress bar; what came of a crawl, in words |

pub mod progress_bar;
mod retry;
pub mod settings;
pub mod shown;

use std::env;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use catalog::Catalog;
use crawler::{CrawlReport, CrawlSettings};
use photo::Rules;
use url::Url;

use self::progress_bar::CrawlProgress;
pub use self::retry::retry;
use self::settings::{of_site, set_manners, set_selection, typed, typed_manners};
use self::shown::{describe_check, show};
use crate::cli::{CrawlArgs, Global, SiteArgs};
use crate::demo::DemoGallery;
use crate::ends::Failed;
use crate::exit::Done;
use crate::opening::open;
use crate::output::Output;
use crate::plan::{LoadedRecipe, Target};
use crate::{config, import, progress, which};

/// Crawls all sites of a recipe, imports its folders, and says what came of each; the demo gallery is up
/// while that goes on.
///
/// It ends with failures where pages, hosts or rows were left, of which no photo tells.
pub async fn all(catalog: &Arc<Catalog>, loaded: &LoadedRecipe, output: Output) -> Result<Done> {
    let sites = Sites::of_recipe(loaded).await?;
    let mut left = 0;
    for settings in &sites.settings {
        let (report, wanted) = site(catalog, settings).await?;
        left += report.left.len();
        show(&report, &wanted, output)?;
    }
    sites.close().await?;
    for found in &loaded.recipe.imports {
        let report = import::of_recipe(catalog, found, &loaded.recipe).await?;
        left += report.left.len() + report.bad_rows as usize;
        show(&report, &[], output)?;
    }
    Ok(Done::with(left))
}

/// The sites that a command speaks of, and the demo gallery where one of them is shown by it.
#[derive(Default)]
pub struct Sites {
    /// What to crawl of each.
    pub settings: Vec<CrawlSettings>,
    demo: Option<DemoGallery>,
    /// The recipe's file, where one names them.
    recipe: Option<PathBuf>,
    /// The arguments that name them, where no recipe does, and how they are asked; with a space before each.
    arguments: String,
}

impl Sites {
    /// The recipe's sites.
    pub async fn of_recipe(loaded: &LoadedRecipe) -> Result<Self> {
        let demo = match &loaded.recipe.demo {
            Some(demo) => Some(DemoGallery::start(demo).await?),
            None => None,
        };
        let settings = loaded.sites.iter().cloned().map(|target| {
            let mirror = target.mirror.or_else(|| demo.as_ref()?.url_for(&target.profile));
            of_site(Target { mirror, profile: target.profile }, &loaded.recipe)
        });
        Ok(Self { settings: settings.collect(), demo, recipe: loaded.path.clone(), arguments: String::new() })
    }

    /// A site named on the command line is asked itself; the demo gallery stands in only for the demo
    /// recipe's.
    async fn of_args(args: &SiteArgs, workdir: &Path) -> Result<Self> {
        let mut sites = match (&args.site, &args.base_url) {
            (Some(path), base_url) => {
                let target = Target::load(path, base_url.clone())?;
                let recipe = match args.recipe.recipe {
                    Some(_) => which::load(&args.recipe, workdir)?.recipe,
                    None => config::without_recipe(&args.recipe.overrides, env::vars())?,
                };
                Self { settings: vec![of_site(target, &recipe)], ..Self::default() }
            }
            (None, Some(base_url)) => {
                let loaded = which::load(&args.recipe, workdir)?;
                let load = |site: &crate::recipe::Site| Target::load(&site.profile, Some(base_url.clone()));
                let targets = loaded.recipe.sites.iter().map(load).collect::<Result<Vec<_>, _>>()?;
                let settings = targets.into_iter().map(|target| of_site(target, &loaded.recipe));
                Self { settings: settings.collect(), ..Self::default() }
            }
            (None, None) => Self::of_recipe(&which::load(&args.recipe, workdir)?).await?,
        };
        sites.settings.iter_mut().for_each(|settings| set_manners(settings, &args.manners));
        sites.arguments = named_by(args);
        Ok(sites)
    }

    /// Ends the demo gallery.
    pub async fn close(self) -> Result<()> {
        match self.demo {
            Some(demo) => demo.stop().await,
            None => Ok(()),
        }
    }
}

/// The arguments that name a site and say how it is asked, as they can be typed again.
fn named_by(args: &SiteArgs) -> String {
    let site = args.site.as_ref().map(|path| path.display().to_string());
    let base_url = args.base_url.as_ref().map(Url::to_string);
    let overrides = args.recipe.overrides.iter().map(|one| typed([("--set", Some(one.clone()))]));
    typed([("--site", site), ("--base-url", base_url)])
        + &typed_manners(&args.manners)
        + &overrides.collect::<String>()
}

/// Crawls a site; with the addresses that a simulated crawl would ask for.
async fn site(catalog: &Catalog, settings: &CrawlSettings) -> Result<(CrawlReport, Vec<String>)> {
    let progress = CrawlProgress::new("crawl");
    let report = crawler::crawl(catalog, settings, &|event| progress.see(event)).await;
    let wanted = progress.finish();
    Ok((report.with_context(|| format!("crawl {}", settings.site()))?, wanted))
}

/// `bolid crawl`.
pub async fn command(args: &CrawlArgs, global: &Global, output: Output) -> Result<Done> {
    let mut sites = Sites::of_args(&args.sites, &global.workdir).await?;
    for settings in &mut sites.settings {
        set_selection(settings, &args.selection);
        settings.fresh_for = args.fresh_for.unwrap_or(settings.fresh_for);
    }
    if args.check {
        let mut well = true;
        for settings in &mut sites.settings {
            if settings.min_side == 0 {
                settings.min_side = Rules::default().min_side; // a crawl without a recipe takes all; a dataset does not
            }
            let report = crawler::check(settings).await?;
            well &= report.is_well();
            output.show(&report, describe_check)?;
        }
        sites.close().await?;
        return Ok(if well { Done::Success } else { Done::WithFailures });
    }
    run(sites, global, output).await
}

async fn run(sites: Sites, global: &Global, output: Output) -> Result<Done> {
    for settings in &sites.settings {
        // Before a work folder is made.
        settings.ready().with_context(|| format!("crawl {}", settings.site()))?;
    }
    let catalog = open(global).await?;
    let is_stored = sites.settings.iter().all(|settings| !settings.simulate);
    match &sites.recipe {
        _ if !is_stored => {}
        Some(path) => which::remember(&global.workdir, path)?,
        None => {
            for settings in &sites.settings {
                which::forget_other_than(&global.workdir, settings.site())?;
            }
        }
    }
    let names: Vec<String> = sites.settings.iter().map(|settings| settings.site().to_owned()).collect();
    let arguments = sites.arguments.clone();
    let mut done = ask(&catalog, sites, output).await?;
    if is_stored {
        let failed = Failed::of(&catalog, names.iter().map(String::as_str)).await?.led_to_by(&arguments);
        failed.tell();
        done = done.and(failed.done());
    }
    Ok(done)
}

/// Asks the sites; it ends with failures where this run had some.
async fn ask(catalog: &Catalog, sites: Sites, output: Output) -> Result<Done> {
    progress::go_on_after_ctrl_c();
    let mut well = true;
    for settings in &sites.settings {
        let (report, wanted) = site(catalog, settings).await?;
        well &= !report.has_failures();
        show(&report, &wanted, output)?;
    }
    sites.close().await?;
    Ok(if well { Done::Success } else { Done::WithFailures })
}
