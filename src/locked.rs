//! `bolid dataset --locked SNAPSHOT`: the same dataset once more, from the URLs and digests that a snapshot
//! names. Other bytes than those are not taken, and every URL that no longer gives them is told.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use catalog::Catalog;
use catalog::decision::Decision;
use catalog::fetch::FetchRecord;
use catalog::identity::NewIdentity;
use catalog::photo::{Caption, NewPhoto, PhotoRow};
use crawler::{CrawlSettings, Expected, ListProfile, Source};
use curate::model::ModelEntry;
use curate::{ModelChoice, Registry, Role};
use photo::{Digest, FailureClass, IdentityName, Reason};
use serde::Serialize;
use snapshot::manifest::CAPTIONS;
use snapshot::{ModelRef, Snapshot};

use crate::cli::{Global, RecipeArgs};
use crate::crawl::Sites;
use crate::crawl::progress_bar::CrawlProgress;
use crate::crawl::settings::set_recipe;
use crate::exit::Done;
use crate::measurements::{self, Adopted, Policy};
use crate::output::Output;
use crate::plan::{LoadedRecipe, Plan, RecordedCaptions, Target};
use crate::snapshots::create::model_refs;
use crate::workspace::{LOCKED, open_to_read};
use crate::{bundled, dataset, import, which};

/// A photo as the snapshot has it.
struct Row {
    photo: NewPhoto,
    sha256: Option<Digest>,
    last_modified: Option<String>,
    /// Why there are no bytes, where that was stored of the photo itself.
    without_bytes: Option<(FailureClass, String)>,
}

/// A URL that no longer gives the bytes of the snapshot.
#[derive(Serialize)]
struct Loss {
    identity: IdentityName,
    url: String,
    outcome: String,
    detail: String,
}

/// Rebuilds a snapshot in a work folder of its own.
pub async fn run(
    recipe: &RecipeArgs,
    wanted: &str,
    remeasure: bool,
    global: &Global,
    output: Output,
) -> Result<Done> {
    let original = Snapshot::open(&snapshot::find(&global.workdir.join("snapshots"), wanted)?)?;
    let id = original.id();
    let plan = plan_of(&original, recipe, &global.workdir);
    let plan = plan.with_context(|| format!("rebuild snapshot {id}"))?;
    let detectors = plan.detectors()?;
    let mut people = rows(&original)?;
    // What is measured anew is kept apart from what was taken over.
    let folder = if remeasure { format!("{id}-remeasured") } else { id.clone() };
    let catalog = Arc::new(Catalog::open(&global.workdir.join(LOCKED).join(folder)).await?);
    let decisions: Option<Vec<Decision>> =
        serde_json::from_value(original.manifest().spec.recipe["decisions"].clone())
            .with_context(|| format!("read the decisions of snapshot {id}"))?;
    catalog.record_decisions(&decisions.unwrap_or_default()).await?;

    let sites = Sites::of_recipe(&plan.loaded).await?;
    let mut sources: Vec<(CrawlSettings, PathBuf)> =
        sites.settings.iter().map(|settings| (settings.clone(), PathBuf::new())).collect();
    for found in &plan.recipe().imports {
        sources.push(import::source(found, plan.recipe())?);
    }
    let roots = roots(&global.workdir, plan.loaded.stored.keys()).await?;
    for (name, root) in roots {
        let mut settings = CrawlSettings::of(Source::List(name, ListProfile::default()));
        set_recipe(&mut settings, plan.recipe());
        sources.push((settings, root));
    }
    let mut losses = Vec::new();
    for (mut settings, root) in sources {
        settings.min_side = 0; // what the snapshot has was large enough, or was dropped by its rules
        let own = people.extract_if(.., |identity, _| identity.site() == settings.site());
        losses.extend(fetch(&catalog, &settings, &root, own.collect()).await?);
    }
    sites.close().await?;
    if let Some(identity) = people.keys().next() {
        bail!("rebuild snapshot {id}: it has photos of {identity}, whose site the recipe does not name");
    }

    let measurements =
        original.measurements().with_context(|| format!("read the measurements of snapshot {id}"))?;
    let mut adopted = Adopted::default();
    if remeasure {
        catalog.forget_measurements().await?; // of an earlier comparison
    } else {
        measurements::adopt(&catalog, &measurements, Policy::Missing, &mut adopted).await?;
    }
    let done = dataset::finish(&catalog, &plan, &detectors, None, output).await?;
    if remeasure {
        measurements::adopt(&catalog, &measurements, Policy::Nothing, &mut adopted).await?;
        output.show(&adopted.comparison, |comparison| {
            let (differing, beyond) = comparison.differing();
            format!(
                "{}{differing} of {} measurements differ from the snapshot's, {beyond} of them by more than a rounding",
                comparison.table(),
                comparison.compared()
            )
        })?;
    }
    let rebuilt = snapshot::list(&catalog.workdir().join("snapshots"))?;
    let is_same = rebuilt.snapshots.iter().any(|found| found.id == id);
    if !losses.is_empty() {
        output.show_all(&losses, &["identity", "url", "outcome", "detail"], |loss| {
            vec![loss.identity.to_string(), loss.url.clone(), loss.outcome.clone(), loss.detail.clone()]
        })?;
    }
    let result = serde_json::json!({ "locked": id, "same_id": is_same, "changed_or_vanished": losses.len() });
    output.show(&result, |_| match (losses.len(), is_same) {
        (0, true) => {
            format!("every URL of {id} gives the bytes it gave; the rebuilt snapshot has the same id")
        }
        (0, false) => {
            format!("every URL of {id} gives the bytes it gave, but the rebuilt snapshot has another id")
        }
        (lost, _) => format!("{lost} URLs of {id} changed or vanished; the rebuilt snapshot is without them"),
    })?;
    Ok(if losses.is_empty() && is_same { done } else { Done::WithFailures })
}

/// What the snapshot was made by, with the models that measured it.
fn plan_of(original: &Snapshot, args: &RecipeArgs, workdir: &Path) -> Result<Plan> {
    let mut loaded = recipe_of(original, args, workdir)?;
    adopt(&mut loaded, original)?;
    loaded.recorded_captions = recorded_captions(original)?;
    let plan = Plan::of(loaded)?;
    check_models(&plan, original)?;
    Ok(plan)
}

/// The recipe that is named, or what the snapshot says of itself: its sources, and models of the
/// digests that it names, wherever they are registered.
fn recipe_of(original: &Snapshot, args: &RecipeArgs, workdir: &Path) -> Result<LoadedRecipe> {
    let spec = &original.manifest().spec;
    let recorded = |key: &str| spec.recipe.get(key).cloned().unwrap_or_default();
    let names: Vec<String> = serde_json::from_value(recorded("sites")).context("read its sources")?;
    let licences: BTreeMap<String, String> = serde_json::from_value(recorded("licences")).unwrap_or_default();
    let sources = names.into_iter().map(|name| (name.clone(), licences.get(&name).cloned())).collect();
    let mut loaded = which::for_snapshot(args, workdir, &spec.name, sources)?;
    if which::named(args, workdir)?.is_some() {
        return Ok(loaded);
    }
    loaded.recipe.demo = serde_json::from_value(recorded("demo")).context("read its demo gallery")?;
    if loaded.recipe.demo.is_some() && loaded.sites.is_empty() {
        // The demo's site is the program's own, and served by it again.
        let demo = LoadedRecipe::read(&bundled::unpack(workdir)?, &[])?;
        let is_of_snapshot = |site: &Target| loaded.stored.remove(&site.profile.site).is_some();
        loaded.sites.extend(demo.sites.into_iter().filter(is_of_snapshot));
    }
    choose_models(&mut loaded, &spec.models, workdir)?;
    Ok(loaded)
}

/// Goes by the recipe's list of models, or where that lacks one that a snapshot names, by another that
/// has them all.
fn choose_models(loaded: &mut LoadedRecipe, asked: &[ModelRef], workdir: &Path) -> Result<()> {
    let of_recipe = loaded.recipe.models.clone();
    let others = which::own_models().into_iter().chain([bundled::unpack_list_of_models(workdir)?]);
    let others = others.filter(|path| *path != of_recipe).map(|path| Registry::read(&path));
    let mut unfit = None; // the recipe's, which is kept where no other fits
    for registry in [loaded.take_registry()].into_iter().chain(others) {
        let Ok(registry) = registry else { continue };
        if let Some(choice) = choice_of(&registry, asked) {
            loaded.use_registry(registry);
            loaded.recipe.detectors = choice;
            return Ok(());
        }
        unfit = unfit.or_else(|| (registry.path() == of_recipe).then_some(registry));
    }
    if let Some(registry) = unfit {
        loaded.use_registry(registry);
    }
    Ok(())
}

/// The models of a list whose files are those that a snapshot names; `None` where one is not there.
fn choice_of(registry: &Registry, asked: &[ModelRef]) -> Option<ModelChoice> {
    let mut choice = ModelChoice::default();
    for role in Role::ALL {
        let files =
            |refs: &mut dyn Iterator<Item = &ModelRef>| refs.map(|of| of.sha256).collect::<BTreeSet<_>>();
        let asked = files(&mut asked.iter().filter(|of| of.role == role.name()));
        if asked.is_empty() {
            choice.turn_off(role);
            continue;
        }
        let has = |model: &&ModelEntry| {
            model.role == role && files(&mut model_refs(model).collect::<Vec<_>>().iter()) == asked
        };
        choice.set(role, Some(&registry.models().iter().find(has)?.name));
    }
    Some(choice)
}

/// The folders that imports came from, as far as the work folder knows them.
async fn roots<'a>(
    workdir: &Path,
    names: impl Iterator<Item = &'a String>,
) -> Result<Vec<(String, PathBuf)>> {
    let catalog = if Catalog::is_in(workdir) { Some(open_to_read(workdir).await?) } else { None };
    let mut roots = Vec::new();
    for name in names {
        let root = match &catalog {
            Some(catalog) => catalog.source(name).await?.map(PathBuf::from),
            None => None,
        };
        let folder = root.map(|root| import::folder_of(&root).to_owned());
        roots.push((name.clone(), folder.unwrap_or_default()));
    }
    Ok(roots)
}

/// Takes over the settings that the snapshot was made by.
fn adopt(loaded: &mut LoadedRecipe, original: &Snapshot) -> Result<()> {
    let spec = &original.manifest().spec;
    let version = env!("CARGO_PKG_VERSION");
    if spec.program_version != version {
        tracing::warn!(
            made_by = spec.program_version,
            this = version,
            "another version of bolid wrote the snapshot, so that the id will differ"
        );
    }
    let recipe = &mut loaded.recipe;
    recipe.captions = None; // nothing is asked again
    recipe.lock = None; // what is rebuilt is compared with the snapshot itself
    recipe.name.clone_from(&spec.name);
    recipe.rules = spec.rules.clone();
    recipe.prepare =
        serde_json::from_value(spec.prepare.clone()).context("read its settings of `prepare`")?;
    let recorded = |key: &str| spec.recipe.get(key).cloned().unwrap_or_default();
    recipe.crawl.identities = serde_json::from_value(recorded("identities")).unwrap_or_default();
    recipe.crawl.max_photos = serde_json::from_value(recorded("max_photos")).unwrap_or_default();
    recipe.measure.all = serde_json::from_value(recorded("measure_all")).unwrap_or_default();
    recipe.splits = spec.splits().map_err(anyhow::Error::msg).context("read its splits")?;
    for role in Role::ALL.into_iter().filter(|role| role.may_be_off()) {
        // A model that the recipe names now measured nothing then, and the other way round.
        match spec.models.iter().any(|model| model.role == role.name()) {
            true if recipe.detectors.is_off(role) => recipe.detectors.set(role, None),
            true => {}
            false => recipe.detectors.turn_off(role),
        }
    }
    Ok(())
}

/// What the snapshot says of its captions' sources; `None` where its recipe says nothing of captions.
fn recorded_captions(original: &Snapshot) -> Result<Option<RecordedCaptions>> {
    let about = original.manifest().spec.recipe.get(CAPTIONS).cloned().unwrap_or_default();
    if about.is_null() {
        return Ok(None);
    }
    let mut recorded = RecordedCaptions { about, ..RecordedCaptions::default() };
    for photo in original.photos() {
        if let Some(source) = photo.facts.caption_source {
            recorded.sources.insert((photo.identity.parse()?, photo.facts.sha256), source);
        }
    }
    Ok(Some(recorded))
}

/// Models must be those that measured the snapshot.
fn check_models(plan: &Plan, original: &Snapshot) -> Result<()> {
    let spec = &original.manifest().spec;
    for model in &plan.models {
        let own: BTreeSet<ModelRef> = model_refs(model).collect();
        let role = model.role.to_string();
        let asked: BTreeSet<&ModelRef> = spec.models.iter().filter(|asked| asked.role == role).collect();
        ensure!(!asked.is_empty(), "it names no model for {role}");
        let files = |refs: &[&ModelRef]| refs.iter().map(|of| of.sha256).collect::<BTreeSet<_>>();
        let shown = |refs: &[&ModelRef]| {
            let each = refs.iter().map(|of| format!("`{}` with digest {}", of.name, of.sha256));
            each.collect::<Vec<_>>().join(" and ")
        };
        let (own, asked) = (own.iter().collect::<Vec<_>>(), asked.into_iter().collect::<Vec<_>>());
        // Of a variant, both files: the one that asks and the one that is asked.
        ensure!(
            files(&own) == files(&asked),
            "its {role} model is {}, but the recipe's is {}; register the former with `bolid models add` and \
             name it under [detectors]",
            shown(&asked),
            shown(&own)
        );
    }
    Ok(())
}

/// The snapshot's photos by person.
fn rows(original: &Snapshot) -> Result<BTreeMap<IdentityName, Vec<Row>>> {
    let mut people: BTreeMap<IdentityName, Vec<Row>> = BTreeMap::new();
    for photo in original.photos() {
        let facts = &photo.facts;
        let caption = facts.caption.clone().map(|text| Caption { text, source: "snapshot".to_owned() });
        people.entry(photo.identity.parse()?).or_default().push(Row {
            photo: new_photo(&facts.url, facts.page_url.as_deref(), None, caption),
            sha256: Some(facts.sha256),
            last_modified: facts.last_modified.clone(),
            without_bytes: None,
        });
    }
    for photo in original.dropped()? {
        let facts = &photo.facts;
        let hint = facts.width.zip(facts.height);
        people.entry(photo.identity.parse()?).or_default().push(Row {
            photo: new_photo(&facts.url, facts.page_url.as_deref(), hint, None),
            sha256: facts.sha256,
            last_modified: None,
            without_bytes: facts.reasons.iter().find_map(failure),
        });
    }
    Ok(people)
}

fn new_photo(url: &str, page: Option<&str>, hint: Option<(u32, u32)>, caption: Option<Caption>) -> NewPhoto {
    // A photo that was dropped before its page was read stands under the page's address.
    let file_url = (page != Some(url)).then(|| url.to_owned());
    NewPhoto { source_url: page.unwrap_or(url).to_owned(), file_url, hint, caption }
}

/// The failure that such a reason came from.
fn failure(reason: &Reason) -> Option<(FailureClass, String)> {
    match reason {
        Reason::TooSmall { width, height } => Some((FailureClass::TooSmall, format!("{width}×{height} px"))),
        Reason::Unreadable { detail } => Some((FailureClass::NotAnImage, detail.clone())),
        _ => None,
    }
}

/// Enters the photos of a source and downloads what has a digest; gives what could not be had.
async fn fetch(
    catalog: &Catalog,
    settings: &CrawlSettings,
    root: &Path,
    people: Vec<(IdentityName, Vec<Row>)>,
) -> Result<Vec<Loss>> {
    let mut entered = Vec::new();
    let mut expected = Vec::new();
    for (identity, rows) in people {
        let slug = identity.slug().to_owned();
        let person = NewIdentity { slug: slug.clone(), name: slug, page_url: None, is_slug_certain: true };
        let Some(id) = catalog.add_identity(settings.site(), &person).await? else { continue };
        let photos: Vec<NewPhoto> = rows.iter().map(|row| row.photo.clone()).collect();
        catalog.add_photos(id, &photos).await?;
        let known = by_source(catalog, id).await?;
        for row in rows {
            let Some(found) = known.get(&row.photo.source_url) else { continue };
            match (row.sha256, row.without_bytes) {
                (Some(sha256), _) if found.sha256 == Some(sha256) => {} // an earlier run had it
                (Some(sha256), _) => expected.push(Expected {
                    photo_id: found.id,
                    url: row.photo.file_url.unwrap_or(row.photo.source_url),
                    sha256,
                    last_modified: row.last_modified,
                }),
                (None, Some(failure)) => {
                    catalog.record_fetches(&[(found.id, FetchRecord::new(Err(failure)))]).await?;
                }
                (None, None) => {}
            }
        }
        entered.push((identity, id));
    }
    let progress = CrawlProgress::new("fetch");
    let report = crawler::refetch(catalog, settings, root, &expected, &|event| progress.see(event)).await;
    progress.finish();
    let left = report?.left.into_keys().next();
    let expected: BTreeMap<i64, Expected> = expected.into_iter().map(|file| (file.photo_id, file)).collect();
    let mut losses = Vec::new();
    for (identity, id) in entered {
        for row in by_source(catalog, id).await?.into_values() {
            if let Some(file) = expected.get(&row.id).filter(|_| row.sha256.is_none()) {
                losses.push(Loss {
                    identity: identity.clone(),
                    url: file.url.clone(),
                    outcome: row.failure.map_or("not asked", FailureClass::name).to_owned(),
                    detail: row.detail.or_else(|| left.clone()).unwrap_or_default(),
                });
            }
        }
    }
    Ok(losses)
}

async fn by_source(catalog: &Catalog, identity_id: i64) -> Result<BTreeMap<String, PhotoRow>> {
    Ok(catalog.photos(identity_id).await?.into_iter().map(|row| (row.source_url.clone(), row)).collect())
}
