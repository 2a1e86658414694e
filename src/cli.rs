//! What can be typed: what holds for all commands and their list here, their arguments by group below.
//!
//! | module | arguments of |
//! |---|---|
//! | [`crawl`] | what takes photos in: `crawl`, `import`, `retry` |
//! | [`dataset`] | what a recipe makes of them: `dataset`, `measure`, `judge`, `prepare`, `snapshot` |
//! | [`caption`] | `caption` |
//! | [`review`] | what people say of photos: `report`, `review`, `erase` |
//! | [`models`] | `models`, `check-real` |
//! | [`train`] | training and what is done with its models: `train`, `encode`, `bodybench`, `runs` |
//! | [`generate`], [`evaluate`], [`experiment`], [`export`] | the commands of these names |

mod caption;
mod crawl;
mod dataset;
mod evaluate;
mod experiment;
mod export;
mod generate;
mod models;
mod review;
mod train;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub use caption::CaptionArgs;
pub use crawl::{CrawlArgs, ImportArgs, MannerArgs, RetryArgs, SelectionArgs, SiteArgs};
pub use dataset::{
    DatasetArgs, Engine, ImportMeasurementsArgs, InitArgs, MeasureArgs, MeasurementsCommand, NoRecipe,
    RecipeArgs, SnapshotCommand,
};
pub use evaluate::EvaluateArgs;
pub use experiment::ExperimentArgs;
pub use export::SnapshotExportArgs;
pub use generate::{GenerateArgs, LAMBDA_BODY};
pub use models::{AddArgs, CheckRealArgs, ModelsCommand, QuantizeArgs, RegistryArgs, RemoveArgs};
pub use review::{EraseArgs, EraseTarget, ListArgs, Listed, ReportArgs, ReviewCommand};
pub use train::{
    AdapterArgs, BodyBenchArgs, DeviceArgs, DreamboothArgs, EmbeddingFormat, EncodeArgs, ExportAdapterArgs,
    ExportCommand, HowArgs, RunsCommand, RunsExportArgs, TrainArgs, TrainCommand, WeightType,
};

/// Builds identity datasets of bodies from photo galleries.
///
/// Results go to stdout, everything else to stderr.
/// Exit codes: 0 done; 1 failed; 2 bad usage or configuration; 3 finished, but some items failed.
#[derive(Debug, Parser)]
#[command(name = "bolid", version = crate::version::long(), max_term_width = 100)]
pub struct Cli {
    /// What holds for every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What holds for every command.
#[derive(Debug, Args)]
pub struct Global {
    /// The folder that everything is written under.
    #[arg(long, global = true, env = "BOLID_WORKDIR", default_value = "data/work", value_name = "DIR")]
    pub workdir: PathBuf,
    /// Print one JSON object per result on stdout instead of tables.
    #[arg(long, global = true)]
    pub json: bool,
    /// Threads for decoding, models and tensors [default: one per core].
    #[arg(long, global = true, env = "BOLID_THREADS", value_name = "N")]
    pub threads: Option<usize>,
    /// Log more (-v: what is done, -vv: how).
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Crawl, measure, judge, prepare, caption, snapshot: the whole way.
    Dataset(DatasetArgs),
    /// Write a recipe to begin with, which runs as written.
    Init(InitArgs),
    /// Crawl the recipe's sites, or one site.
    Crawl(CrawlArgs),
    /// Take in a folder of photos (a subfolder is an identity), or a list of files or URLs.
    Import(ImportArgs),
    /// Try failed downloads again, and those alone.
    Retry(RetryArgs),
    /// Compute the scores that are missing: the cheapest first, the others only while a photo may still be kept.
    Measure {
        /// The recipe.
        #[command(flatten)]
        recipe: RecipeArgs,
        /// How to measure.
        #[command(flatten)]
        measure: MeasureArgs,
    },
    /// Write what was measured to a file, or take over what was measured elsewhere.
    #[command(subcommand)]
    Measurements(MeasurementsCommand),
    /// Apply the rules to the scores: keep or drop, with every reason.
    Judge {
        /// The recipe.
        #[command(flatten)]
        recipe: RecipeArgs,
        /// Only print what would change.
        #[arg(long)]
        dry_run: bool,
    },
    /// Compute joints and weighted tensors of the kept photos.
    Prepare(RecipeArgs),
    /// Ask the recipe's sources for captions of the kept photos: a server, or a model on this machine.
    Caption(CaptionArgs),
    /// Write, list or verify snapshots.
    #[command(subcommand)]
    Snapshot(SnapshotCommand),
    /// Write one page that shows every photo with its verdict, opens offline, and saves what you decide.
    Report(ReportArgs),
    /// Apply what was decided on a report's page.
    #[command(subcommand)]
    Review(ReviewCommand),
    /// Erase a person or a photo for good, from the catalog, the disk and every snapshot.
    Erase(EraseArgs),
    /// Show how far every site is.
    Status,
    /// List the people or the photos that are stored, by the names that other commands take.
    List(ListArgs),
    /// Show one photo's whole way: URL, page, scores, reasons, snapshots.
    Explain {
        /// A photo's URL, SHA-256 (or its beginning) or row number.
        photo: String,
        /// The recipe whose rules are shown first.
        #[command(flatten)]
        recipe: RecipeArgs,
    },
    /// List, add or verify ONNX models.
    #[command(subcommand)]
    Models(ModelsCommand),
    /// Serve the demo gallery of synthetic people, to look at or to crawl.
    ServeDemo(ServeDemoArgs),
    /// Fit a model to a snapshot.
    #[command(subcommand)]
    Train(TrainCommand),
    /// Write a trained model as files that other programs load.
    #[command(subcommand)]
    Export(ExportCommand),
    /// Turn the photos of one person into a Gaussian over c_body.
    Encode(EncodeArgs),
    /// Draw pictures of a prompt, with a person's body.
    Generate(Box<GenerateArgs>),
    /// Judge an adapter: draw people it never saw, and measure whom the pictures show.
    Evaluate(Box<EvaluateArgs>),
    /// Compare the adapter's streams with the plain base, IP-Adapter's recipe and DreamBooth, over several trainings.
    Experiment(Box<ExperimentArgs>),
    /// Judge a body-VAE on synthetic people whose bodies are known.
    Bodybench(BodyBenchArgs),
    /// List or show trainings.
    #[command(subcommand)]
    Runs(RunsCommand),
    /// Compare people counts on labelled real photos, and draw what the models see.
    CheckReal(CheckRealArgs),
    /// Write what a shell needs to complete commands and options.
    #[command(hide = true)]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Write a manual page for each command.
    #[command(hide = true)]
    Man {
        /// The folder to write into.
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
}

/// `bolid serve-demo`.
#[derive(Debug, Args)]
pub struct ServeDemoArgs {
    /// The address to listen on; loopback unless you say otherwise.
    #[arg(long, default_value = "127.0.0.1:8765")]
    pub listen: std::net::SocketAddr,
    /// Another seed shows other people.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// How many people.
    #[arg(long, default_value_t = 8, value_parser = at_least_one)]
    pub identities: usize,
    /// How many photos of each.
    #[arg(long, default_value_t = 24, value_parser = at_least_one)]
    pub photos: usize,
}

fn at_least_one(text: &str) -> Result<usize, String> {
    let number: usize = text.parse().map_err(|_| format!("`{text}` is no whole number"))?;
    if number == 0 { Err("at least 1 is needed".to_owned()) } else { Ok(number) }
}
