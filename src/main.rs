//! The `bolid` command line: parse, delegate, print an error once.
//!
//! | module | what |
//! |---|---|
//! | [`cli`], [`config`], [`recipe`] | what can be typed, and where values come from |
//! | [`bundled`], [`init`] | the demo's files, which the program carries; a recipe to begin with |
//! | [`plan`] | a recipe with everything it names, loaded and checked before anything is touched |
//! | [`dataset`] | the whole way; [`crawl`], [`measure`], [`judge`], [`prepare`], [`publish`] are its stages |
//! | [`import`], [`locked`] | photos from folders and lists; a snapshot's photos once more |
//! | [`measurements`], [`compare`], [`lock`] | what was measured, taken elsewhere; how far two machines are apart; one id on every machine |
//! | [`scores`] | what is stored of a photo, put together again |
//! | [`changes`] | what other thresholds would change |
//! | [`memory`] | the bound on what decoded photos take |
//! | [`status`], [`list`], [`explain`], [`snapshots`], [`models`], [`closing`] | what is shown |
//! | [`quantize`] | int8 variants of models |
//! | [`demo`], [`check_real`] | the demo gallery; the check on labelled real photos |
//! | [`report`], [`review`] | the page on which people decide; their decisions |
//! | [`export`] | a snapshot's photos in the layouts of other tools |
//! | [`erase`] | a person or a photo goes for good |
//! | [`training`] | training from snapshots, and what is done with its models |
//! | [`generate`] | pictures of a prompt and a body |
//! | [`evaluate`] | how well pictures show whom they are to show |
//! | [`which`], [`ends`] | which recipe is meant where none is named; what failed |
//! | [`install`], [`version`] | what a system's folders get beside the program; which build this is |
//! | [`output`], [`progress`], [`runtime`] | stdout, stderr, threads and models |

mod bundled;
mod changes;
mod check_real;
mod cli;
mod closing;
mod compare;
mod config;
mod crawl;
mod dataset;
mod demo;
mod ends;
mod erase;
mod evaluate;
mod explain;
mod export;
mod generate;
mod import;
mod init;
mod install;
mod judge;
mod list;
mod lock;
mod locked;
mod measure;
mod measurements;
mod memory;
mod models;
mod output;
mod plan;
mod prepare;
mod progress;
mod publish;
mod quantize;
mod recipe;
mod report;
mod review;
mod runtime;
mod scores;
mod snapshots;
mod status;
mod training;
mod version;
mod which;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Result, ensure};
use catalog::Catalog;
use clap::Parser;

use cli::{
    Cli, Command, DatasetArgs, ExportCommand, Global, MeasurementsCommand, ModelsCommand, RecipeArgs,
    ReviewCommand, RunsCommand, SnapshotCommand, TrainCommand,
};
use output::Output;
use plan::Plan;

/// How a command that did not fail ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// All went well.
    Well,
    /// Some items failed; why is stored.
    WithFailures,
}

impl Done {
    /// By the number of items that failed.
    pub fn with(failed: usize) -> Self {
        if failed == 0 { Self::Well } else { Self::WithFailures }
    }

    /// Well only where both are.
    pub fn and(self, other: Self) -> Self {
        if self == Self::Well { other } else { self }
    }
}

fn main() -> ExitCode {
    // Candle reads this once, before its first loop. A value that the user has set is kept.
    let [name, value] = train::device::CANDLE_SPINS;
    if std::env::var_os(name).is_none() {
        // SAFETY: no other thread runs yet that could read the environment meanwhile.
        #[allow(unsafe_code)]
        unsafe {
            std::env::set_var(name, value);
        }
    }
    let cli = Cli::parse();
    progress::init_logging(cli.global.verbose);
    let done = run(cli);
    bundled::remove_temporary();
    match done {
        Ok(Done::Well) => ExitCode::SUCCESS,
        Ok(Done::WithFailures) => ExitCode::from(3),
        Err(error) => {
            eprintln!("bolid: {}", ends::causes(&error));
            ExitCode::from(if is_bad_configuration(&error) { 2 } else { 1 })
        }
    }
}

fn is_bad_configuration(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.is::<config::ConfigError>()
            || cause.is::<crawler::ProfileError>()
            || cause.is::<plan::PlanError>()
            || cause.is::<cli::NoRecipe>()
            || cause.is::<training::config::TrainConfigError>()
            || cause.is::<generate::RequestError>()
    })
}

fn run(cli: Cli) -> Result<Done> {
    runtime::use_threads(cli.global.threads)?;
    // One thread is enough for what only waits (network, database), and spares waking another for every answer.
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(command(cli.command, &cli.global))
}

async fn command(command: Command, global: &Global) -> Result<Done> {
    let output = Output { json: global.json };
    let snapshots_folder = global.workdir.join("snapshots");
    match command {
        Command::Dataset(DatasetArgs { recipe, measure, locked, remeasure }) => {
            progress::go_on_after_ctrl_c();
            let recipe = recipe.with(measure);
            if let Some(wanted) = &locked {
                return locked::run(&recipe, wanted, remeasure, global, output).await;
            }
            let plan = which::for_dataset(&recipe, &global.workdir).await?;
            plan.check_imports()?; // before models are loaded, a workdir is made, and hours of crawling
            let detectors = plan.detectors()?;
            let catalog = open(global).await?;
            if let Some(path) = &plan.path {
                which::remember(&global.workdir, path)?;
            }
            return dataset::run(&catalog, &plan, &detectors, output).await;
        }
        Command::Init(args) => init::run(&args, output)?,
        Command::Crawl(args) => return crawl::command(&args, global, output).await,
        Command::Import(args) => return import::command(&args, global, output).await,
        Command::Retry(args) => return crawl::retry(&args, global, output).await,
        Command::Measure { recipe, measure: args } => {
            progress::go_on_after_ctrl_c();
            let (catalog, plan) = stored(&recipe.with(args), global).await?;
            let detectors = plan.detectors()?;
            let (measured, _) = dataset::measure(&catalog, &plan, &detectors).await?;
            output.show(&measured, |measured| {
                format!("{} photos measured in {:.1} s", measured.photos, measured.seconds)
            })?;
        }
        Command::Measurements(MeasurementsCommand::Export { file, face_embeddings }) => {
            measurements::export(&look(global).await?, &file, face_embeddings, output).await?;
        }
        Command::Measurements(MeasurementsCommand::Import(args)) => {
            require_workdir(global)?;
            return measurements::import(&*open(global).await?, &args, output).await;
        }
        Command::Judge { recipe, dry_run } => {
            if dry_run {
                let named = named_plan(&recipe, global)?;
                let catalog = Arc::new(look(global).await?);
                let plan = plan_for(named, &recipe, &catalog).await?;
                return dataset::judge(&catalog, &plan, dry_run, output).await;
            }
            let (catalog, plan) = stored(&recipe, global).await?;
            return dataset::judge(&catalog, &plan, dry_run, output).await;
        }
        Command::Prepare(args) => {
            progress::go_on_after_ctrl_c();
            let (catalog, plan) = stored(&args, global).await?;
            let prepared = dataset::prepare(&catalog, &plan).await?;
            output.show(&serde_json::json!({ "prepared": prepared }), |_| {
                format!("{prepared} photos prepared")
            })?;
        }
        Command::Snapshot(SnapshotCommand::Create(args)) => {
            let (catalog, plan) = stored(&args, global).await?;
            dataset::snapshot(&catalog, &plan, output).await?;
        }
        Command::Snapshot(SnapshotCommand::Lock { snapshot, out }) => {
            snapshots::lock(&snapshots_folder, &snapshot, &out, output)?;
        }
        Command::Snapshot(SnapshotCommand::Export(args)) => {
            progress::go_on_after_ctrl_c();
            require_workdir(global)?;
            export::run(open(global).await?, &args, output).await?;
        }
        Command::Snapshot(SnapshotCommand::List) => snapshots::list(&snapshots_folder, output)?,
        Command::Snapshot(SnapshotCommand::Verify { snapshot, deep }) => {
            return snapshots::verify(&snapshots_folder, &snapshot, deep, &global.workdir, output);
        }
        Command::Snapshot(SnapshotCommand::Diff { from, to, limit, full }) => {
            let limit = (!full).then_some(limit);
            snapshots::diff(&snapshots_folder, &from, &to, limit, output)?;
        }
        Command::Erase(args) => {
            require_workdir(global)?;
            erase::run(&*open(global).await?, &args, output).await?;
        }
        Command::Report(args) => match &args.snapshot {
            Some(wanted) => report::of_snapshot(&global.workdir, wanted, &args, output)?,
            None => {
                let catalog = look(global).await?;
                let plan = which::for_stored(&args.recipe, &catalog).await?;
                report::of_stored(&catalog, &plan, &args, output).await?;
            }
        },
        Command::Review(ReviewCommand::Import { file }) => {
            require_workdir(global)?;
            review::import(&*open(global).await?, &file, output).await?;
        }
        Command::Status => status::run(&look(global).await?, output).await?,
        Command::List(args) => list::run(&look(global).await?, &args, output).await?,
        Command::Explain { photo, recipe } => {
            let catalog = look(global).await?;
            // Without a usable recipe the photo is still explained; only "the recipe's rules" cannot be marked.
            let plan = match which::for_stored(&recipe, &catalog).await {
                Ok(plan) => Some(plan),
                Err(error) if error.is::<config::ConfigError>() => return Err(error), // what was typed is wrong
                Err(_) => None,
            };
            explain::run(&catalog, &photo, plan.as_ref(), output).await?;
        }
        Command::Models(ModelsCommand::List(args)) => models::list(&args, &global.workdir, output)?,
        Command::Models(ModelsCommand::Verify(args)) => models::verify(&args, &global.workdir, output)?,
        Command::Models(ModelsCommand::Add(args)) => models::add(&args, &global.workdir, output)?,
        Command::Models(ModelsCommand::Remove(args)) => models::remove(&args, &global.workdir, output)?,
        Command::Models(ModelsCommand::Quantize(args)) => quantize::run(&args, &global.workdir, output)?,
        Command::Train(TrainCommand::Vae(args)) => training::vae::run(&args, global, output)?,
        Command::Train(TrainCommand::Cache(args)) => training::adapter::cache::run(&args, global, output)?,
        Command::Train(TrainCommand::PoseProbe(args)) => {
            training::adapter::probe::run(&args, global, output)?;
        }
        Command::Train(TrainCommand::Adapter(args)) => training::adapter::fit::run(&args, global, output)?,
        Command::Train(TrainCommand::Dreambooth(args)) => training::dreambooth::run(&args, global, output)?,
        Command::Export(ExportCommand::Adapter(args)) => {
            training::adapter::export::run(&args, global, output)?;
        }
        Command::Encode(args) => return training::encode::run(&args, global, output),
        Command::Generate(args) => return generate::run(&args, global, output),
        Command::Evaluate(args) => return evaluate::run(&args, global, output),
        Command::Experiment(args) => return evaluate::experiment::run(&args, global, output),
        Command::Bodybench(args) => training::bodybench::run(&args, global, output)?,
        Command::Runs(RunsCommand::List) => training::runs::list(&global.workdir.join("runs"), output)?,
        Command::Runs(RunsCommand::Show { run }) => {
            training::runs::show(&global.workdir.join("runs"), &run, output)?;
        }
        Command::Runs(RunsCommand::Export(args)) => {
            training::runs::export(&global.workdir.join("runs"), &args, output)?;
        }
        Command::ServeDemo(args) => demo::serve(&args, output).await?,
        Command::CheckReal(args) => check_real::run(&args, output)?,
        Command::Completions { shell } => install::completions(shell)?,
        Command::Man { folder } => install::manual(&folder)?,
    }
    Ok(Done::Well)
}

/// Opens the catalog for what only looks: also while another process is at work in it, or where nothing may be written.
async fn look(global: &Global) -> Result<Catalog> {
    require_workdir(global)?;
    let workdir = &global.workdir;
    let catalog = open_to_read(workdir).await?;
    if Catalog::is_at_work_in(workdir) {
        eprintln!(
            "bolid: another bolid process is at work in {}; this is what is stored so far",
            workdir.display()
        );
    } else if catalog.has_unfinished_erasure().await?
        && let Ok(writes) = Catalog::open(workdir).await
    {
        catalog.close().await; // what it read is of before
        erase::finish_interrupted(&writes).await?;
        writes.close().await;
        return Ok(Catalog::open_to_read(workdir).await?);
    }
    Ok(catalog)
}

/// Opens a catalog to read. Tables of an older version are brought to this one first, where that may be.
async fn open_to_read(workdir: &Path) -> Result<Catalog> {
    match Catalog::open_to_read(workdir).await {
        Err(error @ catalog::Error::OtherVersion { .. }) => match Catalog::open(workdir).await {
            Ok(writes) => {
                writes.close().await; // whoever only looks does not keep the folder from others
                Ok(Catalog::open_to_read(workdir).await?)
            }
            Err(_) => Err(error.into()),
        },
        opened => Ok(opened?),
    }
}

/// Opens the catalog for what works on stored photos, with the plan for it.
async fn stored(args: &RecipeArgs, global: &Global) -> Result<(Arc<Catalog>, Plan)> {
    let named = named_plan(args, global)?;
    require_workdir(global)?;
    let catalog = open(global).await?;
    let plan = plan_for(named, args, &catalog).await?;
    Ok((catalog, plan))
}

/// The plan that is named, or the one for what is stored.
async fn plan_for(named: Option<Plan>, args: &RecipeArgs, catalog: &Catalog) -> Result<Plan> {
    match named {
        Some(plan) => Ok(plan),
        None => which::for_stored(args, catalog).await,
    }
}

/// A recipe that is named is read first: what is wrong with it is told before anything is opened.
fn named_plan(args: &RecipeArgs, global: &Global) -> Result<Option<Plan>> {
    if args.demo {
        require_workdir(global)?; // its recipe is written there
    }
    let named = which::named(args, &global.workdir)?;
    named.map(|path| Plan::read(&path, &args.overrides)).transpose()
}

/// Refuses a work folder that is not there, where making one would only hide a mistyped `--workdir`.
fn require_workdir(global: &Global) -> Result<()> {
    let workdir = &global.workdir;
    ensure!(
        Catalog::is_in(workdir),
        "there is no work folder {}; `bolid crawl`, `import` or `dataset` makes one, and --workdir names another",
        workdir.display()
    );
    Ok(())
}

async fn open(global: &Global) -> Result<Arc<Catalog>> {
    let catalog = Catalog::open(&global.workdir).await?;
    erase::finish_interrupted(&catalog).await?;
    Ok(Arc::new(catalog))
}
