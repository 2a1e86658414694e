//! What can be typed.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use url::Url;

/// Builds identity datasets of bodies from photo galleries.
///
/// Results go to stdout, everything else to stderr.
/// Exit codes: 0 done; 1 failed; 2 bad usage or configuration; 3 finished, but some items failed.
#[derive(Debug, Parser)]
#[command(name = "bolid", version, max_term_width = 100)]
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

/// The recipe, and single values that override it.
#[derive(Debug, Clone, Args)]
pub struct RecipeArgs {
    /// The recipe (TOML): which sites, which rules, which models.
    #[arg(long, env = "BOLID_RECIPE", default_value = "data/recipes/demo.toml", value_name = "FILE")]
    pub recipe: PathBuf,
    /// Override a value of the recipe, e.g. `rules.min_side=800` (may be repeated).
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Crawl, measure, judge, prepare, snapshot: the whole way.
    Dataset(DatasetArgs),
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
    /// Compare people counts on labelled real photos, and draw what the models see.
    CheckReal(CheckRealArgs),
}

/// How to measure.
#[derive(Debug, Clone, Copy, Args)]
pub struct MeasureArgs {
    /// Ask every model of every photo, also of those that are dropped already (recipe: `measure.all`).
    #[arg(long)]
    pub all: bool,
    /// What runs the models: cpu or cuda (recipe: `measure.device`).
    #[arg(long, value_name = "DEVICE")]
    pub device: Option<curate::Device>,
}

impl RecipeArgs {
    /// The same recipe with these values over it.
    pub fn with(mut self, measure: MeasureArgs) -> Self {
        if measure.all {
            self.overrides.push("measure.all=true".to_owned());
        }
        self.overrides.extend(measure.device.map(|device| format!("measure.device={device}")));
        self
    }
}

/// `bolid dataset`.
#[derive(Debug, Args)]
pub struct DatasetArgs {
    /// The recipe.
    #[command(flatten)]
    pub recipe: RecipeArgs,
    /// How to measure.
    #[command(flatten)]
    pub measure: MeasureArgs,
    /// Rebuild this snapshot (id, name or folder): from its URLs, by its rules, with the bytes whose digests it names,
    /// in `WORKDIR/locked/ID`; and say which URLs changed or vanished.
    #[arg(long, value_name = "SNAPSHOT")]
    pub locked: Option<String>,
}

/// `bolid crawl`.
#[derive(Debug, Args)]
pub struct CrawlArgs {
    /// Which sites.
    #[command(flatten)]
    pub sites: SiteArgs,
    /// Which photos.
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// Ask again for what was fetched longer ago than this, e.g. `0s`, instead of the recipe's.
    #[arg(long, value_parser = humantime::parse_duration)]
    pub fresh_for: Option<Duration>,
    /// Walk one identity, store nothing, and say what each rule of the profile finds.
    #[arg(long, conflicts_with = "simulate")]
    pub check: bool,
}

/// Which sites, and how they are asked.
#[derive(Debug, Args)]
pub struct SiteArgs {
    /// The recipe.
    #[command(flatten)]
    pub recipe: RecipeArgs,
    /// This site profile instead of the recipe's sites.
    #[arg(long, value_name = "FILE")]
    pub site: Option<PathBuf>,
    /// Where the site is, for an engine's profile; for others a host that serves the same pages (a mirror, a test
    /// server).
    #[arg(long, value_name = "URL")]
    pub base_url: Option<Url>,
    /// How they are asked.
    #[command(flatten)]
    pub manners: MannerArgs,
}

/// How hosts are asked.
#[derive(Debug, Args)]
pub struct MannerArgs {
    /// Where a site's owner reaches you: a mail address or a page. Part of the User-Agent.
    #[arg(long)]
    pub contact: Option<String>,
    /// The time between two requests, e.g. `50ms`, instead of the profile's; robots.txt may ask for more.
    #[arg(long, value_parser = humantime::parse_duration)]
    pub delay: Option<Duration>,
}

/// Which photos of a site or list.
#[derive(Debug, Args)]
pub struct SelectionArgs {
    /// Only these people (slug or name; may be repeated).
    #[arg(long)]
    pub identity: Vec<String>,
    /// At most this many photos of each person.
    #[arg(long)]
    pub max_photos: Option<usize>,
    /// Leave out people with fewer photos.
    #[arg(long)]
    pub min_photos: Option<usize>,
    /// Read listings only, and print what would be downloaded.
    #[arg(long)]
    pub simulate: bool,
}

/// `bolid retry`.
#[derive(Debug, Args)]
pub struct RetryArgs {
    /// The failure classes, e.g. `timeout,throttled`.
    #[arg(long, value_delimiter = ',', required = true, value_name = "CLASS,…")]
    pub class: Vec<photo::FailureClass>,
    /// Which sites.
    #[command(flatten)]
    pub sites: SiteArgs,
}

/// `bolid import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// A folder, or a list with img2dataset's columns (`url,caption,…`) or with local files: .csv, .tsv, .jsonl,
    /// .parquet, .txt.
    pub path: PathBuf,
    /// The name that the photos' site gets [default: the folder's or file's name].
    #[arg(long)]
    pub name: Option<String>,
    /// How the hosts of a list of URLs are asked (TOML; see data/lists/list.toml).
    #[arg(long, value_name = "FILE")]
    pub profile: Option<PathBuf>,
    /// How they are asked.
    #[command(flatten)]
    pub manners: MannerArgs,
    /// Which photos.
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// Refuse files on the web whose width or height is smaller, before their bodies are complete.
    #[arg(long, default_value_t = 0, value_name = "PX")]
    pub min_side: u32,
}

/// `bolid report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// Show the verdicts of this snapshot (id, name or folder) [default: those of the recipe on the catalog].
    pub snapshot: Option<String>,
    /// The page to write.
    #[arg(long, value_name = "HTML")]
    pub out: PathBuf,
    /// The recipe.
    #[command(flatten)]
    pub recipe: RecipeArgs,
}

/// `bolid review …`.
#[derive(Debug, Subcommand)]
pub enum ReviewCommand {
    /// Take in the decisions that a report's page saved; they stand over all rules.
    Import {
        /// Lines of `{"identity": "site/slug", "sha256": "…", "keep": true|false|null}`.
        file: PathBuf,
    },
}

/// `bolid erase`.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct EraseArgs {
    /// A person with every photo.
    #[arg(long, value_name = "SITE/SLUG")]
    pub identity: Option<String>,
    /// The photo at this address, its page's or its file's.
    #[arg(long)]
    pub url: Option<String>,
    /// These bytes, wherever they stand: a photo's SHA-256 (or its beginning) or URL.
    #[arg(long, value_name = "SHA256|URL")]
    pub photo: Option<String>,
}

/// `bolid snapshot …`.
#[derive(Debug, Subcommand)]
pub enum SnapshotCommand {
    /// Write a snapshot of what is kept.
    Create(RecipeArgs),
    /// List the snapshots in the work folder.
    List,
    /// Check every byte of a snapshot.
    Verify {
        /// A snapshot's id (or its beginning), name or folder.
        snapshot: String,
    },
    /// Show which photos differ between two snapshots.
    Diff {
        /// The older one.
        from: String,
        /// The newer one.
        to: String,
    },
}

/// `bolid models …`.
#[derive(Debug, Subcommand)]
pub enum ModelsCommand {
    /// List the registered models.
    List(RegistryArgs),
    /// Register an ONNX file for a role, after a check of its inputs and outputs.
    Add(AddArgs),
    /// Make an int8 variant of a registered model, calibrated on photos, and say how well it agrees.
    Quantize(QuantizeArgs),
    /// Check digests, inputs and outputs of all registered models.
    Verify(RegistryArgs),
}

/// `bolid models add`.
#[derive(Debug, Args)]
pub struct AddArgs {
    /// The ONNX file.
    pub file: PathBuf,
    /// watermark, faces, people or face_embedding.
    #[arg(long)]
    pub role: curate::Role,
    /// Its name [default: the file's name].
    #[arg(long)]
    pub name: Option<String>,
    /// Its licence, for the record.
    #[arg(long)]
    pub licence: Option<String>,
    /// Where the file comes from, for the record.
    #[arg(long)]
    pub source: Option<String>,
    /// Where it is registered.
    #[command(flatten)]
    pub registry: RegistryArgs,
}

/// `bolid models quantize`.
#[derive(Debug, Args)]
pub struct QuantizeArgs {
    /// The registered model.
    pub name: String,
    /// A folder of photos like those that will be measured: every second one calibrates, the others compare.
    #[arg(long, value_name = "DIR")]
    pub photos: PathBuf,
    /// The variant's name [default: the model's, with -int8].
    #[arg(long, value_name = "NAME")]
    pub as_name: Option<String>,
    /// The Python that has onnx and onnxruntime; `make python` sets one up.
    #[arg(long, default_value = ".cache/python/bin/python", value_name = "FILE")]
    pub python: PathBuf,
    /// Where both are registered.
    #[command(flatten)]
    pub registry: RegistryArgs,
}

/// Which list of models.
#[derive(Debug, Clone, Args)]
pub struct RegistryArgs {
    /// The list of models (TOML).
    #[arg(long, env = "BOLID_MODELS", default_value = "data/models/models.toml", value_name = "FILE")]
    pub models: PathBuf,
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
    #[arg(long, default_value_t = 8)]
    pub identities: usize,
    /// How many photos of each.
    #[arg(long, default_value_t = 24)]
    pub photos: usize,
}

/// `bolid check-real`.
#[derive(Debug, Args)]
pub struct CheckRealArgs {
    /// A folder with a faces and a people model, or a models.toml.
    #[arg(long, value_name = "DIR|FILE")]
    pub models: PathBuf,
    /// A folder of photos with a manifest.csv (columns `file` and `people`: 0, 1, 2, …, many).
    #[arg(long, value_name = "DIR")]
    pub photos: PathBuf,
    /// Fail when the people counts agree on a smaller share of the photos.
    #[arg(long, default_value_t = 0.95, value_name = "SHARE")]
    pub min_agreement: f64,
    /// The picture to write.
    #[arg(long, default_value = "check-real.png", value_name = "PNG")]
    pub sheet: PathBuf,
}
