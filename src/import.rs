//! `bolid import`: photos come in from folders and lists.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use catalog::Catalog;
use crawler::list::{self, BadRow, Entry, Place};
use crawler::{CrawlReport, CrawlSettings, List, ListProfile, Source};

use crate::cli::{Global, ImportArgs};
use crate::crawl::{Watch, set_manners, set_recipe, set_selection, show};
use crate::output::Output;
use crate::recipe::{Import, Recipe};
use crate::{Done, open};

/// `bolid import`.
pub async fn command(args: &ImportArgs, global: &Global, output: Output) -> Result<Done> {
    let path = &args.path;
    let name = args.name.clone().or_else(|| name_of(path));
    let name = name.with_context(|| format!("import {}: it does not exist", path.display()))?;
    let mut settings = settings(&name, args.profile.as_deref())?;
    set_manners(&mut settings, &args.manners);
    set_selection(&mut settings, &args.selection);
    settings.min_side = args.min_side;
    let is_named = args.name.is_some();
    let (report, wanted) = take_in(&*open(global).await?, path, &settings, is_named).await?;
    show(&report, &wanted, output)?;
    Ok(if report.has_failures() { Done::WithFailures } else { Done::Well })
}

/// A name that nobody chose must not bring two collections together, in which files of one path replace each other.
async fn refuse_other_source(catalog: &Catalog, name: &str, path: &Path) -> Result<()> {
    match catalog.source(name).await? {
        Some(earlier) if earlier != root_of(path) => bail!(
            "import {}: `{name}` was imported from {earlier}; give this one a name of its own with --name, or say \
             --name {name} if it is the same collection in another place",
            path.display()
        ),
        _ => Ok(()),
    }
}

/// The absolute path of a folder or list.
fn root_of(path: &Path) -> String {
    path.canonicalize().unwrap_or_else(|_| path.to_owned()).to_string_lossy().into_owned()
}

/// What an import is called: a list without its ending, a folder with all of its name, so that `set.1` and `set.2` are
/// two.
fn name_of(path: &Path) -> Option<String> {
    let path = path.canonicalize().ok()?;
    let name = if path.is_dir() { path.file_name() } else { path.file_stem() };
    name.map(|name| name.to_string_lossy().into_owned())
}

/// What a recipe imports.
pub async fn of_recipe(catalog: &Catalog, import: &Import, recipe: &Recipe) -> Result<CrawlReport> {
    let (settings, _) = source(import, recipe)?;
    Ok(take_in(catalog, &import.path, &settings, true).await?.0)
}

/// How a recipe's import is done, and what its local files are relative to.
pub fn source(import: &Import, recipe: &Recipe) -> Result<(CrawlSettings, PathBuf)> {
    let mut settings = settings(&import.name, import.profile.as_deref())?;
    set_recipe(&mut settings, recipe);
    let path = &import.path;
    let root = if path.is_dir() { path.as_path() } else { path.parent().unwrap_or(Path::new("")) };
    Ok((settings, root.to_owned()))
}

fn settings(name: &str, profile: Option<&Path>) -> Result<CrawlSettings> {
    let profile = profile.map(ListProfile::load).transpose()?.unwrap_or_default();
    Ok(CrawlSettings::of(Source::List(name.to_owned(), profile)))
}

async fn take_in(
    catalog: &Catalog,
    path: &Path,
    settings: &CrawlSettings,
    is_named: bool,
) -> Result<(CrawlReport, Vec<String>)> {
    let list = read(path)?;
    // Paths are relative to the folder or list; addresses on the web are what they are in any list.
    if list.entries.iter().any(|entry| matches!(entry.place, Place::File(_))) {
        if !is_named {
            refuse_other_source(catalog, settings.site(), path).await?;
        }
        catalog.record_source(settings.site(), &root_of(path)).await?;
    }
    tell_bad_rows(path, &list.bad_rows);
    let watch = Watch::new("import");
    let report = crawler::import(catalog, &list, settings, &|event| watch.see(event)).await;
    let wanted = watch.finish();
    Ok((report.with_context(|| format!("import {}", path.display()))?, wanted))
}

/// Rows of a list are told one by one up to a number; all are counted in the report.
fn tell_bad_rows(path: &Path, bad_rows: &[BadRow]) {
    const TOLD: usize = 10;
    for BadRow { line, problem } in bad_rows.iter().take(TOLD) {
        eprintln!("bolid: {}, line {line}: {problem}", path.display());
    }
    if bad_rows.len() > TOLD {
        eprintln!("bolid: {}: and {} more such rows", path.display(), bad_rows.len() - TOLD);
    }
}

fn read(path: &Path) -> Result<List> {
    if path.is_dir() {
        return Ok(crawler::folder::read(path)?);
    }
    if path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("parquet")) {
        let rows = snapshot::read_texts(path, &list::COLUMNS)?;
        let entry = |(number, row): (usize, snapshot::TextRow)| {
            let field =
                |name: &str| row.iter().find(|(column, _)| *column == name).map(|(_, text)| text.clone());
            let bad = || BadRow { line: number as u64 + 1, problem: list::no_photo() };
            Entry::from_fields(field).ok_or_else(bad)
        };
        let mut list = List { root: path.parent().unwrap_or(Path::new("")).to_owned(), ..List::default() };
        rows.into_iter().enumerate().map(entry).for_each(|row| list.push(row));
        return Ok(list);
    }
    Ok(list::read(path)?)
}
