//! `bolid crawl` and `bolid retry`: photos come in from sites.

use std::env;
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use catalog::Catalog;
use crawler::check::{CheckReport, Finding};
use crawler::{CrawlReport, CrawlSettings, Event};
use indicatif::HumanBytes;
use photo::{FailureClass, Rules};
use serde::Serialize;
use url::Url;

use crate::cli::{CrawlArgs, Global, MannerArgs, RetryArgs, SelectionArgs, SiteArgs};
use crate::demo::DemoGallery;
use crate::ends::Failed;
use crate::output::Output;
use crate::plan::{Plan, Target};
use crate::progress::Stage;
use crate::recipe::{Import, Recipe};
use crate::{Done, config, import, named_plan, open, progress, require_workdir, which};

/// Crawls all sites of a recipe, imports its folders, and says what came of each; the demo gallery is up while that goes
/// on.
///
/// It ends with failures where pages, hosts or rows were left, of which no photo tells.
pub async fn all(catalog: &Arc<Catalog>, plan: &Plan, output: Output) -> Result<Done> {
    let sites = Sites::of_recipe(plan).await?;
    let mut left = 0;
    for settings in &sites.settings {
        let (report, wanted) = site(catalog, settings).await?;
        left += report.left.len();
        show(&report, &wanted, output)?;
    }
    sites.close().await?;
    for found in &plan.recipe.imports {
        let report = import::of_recipe(catalog, found, &plan.recipe).await?;
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
    pub async fn of_recipe(plan: &Plan) -> Result<Self> {
        let demo = match &plan.recipe.demo {
            Some(demo) => Some(DemoGallery::start(demo).await?),
            None => None,
        };
        let settings = plan.sites.iter().cloned().map(|target| {
            let mirror = target.mirror.or_else(|| demo.as_ref()?.url_for(&target.profile));
            settings(Target { mirror, profile: target.profile }, &plan.recipe)
        });
        Ok(Self { settings: settings.collect(), demo, recipe: plan.path.clone(), arguments: String::new() })
    }

    /// A site named on the command line is asked itself; the demo gallery stands in only for the demo recipe's.
    async fn of_args(args: &SiteArgs, workdir: &Path) -> Result<Self> {
        let mut sites = match (&args.site, &args.base_url) {
            (Some(path), base_url) => {
                let target = Target::load(path, base_url.clone())?;
                let recipe = match args.recipe.recipe {
                    Some(_) => Plan::load(&args.recipe, workdir)?.recipe,
                    None => config::without_recipe(&args.recipe.overrides, env::vars())?,
                };
                Self { settings: vec![settings(target, &recipe)], ..Self::default() }
            }
            (None, Some(base_url)) => {
                let plan = Plan::load(&args.recipe, workdir)?;
                let load = |site: &crate::recipe::Site| Target::load(&site.profile, Some(base_url.clone()));
                let targets = plan.recipe.sites.iter().map(load).collect::<Result<Vec<_>, _>>()?;
                let settings = targets.into_iter().map(|target| settings(target, &plan.recipe));
                Self { settings: settings.collect(), ..Self::default() }
            }
            (None, None) => Self::of_recipe(&Plan::load(&args.recipe, workdir)?).await?,
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

/// The arguments of manners, as they can be typed again.
pub fn typed_manners(args: &MannerArgs) -> String {
    let MannerArgs { contact, allow_private, delay } = args;
    let delay = delay.map(|delay| humantime::format_duration(delay).to_string());
    let allow_private = if *allow_private { " --allow-private" } else { "" };
    typed([("--contact", contact.clone()), ("--delay", delay)]) + allow_private
}

/// Those arguments that have a value, as they can be typed again, with a space before each.
pub fn typed<const N: usize>(arguments: [(&str, Option<String>); N]) -> String {
    // As a shell reads it.
    let is_plain = |c: char| c.is_alphanumeric() || "/.:_-@%+=,".contains(c);
    let quoted = |text: String| match text.chars().all(is_plain) {
        true => text,
        false => format!("'{}'", text.replace('\'', "'\\''")),
    };
    let typed = |(name, value): (&str, Option<String>)| Some(format!(" {name} {}", quoted(value?)));
    arguments.into_iter().filter_map(typed).collect()
}

/// What the recipe says of crawling.
fn settings(target: Target, recipe: &Recipe) -> CrawlSettings {
    let mut settings = CrawlSettings::new(target.profile);
    settings.mirror = target.mirror;
    set_recipe(&mut settings, recipe);
    settings
}

/// What the recipe says of any source.
pub fn set_recipe(settings: &mut CrawlSettings, recipe: &Recipe) {
    settings.min_side = recipe.rules.of_site(settings.site()).min_side;
    settings.fresh_for = recipe.crawl.fresh_for;
    settings.max_photos = recipe.crawl.max_photos;
    settings.min_photos = recipe.crawl.min_photos.unwrap_or(0);
    settings.identities.clone_from(&recipe.crawl.identities);
    settings.contact.clone_from(&recipe.crawl.contact);
    settings.allow_private = recipe.crawl.allow_private;
}

/// What the command line says of manners.
pub fn set_manners(settings: &mut CrawlSettings, args: &MannerArgs) {
    settings.contact = args.contact.clone().or_else(|| settings.contact.take());
    settings.delay = args.delay.or(settings.delay);
    settings.allow_private |= args.allow_private;
}

/// What the command line says of the photos wanted.
pub fn set_selection(settings: &mut CrawlSettings, args: &SelectionArgs) {
    settings.max_photos = args.max_photos.or(settings.max_photos);
    settings.min_photos = args.min_photos.unwrap_or(settings.min_photos);
    settings.simulate = args.simulate;
    if !args.identity.is_empty() {
        settings.identities.clone_from(&args.identity);
    }
}

/// Crawls a site; with the addresses that a simulated crawl would ask for.
async fn site(catalog: &Catalog, settings: &CrawlSettings) -> Result<(CrawlReport, Vec<String>)> {
    let watch = Watch::new("crawl");
    let report = crawler::crawl(catalog, settings, &|event| watch.see(event)).await;
    let wanted = watch.finish();
    Ok((report.with_context(|| format!("crawl {}", settings.site()))?, wanted))
}

/// Follows a crawl or import on a progress bar.
pub struct Watch {
    bar: Stage,
    wanted: Mutex<Vec<String>>,
}

impl Watch {
    /// A bar of that name.
    pub fn new(name: &'static str) -> Self {
        Self { bar: progress::stage(name, 0, "photos"), wanted: Mutex::default() }
    }

    /// Moves the bar.
    pub fn see(&self, event: &Event) {
        match event {
            Event::PageRead => self.bar.set_message("reading listings"),
            Event::PageFailed { .. } => {} // the crawler has said which, and why
            Event::PhotosDue(due) => {
                self.bar.set_message("");
                self.bar.set_length(*due);
            }
            Event::WouldFetch { url } => {
                self.wanted.lock().unwrap_or_else(PoisonError::into_inner).push(url.clone());
            }
            Event::PhotoStored { .. } | Event::PhotoUnchanged | Event::PhotoFailed(_) => self.bar.inc(1),
            Event::Left { .. } => {} // the report counts what is left, and why
        }
    }

    /// Takes the bar away; gives the addresses that a simulated run would ask for.
    pub fn finish(self) -> Vec<String> {
        self.bar.finish_and_clear();
        self.wanted.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
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
        return Ok(if well { Done::Well } else { Done::WithFailures });
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
    Ok(if well { Done::Well } else { Done::WithFailures })
}

#[derive(Serialize)]
struct Wanted<'a> {
    would_fetch: &'a str,
}

/// What a crawl or import did, after what it would have asked for.
pub fn show(report: &CrawlReport, wanted: &[String], output: Output) -> Result<()> {
    for url in wanted {
        output.show(&Wanted { would_fetch: url }, |wanted| wanted.would_fetch.to_owned())?;
    }
    Ok(output.show(report, describe)?)
}

fn describe(report: &CrawlReport) -> String {
    let CrawlReport {
        site, pages_read, pages_unchanged, photos_stored, photos_unchanged, photos_due, ..
    } = report;
    let mut lines = vec![format!(
        "{site}: {pages_read} pages read, {pages_unchanged} unchanged; {photos_stored} photos stored ({}), \
         {photos_unchanged} unchanged",
        HumanBytes(report.bytes)
    )];
    if *photos_due > 0 {
        lines.push(format!("  {photos_due} photos would be downloaded"));
    }
    for (what, counts) in [("pages", &report.pages_failed), ("photos", &report.photos_failed)] {
        lines.extend(counts.iter().map(|(class, count)| {
            let what_to_do = match class {
                FailureClass::Private => {
                    ", which addresses of strangers do not lead to (see --allow-private)"
                }
                _ => "",
            };
            format!("  {count} {what} {}: {class}{what_to_do}", class.in_word())
        }));
    }
    lines.extend(
        report.left.iter().map(|(reason, count)| format!("  {count} left for another run: {reason}")),
    );
    if report.bad_rows > 0 {
        lines.push(format!("  {} rows of the list name no photo or cannot be read", report.bad_rows));
    }
    if report.captions_unmatched > 0 {
        lines.push(format!("  {} captions name no photo of the folder", report.captions_unmatched));
    }
    if report.captions_unreadable > 0 {
        lines.push(format!("  {} captions could not be read", report.captions_unreadable));
    }
    if report.photos_gone + report.photos_moved > 0 {
        let (gone, moved) = (report.photos_gone, report.photos_moved);
        lines.push(format!(
            "  {gone} gone from the folder or list since the last import, {moved} moved within it"
        ));
    }
    lines.extend(
        report
            .passed_over
            .iter()
            .map(|(kind, count)| format!("  {count} passed over: {}", passed_over(kind))),
    );
    lines.join("\n")
}

/// A kind of files that are not taken in, and for photos of that kind what to do.
fn passed_over(kind: &str) -> String {
    match kind {
        "heic" | "avif" | "jpeg xl" => format!("{kind}, which is not read; convert them to JPEG or PNG"),
        "hidden" => "hidden, their names begin with a dot".to_owned(),
        "system" => "left by a system or program, such as bins and thumbnails".to_owned(),
        "lonely text" => "texts beside no photo of their name".to_owned(),
        other => other.to_owned(),
    }
}

fn describe_check(report: &CheckReport) -> String {
    let mut lines = Vec::new();
    let mut page = "";
    for finding in &report.findings {
        if finding.page != page {
            page = &finding.page;
            lines.push(page.to_owned());
        }
        lines.push(describe_finding(finding));
    }
    lines.extend(report.photo.iter().map(|photo| format!("reached {photo}")));
    lines.extend(report.stopped.iter().map(|why| format!("stopped before a photo: {why}")));
    lines.extend(report.advice.clone());
    lines.join("\n")
}

fn describe_finding(finding: &Finding) -> String {
    let Finding { rule, select, elements, values, required, .. } = finding;
    let mark = match (values, required) {
        (0, true) => "✗",
        (0, false) => "–",
        _ => "✓",
    };
    let found = match (elements, values) {
        (0, _) => "finds nothing".to_owned(),
        (elements, 0) => format!("finds {elements} elements, none with a usable value"),
        (elements, values) if elements == values => format!("{values} found"),
        (elements, values) => format!("{values} found in {elements} elements"),
    };
    let first = finding.first.as_ref().map(|first| format!(", first: {first}")).unwrap_or_default();
    format!("  {mark} {rule:<18} {found}{first}   `{select}`")
}

/// `bolid retry`: what failed is forgotten, and what was never asked for is all that is due then. It ends with failures
/// where something failed again; what it was not asked to try is left out of account.
pub async fn retry(args: &RetryArgs, global: &Global, output: Output) -> Result<Done> {
    require_workdir(global)?;
    let (catalog, mut sites, imports) = if args.sites.site.is_some() || args.sites.base_url.is_some() {
        let sites = Sites::of_args(&args.sites, &global.workdir).await?;
        (open(global).await?, sites, Vec::new())
    } else {
        let named = named_plan(&args.sites.recipe, global)?;
        let catalog = open(global).await?;
        let (sites, imports) = failed_sources(&catalog, args, named).await?;
        (catalog, sites, imports)
    };
    // What is forgotten has to be asked for in this run: all sources are looked at before the first is forgotten.
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

/// The sites and imports with such failures: those of the recipe that is named, or of one that names some of them, and
/// what was imported without a recipe. Each import comes with the recipe that it is of.
async fn failed_sources(
    catalog: &Catalog,
    args: &RetryArgs,
    named: Option<Plan>,
) -> Result<(Sites, Vec<(Import, Recipe)>)> {
    let mut failed = catalog.sites_with_failures(&args.class).await?;
    let overrides = &args.sites.recipe.overrides;
    let plan = match named {
        Some(plan) => Some(plan),
        None => which::naming(&failed, overrides, catalog.workdir())?,
    };
    let mut sites = Sites::default();
    let mut imports = Vec::new();
    if let Some(plan) = &plan {
        if plan.sites.iter().any(|target| failed.contains(&target.profile.site)) {
            sites = Sites::of_recipe(plan).await?;
            sites.settings.iter_mut().for_each(|settings| set_manners(settings, &args.sites.manners));
            sites.settings.retain(|settings| failed.iter().any(|name| name == settings.site()));
        }
        let of_recipe = plan.recipe.imports.iter().filter(|import| failed.contains(&import.name));
        imports.extend(of_recipe.map(|import| (import.clone(), plan.recipe.clone())));
        let names = plan.site_names();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_typed_of_manners_is_typed_again_as_a_shell_reads_it() {
        let none = MannerArgs { contact: None, allow_private: false, delay: None };
        assert_eq!(typed_manners(&none), "");
        let all = MannerArgs {
            contact: Some("it's me".to_owned()),
            allow_private: true,
            delay: Some(Duration::from_millis(1500)),
        };
        assert_eq!(typed_manners(&all), r" --contact 'it'\''s me' --delay '1s 500ms' --allow-private");
        let site = [("--site", Some("a/b.toml".to_owned())), ("--base-url", None)];
        assert_eq!(typed(site), " --site a/b.toml");
    }
}
