//! `bolid experiment`: the adapter's streams beside the plain base, IP-Adapter's recipe and DreamBooth, on
//! people whom no adapter was trained on, over several trainings.
//!
//! | file | what |
//! |---|---|
//! | [`plan`] | what an experiment is made of |
//! | [`trainings`] | found where they have ended, done where not |
//! | [`arm`] | what is compared |
//! | [`runner`] | draws and reads what is not there yet |
//! | [`record`] | what was read, in files |
//! | [`statistics`] | means with intervals over people and trainings |
//! | [`compare`](mod@compare) | from what was read to results |
//! | [`results`] | what comes out, `experiment.json` |
//! | [`grid`] | pictures side by side |
//! | [`page`] | the same as Markdown; [`findings`] are its sentences, [`words`] its numbers |
//! | [`charts`] | its charts |

mod arm;
mod charts;
mod compare;
mod findings;
mod grid;
mod page;
mod plan;
mod record;
mod results;
mod runner;
mod statistics;
mod trainings;
mod words;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use photo::Digest;
use snapshot::SnapshotRef;
use train::device::compute_type;
use train::diffusion::scheduler::SamplerKind;
use train::generate::{Likeness, ModelFiles, Models};
use train::run::RunFolder;
use train::whole_file::write_whole;

use super::judge::Judges;
use super::people::{self, Sides};
use crate::cli::{ExperimentArgs, Global, RecipeArgs};
use crate::exit::Done;
use crate::generate::base_folder;
use crate::output::Output;
use crate::training::adapter::config::AdapterConfig;
use crate::training::{draw, model, together};
use crate::which;
use arm::Arm;
use plan::ExperimentPlan;
use record::Records;
use results::{FORMAT_VERSION, Provenance, Results};
use runner::Runner;
use trainings::Trainings;

/// Runs the command.
pub fn run(args: &ExperimentArgs, global: &Global, output: Output) -> Result<Done> {
    together::refuse_group("experiment")?;
    let (results, folder) = match &args.from {
        Some(file) => (read_results(file)?, parent(file)),
        None => {
            let plan = ExperimentPlan::load(args)?;
            runner::check_prompts(&plan.prompts)?;
            let default = || global.workdir.join("evaluations").join(format!("experiment-{}", plan.name));
            let folder = args.out.clone().unwrap_or_else(default);
            let results = experiment(&plan, &folder, args, global, output)?;
            (results, folder)
        }
    };
    let page = args.page.clone().unwrap_or_else(|| folder.join("experiment.md"));
    write_page(&results, &folder, &page)?;
    output.show(&results, page::page)?;
    eprintln!("bolid: {}", page.display());
    Ok(Done::Success)
}

/// Trains, draws, reads and compares; writes the results.
fn experiment(
    plan: &ExperimentPlan,
    folder: &Path,
    args: &ExperimentArgs,
    global: &Global,
    output: Output,
) -> Result<Results> {
    let config = trainings::adapter_config(plan, &[])?;
    let base = base_folder(&config.base.path, &config.base.revision)?;
    let files = ModelFiles {
        base_name: config.base.path.clone(),
        base: base.clone(),
        unet: None,
        loras: Vec::new(),
        adapter: None,
        image_encoder: model::reference_encoder(&config)?,
    };
    let device = args.device.open()?;
    let models = Models::load(files.clone(), &device)
        .with_context(|| format!("load the base `{}`", files.base_name))?;
    let image_encoder = models.image_encoder().context("read the encoder of references")?;
    let kind = sampler(&models)?;
    let chosen = model::load(&global.workdir.join("runs"), &config.body.model, &device)?;
    let clip = config.base.clip.clone().unwrap_or_else(|| base.join("clip"));
    let likeness =
        Likeness::load(&clip, &device).with_context(|| format!("load CLIP from {}", clip.display()))?;
    let recipe = RecipeArgs { recipe: args.recipe.clone(), demo: false, overrides: Vec::new() };
    let of_recipe = which::plan(&recipe, &global.workdir)?;
    let sides = Sides { picture_px: models.size_px(), view_px: chosen.saved.model.config().view_px };
    let judges = Judges::new(&of_recipe, chosen.saved.model, likeness, None)?;

    let spec = people::spec(plan.people_seed, plan.people, plan.most_views(), sides);
    let snapshots_dir = global.workdir.join("snapshots");
    refuse_known_people(plan, &config, spec.seed, chosen.run.as_ref(), &snapshots_dir)?;
    let subjects = people::drawn(&spec, plan.held_out, sides)?;
    let records = Records::open(folder)?;

    let trainings = Trainings { plan, device: args.device, global, output };
    let adapters = trainings.adapters()?;
    let ip_adapters = trainings.ip_adapters()?;
    let photos: SnapshotRef = draw::snapshot(&snapshots_dir, &spec)?;
    let dreambooths = trainings.dreambooths(&subjects, &photos)?;
    let update = of_update(&dreambooths)?;
    let trained: Vec<_> = adapters.into_iter().chain(ip_adapters).chain(dreambooths).collect();

    let arms = Arm::all(plan);
    let runner = Runner {
        plan,
        people: &subjects,
        spec: &spec,
        judges: &judges,
        base: &models,
        body_vae: chosen.saved.digest,
        image_encoder,
        sides,
        device: &device,
        kind,
        records: &records,
    };
    let read = runner.read(&arms, &trained, &files)?;
    let figures = compare::compare(plan, &read, &people::strangers(&subjects), update.photos)?;
    let results = Results {
        format_version: FORMAT_VERSION,
        provenance: Provenance {
            program_version: env!("CARGO_PKG_VERSION").to_owned(),
            plan: plan.clone(),
            base: files.base_name.clone(),
            base_sha256: models.names().base.sha256,
            body_vae: chosen.saved.digest,
            body_vae_run: chosen.run.as_ref().map(|run| run.record().id.clone()),
            clip: judges.likeness.digest(),
            pose_model: judges.detectors.cache_key(curate::Role::People),
            scheduler: crate::generate::name_of(kind).to_owned(),
            size_px: models.size_px(),
            compute: compute_type(&device).as_str().to_owned(),
            dreambooth_rank: update.rank,
            trainings: trained.clone(),
        },
        photos: figures.photos,
        arms: figures.arms,
        by_views: figures.by_views,
        comparisons: figures.comparisons,
        pictures: grid::write(&runner, &arms, &trained, &folder.join(page::PICTURES))?,
    };
    let text = serde_json::to_string_pretty(&results)?;
    write_whole(&folder.join(results::FILE), (text + "\n").as_bytes())?;
    Ok(results)
}

/// Refuses people of `seed` where the adapters were trained on them, or the body-VAE whose run is here: drawn
/// for the training, or in a snapshot of the work folder. An adapter that was given is of the same
/// configuration.
fn refuse_known_people(
    plan: &ExperimentPlan,
    config: &AdapterConfig,
    seed: u64,
    body_vae: Option<&RunFolder>,
    snapshots_dir: &Path,
) -> Result<()> {
    let is_of_seed = |snapshot: &str| is_drawn_from(seed, snapshot, snapshots_dir);
    let knows = |config: &AdapterConfig| {
        config.data.drawn.as_ref().is_some_and(|drawn| drawn.seed == seed)
            || config.data.snapshot.as_deref().is_some_and(is_of_seed)
    };
    let theirs = trainings::adapter_config(plan, &plan.ip_adapter.set)?;
    let of_body_vae = body_vae.is_some_and(|run| run.record().snapshot_ids().into_iter().any(is_of_seed));
    for (what, is_known) in
        [("adapter", knows(config)), ("IP-Adapter", knows(&theirs)), ("body-VAE", of_body_vae)]
    {
        if is_known {
            bail!(
                "`people_seed = {}`: these are the people whom the {what} is trained on; take another seed",
                plan.people_seed
            );
        }
    }
    Ok(())
}

fn is_drawn_from(seed: u64, snapshot: &str, snapshots_dir: &Path) -> bool {
    let drawn = snapshot::find(snapshots_dir, snapshot).ok().and_then(|path| {
        let (manifest, _) = snapshot::Manifest::read(&path.join(snapshot::manifest::MANIFEST)).ok()?;
        manifest.spec.recipe["drawn"]["seed"].as_u64()
    });
    drawn == Some(seed)
}

/// The base's own sampler; pictures that are drawn side by side take no fresh noise.
fn sampler(models: &Models) -> Result<SamplerKind> {
    Ok(match models.scheduler().sampler()? {
        SamplerKind::Ddpm => SamplerKind::Ddim,
        kind => kind,
    })
}

/// What DreamBooth's runs have in common.
struct Update {
    photos: usize,
    rank: usize,
}

fn of_update(dreambooths: &[trainings::Trained]) -> Result<Update> {
    let first = dreambooths.first().context("DreamBooth is trained on nobody")?;
    // The update's file is in the run's folder of models.
    let run = first.files.parent().and_then(Path::parent).context("an update lies in a run")?;
    let config = RunFolder::open(run)?.record().spec.config.clone();
    let number = |key: &str| config["dreambooth"][key].as_u64().unwrap_or_default() as usize;
    Ok(Update { photos: number("photos"), rank: number("rank") })
}

fn read_results(file: &Path) -> Result<Results> {
    let doing = || format!("read the results {}", file.display());
    let text = fs::read_to_string(file).with_context(doing)?;
    let value: serde_json::Value = serde_json::from_str(&text).with_context(doing)?;
    match value["format_version"].as_u64() {
        Some(version) if version == u64::from(FORMAT_VERSION) => {}
        version => bail!(
            "{}: format version {}; this program reads version {FORMAT_VERSION}: run the experiment again",
            file.display(),
            version.map_or("unknown".to_owned(), |version| version.to_string())
        ),
    }
    serde_json::from_value(value).with_context(doing)
}

/// Writes page and drawings; the pictures are copied from beside the results.
fn write_page(results: &Results, folder: &Path, page: &Path) -> Result<()> {
    let drawn = parent(page).join(charts::FOLDER);
    if let Some(wanted) = results.pictures.sha256 {
        let from = folder.join(page::PICTURES);
        let bytes = fs::read(&from).with_context(|| format!("read {}", from.display()))?;
        if Digest::of(&bytes) != wanted {
            bail!("{} is not the picture of these results: run the experiment again", from.display());
        }
        write_whole(&drawn.join(page::PICTURES), &bytes)?;
    }
    for (name, svg) in charts::charts(results) {
        write_whole(&drawn.join(name), svg.as_bytes())?;
    }
    Ok(write_whole(page, page::page(results).as_bytes())?)
}

fn parent(file: &Path) -> PathBuf {
    file.parent().map(Path::to_owned).unwrap_or_default()
}
