//! The `bolid` command line: parse, delegate, print an error once.
//!
//! | module | what |
//! |---|---|
//! | [`cli`], [`config`], [`recipe`] | what can be typed, and where values come from |
//! | [`bundled`], [`init`] | the demo's files, which the program carries; a recipe to begin with |
//! | [`plan`] | a recipe with everything it names; built once, before anything is touched, then only read |
//! | [`dataset`] | all stages: [`crawl`], [`measure`], [`judge`], [`prepare`], [`captions`], [`snapshots::create`] |
//! | [`import`], [`locked`] | photos from folders and lists; a snapshot's photos once more |
//! | [`measurements`], [`compare`], [`lock`] | measurements from and for other machines; one id on every machine |
//! | [`scores`] | what is stored of a photo, put together again |
//! | [`verdict_diff`] | what other thresholds would change |
//! | [`memory`] | the bound on what decoded photos take |
//! | [`status`], [`list`], [`explain`], [`snapshots`], [`models`], [`summary_table`] | what is shown |
//! | [`quantize`] | int8 variants of models |
//! | [`demo`], [`check_real`] | the demo gallery; the check on labelled real photos |
//! | [`report`], [`review`] | the page on which people decide; their decisions |
//! | [`export`] | a snapshot's photos in the layouts of other tools |
//! | [`erase`] | a person or a photo goes for good |
//! | [`training`] | training from snapshots, and what is done with its models |
//! | [`generate`] | pictures of a prompt and a body |
//! | [`evaluate`] | how well pictures show whom they are to show |
//! | [`workspace`], [`opening`] | the work folder, to read; the catalog of a command |
//! | [`which`] | which recipe is meant where none is named |
//! | [`ends`], [`exit`] | what failed; how a command ends |
//! | [`install`], [`version`] | what a system's folders get beside the program; which build this is |
//! | [`output`], [`progress`], [`runtime`] | stdout, stderr, threads and models |

mod bundled;
mod captions;
mod check_real;
mod cli;
mod compare;
mod config;
mod crawl;
mod dataset;
mod demo;
mod ends;
mod erase;
mod evaluate;
mod exit;
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
mod opening;
mod output;
mod plan;
mod prepare;
mod progress;
mod quantize;
mod recipe;
mod report;
mod review;
mod runtime;
mod scores;
mod snapshots;
mod status;
mod summary_table;
mod training;
mod verdict_diff;
mod version;
mod which;
mod workspace;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use catalog::Catalog;
use clap::Parser;

use cli::{
    CaptionArgs, Cli, Command, DatasetArgs, ExportCommand, Global, MeasurementsCommand, ModelsCommand,
    RecipeArgs, ReviewCommand, RunsCommand, SnapshotCommand, TrainCommand,
};
use exit::Done;
use opening::{look, open};
use output::Output;
use plan::{LoadedRecipe, Plan};
use which::named_recipe;
use workspace::require_workdir;

fn main() -> ExitCode {
    // Candle reads this once, before its first loop. A value that the user has set is kept.
    let [name, value] = train::device::CANDLE_SPINS;
    if std::env::var_os(name).is_none() {
        // SAFETY: no other thread runs yet that could read the environment meanwhile.
        #[allow(unsafe_code, reason = "there is no safe way to set a variable")]
        unsafe {
            std::env::set_var(name, value);
        }
    }
    curate::decode::hook::register(); // exports read photos by the `image` crate
    let cli = Cli::parse();
    progress::init_logging(cli.global.verbose);
    let done = run(cli);
    bundled::remove_temporary();
    match done {
        Ok(Done::Success) => ExitCode::SUCCESS,
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
            || cause.is::<caption::KeyError>()
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
            let loaded = which::for_dataset(&recipe, &global.workdir).await?;
            loaded.check_imports()?; // before models are loaded, a workdir is made, and hours of crawling
            let plan = Plan::of(loaded)?;
            let detectors = plan.detectors()?;
            let catalog = open(global).await?;
            if let Some(path) = &plan.loaded.path {
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
                let named = named_recipe(&recipe, global)?;
                let catalog = Arc::new(look(global).await?);
                let plan = Plan::of(loaded_for(named, &recipe, &catalog).await?)?;
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
        Command::Caption(CaptionArgs { recipe, max_requests, retry, dry_run, device }) => {
            progress::go_on_after_ctrl_c();
            let (catalog, plan) = stored(&recipe, global).await?;
            let options = captions::Options { max_requests, retry, dry_run, device: device.device };
            return dataset::caption(&catalog, &plan, &options, output).await;
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
                let plan = Plan::of(which::for_stored(&args.recipe, &catalog).await?)?;
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
            let loaded = match which::for_stored(&recipe, &catalog).await {
                Ok(loaded) => Some(loaded),
                Err(error) if error.is::<config::ConfigError>() => return Err(error), // what was typed is wrong
                Err(_) => None,
            };
            explain::run(&catalog, &photo, loaded, output).await?;
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
    Ok(Done::Success)
}

/// Opens the catalog for what works on stored photos, with the plan for it.
async fn stored(args: &RecipeArgs, global: &Global) -> Result<(Arc<Catalog>, Plan)> {
    let named = named_recipe(args, global)?;
    require_workdir(global)?;
    let catalog = open(global).await?;
    let plan = Plan::of(loaded_for(named, args, &catalog).await?)?;
    Ok((catalog, plan))
}

/// The recipe that is named, or the one for what is stored.
async fn loaded_for(
    named: Option<LoadedRecipe>,
    args: &RecipeArgs,
    catalog: &Catalog,
) -> Result<LoadedRecipe> {
    match named {
        Some(loaded) => Ok(loaded),
        None => which::for_stored(args, catalog).await,
    }
}
