//! `bolid import`: photos come in from folders and lists.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use catalog::Catalog;
use catalog::photo::PhotoRow;
use catalog::tombstone::ERASED_SCHEME;
use crawler::list::{self, BadRow, Entry, Place};
use crawler::{CrawlReport, CrawlSettings, List, ListProfile, Source};
use photo::FailureClass;
use url::{Host, Url};

use crate::cli::{Global, ImportArgs, MannerArgs};
use crate::crawl::progress_bar::CrawlProgress;
use crate::crawl::settings::{set_manners, set_recipe, set_selection, typed, typed_manners};
use crate::crawl::shown::show;
use crate::ends::Failed;
use crate::exit::Done;
use crate::opening::open;
use crate::output::Output;
use crate::recipe::{Import, Recipe};
use crate::{progress, which};

/// `bolid import`.
pub async fn command(args: &ImportArgs, global: &Global, output: Output) -> Result<Done> {
    let path = &args.path;
    let names = names_of(path).with_context(|| format!("import {}: it does not exist", path.display()))?;
    let profile = load_profile(args.profile.as_deref())?;
    let catalog = open(global).await?;
    let simulate = args.selection.simulate;
    let name = match &args.name {
        Some(name) => name.clone(),
        None => match known_name(&catalog, path, &global.workdir).await? {
            // What is only simulated is compared with what is stored, under the name that it has.
            Some(name) if simulate => other_name(&catalog, &name, path).await?.unwrap_or(name),
            Some(name) => {
                take_name(&catalog, &name, path).await?;
                name
            }
            None => choose_name(&catalog, names, path).await?,
        },
    };
    if !simulate {
        which::forget_other_than(&global.workdir, &name)?;
    }
    let mut settings = CrawlSettings::of(Source::List(name, profile));
    set_manners(&mut settings, &args.manners);
    set_selection(&mut settings, &args.selection);
    settings.min_side = args.min_side;
    progress::go_on_after_ctrl_c();
    let (report, wanted) = take_in(&catalog, path, &settings).await?;
    show(&report, &wanted, output)?;
    if settings.simulate {
        return Ok(Done::with(usize::from(report.has_failures())));
    }
    let failed = Failed::of(&catalog, [settings.site()]).await?.led_to_by(&arguments(args));
    failed.tell();
    Ok(if report.has_failures() { Done::WithFailures } else { failed.done() })
}

/// How `bolid retry` is told what this import was told.
fn arguments(args: &ImportArgs) -> String {
    let profile = args.profile.as_ref().map(|path| path.display().to_string());
    let min_side = (args.min_side > 0).then(|| format!("rules.min_side={}", args.min_side));
    typed([("--profile", profile), ("--set", min_side)]) + &typed_manners(&args.manners)
}

/// What the same folder or list is called already: in the recipe, or from an earlier import.
async fn known_name(catalog: &Catalog, path: &Path, workdir: &Path) -> Result<Option<String>> {
    let root = root_of(path);
    for found in which::readable(workdir) {
        if let Some(import) = found.recipe.imports.iter().find(|import| root_of(&import.path) == root) {
            return Ok(Some(import.name.clone()));
        }
    }
    Ok(catalog.sites_of_source(&root).await?.into_iter().next())
}

/// A name that nobody chose must not bring two collections together, whose people of one name become one and
/// whose files of one path replace each other: of two lists that differ in their endings alone, the second
/// one's is part of its name.
async fn choose_name(catalog: &Catalog, names: [String; 2], path: &Path) -> Result<String> {
    let file_name = names[1].clone();
    let mut taken = None;
    for name in names {
        match catalog.source(&name).await? {
            Some(earlier) if earlier != root_of(path) => {
                // One of the same file name has to be told apart by its user, and one that is there no more may be
                // this one, in another place.
                let earlier_path = Path::new(&earlier);
                let is_refused = earlier_path.ends_with(&file_name) || !earlier_path.exists();
                taken.get_or_insert((name, earlier));
                if is_refused {
                    break;
                }
            }
            None if catalog.is_name_in_use(&name).await? => {
                taken.get_or_insert((name, "somewhere else".to_owned())); // such as a site
            }
            _ => {
                if let Some((short, earlier)) = taken {
                    tracing::warn!(
                        "import {}: `{short}` is from {earlier}, so this is `{name}`",
                        path.display()
                    );
                }
                return Ok(name);
            }
        }
    }
    let (name, earlier) = taken.context("a collection without a name")?;
    bail!(
        "import {}: `{name}` came from {earlier}; give this one a name of its own with --name, or say --name \
         {name} if it is the same collection in another place",
        path.display()
    )
}

/// Whether the photos that are known of `name` came from `path`, or from a place that is there no more: then this is
/// what they are now. Two folders may be given one name to bring them together; neither makes the other's photos gone.
async fn is_same_source(catalog: &Catalog, name: &str, path: &Path) -> Result<bool> {
    let earlier = catalog.source(name).await?;
    Ok(earlier.is_none_or(|earlier| earlier == root_of(path) || !Path::new(&earlier).exists()))
}

/// The absolute path of a folder or list.
fn root_of(path: &Path) -> String {
    path.canonicalize().unwrap_or_else(|_| path.to_owned()).to_string_lossy().into_owned()
}

/// What an import may be called: a list without its ending, or with it; a folder with all of its name, so that `set.1`
/// and `set.2` are two.
fn names_of(path: &Path) -> Option<[String; 2]> {
    let path = path.canonicalize().ok()?;
    let short = if path.is_dir() { path.file_name() } else { path.file_stem() };
    Some([short?, path.file_name()?].map(|name| name.to_string_lossy().into_owned()))
}

/// Those of these sites that were imported from what is still there, as a recipe would name them.
pub async fn stored(catalog: &Catalog, names: &[String], profile: Option<&Path>) -> Result<Vec<Import>> {
    let mut imports = Vec::new();
    for name in names {
        let root = catalog.source(name).await?.map(PathBuf::from).filter(|root| root.exists());
        let profile = profile.map(Path::to_owned);
        imports.extend(root.map(|path| Import { name: name.clone(), path, licence: None, profile }));
    }
    Ok(imports)
}

/// What a recipe imports.
pub async fn of_recipe(catalog: &Catalog, import: &Import, recipe: &Recipe) -> Result<CrawlReport> {
    let (settings, _) = source(import, recipe)?;
    take_name(catalog, &import.name, &import.path).await?;
    Ok(take_in(catalog, &import.path, &settings).await?.0)
}

/// Takes its name, and finds out whether its hosts may be asked in this manner, before anything of it is forgotten.
pub async fn ready(catalog: &Catalog, import: &Import, recipe: &Recipe, manners: &MannerArgs) -> Result<()> {
    let settings = again_settings(import, recipe, manners)?;
    take_name(catalog, &import.name, &import.path).await?;
    let list = read(&import.path)?;
    crawler::import::check_contact(&list, &settings)
        .with_context(|| format!("import {}", import.path.display()))
}

/// What is [`ready`] is imported once more, for what failed.
pub async fn again(
    catalog: &Catalog,
    import: &Import,
    recipe: &Recipe,
    manners: &MannerArgs,
) -> Result<CrawlReport> {
    let settings = again_settings(import, recipe, manners)?;
    Ok(take_in(catalog, &import.path, &settings).await?.0)
}

fn again_settings(import: &Import, recipe: &Recipe, manners: &MannerArgs) -> Result<CrawlSettings> {
    let (mut settings, _) = source(import, recipe)?;
    settings.fresh_for = Duration::MAX;
    set_manners(&mut settings, manners);
    Ok(settings)
}

/// The one other name under which a folder or list was imported before.
async fn other_name(catalog: &Catalog, name: &str, path: &Path) -> Result<Option<String>> {
    let earlier = catalog.sites_of_source(&root_of(path)).await?;
    let [earlier] = earlier.as_slice() else { return Ok(None) };
    Ok((earlier != name).then(|| earlier.clone()))
}

/// What `bolid import` took in from the same folder or list, under a name of its own choice, gets the
/// recipe's: otherwise every photo would be there twice.
async fn take_name(catalog: &Catalog, name: &str, path: &Path) -> Result<()> {
    let Some(earlier) = other_name(catalog, name, path).await? else { return Ok(()) };
    let obstacle = match photo_from_elsewhere(catalog, &earlier, path).await? {
        Some(photo) => Some(format!("`{earlier}` has photos that are not of it, such as {photo}")),
        None => catalog.rename_import(&earlier, name).await?.err().map(|why| why.to_string()),
    };
    if let Some(obstacle) = obstacle {
        bail!(
            "import {}: it was imported as `{earlier}` and cannot become `{name}`: {obstacle}; name it \
             `{earlier}` in the recipe",
            path.display()
        );
    }
    eprintln!("bolid: {} was imported as `{earlier}`, and is `{name}` from now on", path.display());
    Ok(())
}

/// A photo of an import that the folder or list does not name: two may have been imported under one name.
async fn photo_from_elsewhere(catalog: &Catalog, name: &str, path: &Path) -> Result<Option<String>> {
    let own: BTreeSet<String> = read(path)?.entries.iter().map(Entry::url).collect();
    let is_gone = |photo: &PhotoRow| photo.failure == Some(FailureClass::Gone);
    for person in catalog.identities(name).await? {
        let mut photos = catalog.photos(person.id).await?.into_iter();
        let is_erased = |photo: &PhotoRow| photo.source_url.starts_with(ERASED_SCHEME);
        if let Some(photo) =
            photos.find(|photo| !own.contains(&photo.source_url) && !is_gone(photo) && !is_erased(photo))
        {
            return Ok(Some(photo.source_url));
        }
    }
    Ok(None)
}

/// How a recipe's import is done, and what its local files are relative to.
pub fn source(import: &Import, recipe: &Recipe) -> Result<(CrawlSettings, PathBuf)> {
    let profile = load_profile(import.profile.as_deref())?;
    let mut settings = CrawlSettings::of(Source::List(import.name.clone(), profile));
    set_recipe(&mut settings, recipe);
    Ok((settings, folder_of(&import.path).to_owned()))
}

/// What the local files of an import are relative to: the folder, or that of the list.
pub fn folder_of(path: &Path) -> &Path {
    if path.is_dir() { path } else { path.parent().unwrap_or(Path::new("")) }
}

fn load_profile(path: Option<&Path>) -> Result<ListProfile> {
    Ok(path.map(ListProfile::load).transpose()?.unwrap_or_default())
}

async fn take_in(
    catalog: &Catalog,
    path: &Path,
    settings: &CrawlSettings,
) -> Result<(CrawlReport, Vec<String>)> {
    let mut list = read(path)?;
    // Paths are relative to the folder or list; addresses on the web are what they are in any list.
    if list.entries.iter().any(|entry| matches!(entry.place, Place::File(_))) {
        list.is_complete = list.bad_rows.is_empty() && is_same_source(catalog, settings.site(), path).await?;
    }
    if !settings.simulate {
        catalog.record_source(settings.site(), &root_of(path)).await?;
    }
    let bad_rows = list.bad_rows.iter().map(|BadRow { line, problem }| format!("line {line}: {problem}"));
    tell(path, "rows", bad_rows);
    tell(
        path,
        "captions",
        list.unreadable_captions.iter().map(|problem| format!("caption not read: {problem}")),
    );
    let unmatched =
        list.unmatched_captions.iter().map(|photo| format!("a caption for {photo}, which is not there"));
    tell(path, "captions", unmatched);
    let settings = naming_own_server(settings, &list);
    let progress = CrawlProgress::new("import");
    let report = crawler::import(catalog, &list, &settings, &|event| progress.see(event)).await;
    let wanted = progress.finish();
    Ok((report.with_context(|| format!("import {}", path.display()))?, wanted))
}

/// A list is written by strangers and leads to no private address among public ones. One whose addresses are all of a
/// single server on this machine is that server's own list: it may be asked, at this port and no other.
fn naming_own_server(settings: &CrawlSettings, list: &List) -> CrawlSettings {
    let mut settings = settings.clone();
    if let (Source::List(_, profile), Some(server)) = (&mut settings.source, own_server(list)) {
        profile.hosts.push(server);
    }
    settings
}

/// The server on this machine, `host:port`, that every address of a list leads to; `None` where any leads elsewhere.
fn own_server(list: &List) -> Option<String> {
    let of_place = |entry: &Entry| match &entry.place {
        Place::Url(text) => Url::parse(text).ok(), // what is no address is asked nowhere
        Place::File(_) => None,
    };
    let mut servers = list.entries.iter().filter_map(of_place).map(|url| name_own_server(&url));
    let first = servers.next()??;
    servers.all(|server| server.as_ref() == Some(&first)).then_some(first)
}

/// `host:port` of an address on this machine.
fn name_own_server(url: &Url) -> Option<String> {
    let is_here = match url.host()? {
        Host::Ipv4(ip) => ip.is_loopback(),
        Host::Ipv6(ip) => ip.is_loopback(),
        Host::Domain(name) => name == "localhost",
    };
    is_here.then(|| Some(format!("{}:{}", url.host_str()?, url.port_or_known_default()?)))?
}

/// What is wrong with rows or captions is told one by one up to a number; all are counted in the report.
fn tell(path: &Path, what: &str, problems: impl ExactSizeIterator<Item = String>) {
    const TOLD: usize = 10;
    let count = problems.len();
    for problem in problems.take(TOLD) {
        eprintln!("bolid: {}: {problem}", path.display());
    }
    if count > TOLD {
        eprintln!("bolid: {}: and {} more such {what}", path.display(), count - TOLD);
    }
}

fn read(path: &Path) -> Result<List> {
    if path.is_dir() {
        return Ok(crawler::folder::read(path, &|path| {
            read_list(path).map_err(|error| format!("{error:#}"))
        })?);
    }
    read_list(path)
}

fn read_list(path: &Path) -> Result<List> {
    if path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("parquet")) {
        let rows = snapshot::read_texts(path, &list::COLUMNS)?;
        let mut list = List { root: path.parent().unwrap_or(Path::new("")).to_owned(), ..List::default() };
        rows.into_iter().enumerate().for_each(|(number, row)| list.push(parse_entry(number, &row)));
        return Ok(list);
    }
    Ok(list::read(path)?)
}

fn parse_entry(number: usize, row: &snapshot::TextRow) -> Result<Entry, BadRow> {
    let field = |name: &str| row.iter().find(|(column, _)| *column == name).map(|(_, text)| text.clone());
    let bad = || BadRow { line: number as u64 + 1, problem: list::no_photo() };
    Entry::from_fields(field).ok_or_else(bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(urls: &[&str]) -> List {
        let entry = |url: &&str| Entry {
            place: Place::Url((*url).to_owned()),
            file: None,
            identity: None,
            caption: None,
            hint: None,
        };
        List { entries: urls.iter().map(entry).collect(), ..List::default() }
    }

    #[test]
    fn a_list_of_one_server_on_this_machine_names_it_and_any_other_list_names_none() {
        let own =
            own_server(&list(&["http://u:p@127.0.0.1:9/a.jpg", "no address", "http://127.0.0.1:9/b.jpg"]));
        assert_eq!(own.as_deref(), Some("127.0.0.1:9"));
        assert_eq!(own_server(&list(&["http://[::1]:9/a.jpg"])).as_deref(), Some("[::1]:9"));
        for urls in [
            &["http://127.0.0.1:9/a.jpg", "http://example.org/b.jpg"][..],
            &["http://127.0.0.1:9/a.jpg", "http://127.0.0.1:10/b.jpg"],
            &["http://127.0.0.1:9/a.jpg", "http://169.254.169.254/b.jpg"],
            &["http://192.168.0.1/a.jpg"],
            &["http://169.254.169.254/a.jpg"],
            &[],
        ] {
            assert_eq!(own_server(&list(urls)), None, "{urls:?}");
        }
    }
}
